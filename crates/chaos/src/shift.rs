//! Clients at work on a fleet to which somebody else does something, and what is wrong with what is left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docket_testkit::history::{Anomaly, History, Recorder, Sources, check};
use docket_testkit::{Fleet, Kafka};
use futures::future::join;

use crate::client::Account;
use crate::crew::Staff;
use crate::evidence;
use crate::manner::Manner;
use crate::report::{count, left};

/// How many clients work, as how many users, and how long one rests between two calls, on average.
const CLIENTS: usize = 4;
const USERS: usize = 4;
const REST: Duration = Duration::from_millis(100);

/// How the names of the users begin. A test may have users of its own beside them, who are not judged.
const PREFIX: &str = "shift-user-";

/// Clients who work as those of a run do.
pub struct Shift {
    staff: Staff,
    recorder: Arc<Recorder>,
}

/// What is to be said of what a shift has left.
#[derive(Debug)]
pub struct Judgement {
    /// Calls by method and outcome.
    pub calls: BTreeMap<String, BTreeMap<String, u64>>,
    /// What was left where.
    pub left: BTreeMap<&'static str, usize>,
    /// What is wrong, each thing once.
    pub anomalies: Vec<Anomaly>,
    /// All that is known of what they concern.
    pub evidence: String,
}

impl Shift {
    /// Clients of this fleet. The seed decides what they want.
    pub fn on(fleet: &Fleet, seed: u64) -> Self {
        let account = |number| {
            let name = format!("{PREFIX}{number}");
            Account::new(&name, fleet.user(&name))
        };
        let recorder = Arc::new(Recorder::default());
        let staff = Staff {
            seed,
            clients: CLIENTS,
            rest: REST,
            manner: Manner::AsWished,
            recorder: Arc::clone(&recorder),
            accounts: (0..USERS).map(account).collect(),
            probed: [account(USERS)].into(),
        };
        Self { staff, recorder }
    }

    /// What they ask and hear.
    pub fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.recorder)
    }

    /// Lets them work while `events` happen, and until each has ended what it is at.
    pub async fn during<T>(self, events: impl Future<Output = T>) -> T {
        self.staff.during(async |_probe| events.await).await
    }
}

impl Judgement {
    /// Of what a shift has left on a fleet that has nothing more to do, where nobody else worked as its users. In which order
    /// was committed is judged where the database has [`SETTING`](docket_testkit::history::SETTING).
    pub async fn of(fleet: &Fleet, kafka: &Kafka, recorder: &Recorder) -> Self {
        let (topic, calls) = (fleet.topic(), recorder.calls());
        let (database, stored) = join(fleet.database().superuser_client(), kafka.read(topic)).await;
        let sources = Sources { database: &database, topic, stored: &stored };
        let all = History::gather(sources, calls, &[]).await;
        let history = all.of_users(|user| user.starts_with(PREFIX), 0);
        let anomalies = check(&history);
        let evidence = evidence::of(&history, &anomalies);
        Self { calls: count(&history.calls), left: left(&history), anomalies, evidence }
    }
}
