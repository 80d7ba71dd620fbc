//! Scheduler, daprd and docket, wired together.

mod builder;

use std::path::Path;

use docket_store::outbox::PendingEvent;

use crate::callback::Callback;
use crate::components::{dead_letter_topic, reminders_topic};
use crate::daprd::{Daprd, DaprdBuilder};
use crate::docket::Docket;
use crate::kafka::Kafka;
use crate::scheduler::Scheduler;
use crate::user::User;
use crate::{PATIENCE, wait_for};
pub use builder::StackBuilder;

const ENABLED: &str = "DOCKET_DAPR__ENABLED";

/// Docket's own name for its topic.
const EVENTS: &str = "task-events";

/// Docket's own name for its topic of reminders.
const REMINDERS: &str = "reminders";

/// The name under which sidecars find docket, what it and its own sidecar show each other, and what replicas sign with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    app_id: String,
    api_token: String,
    app_api_token: String,
    secret: String,
}

/// Scheduler, daprd and docket, wired together.
#[derive(Debug)]
pub struct Stack {
    /// The binary under test. Ends first, so that its sidecar is not seen to go.
    pub docket: Docket,
    dapr: Option<Dapr>,
    /// What `switch_on_dapr` starts.
    later: Option<DaprdBuilder>,
    identity: Identity,
    topic: String,
    /// The replica beside it, and the scheduler that they share.
    beside: Option<(Box<Stack>, Scheduler)>,
}

/// In the order in which they end.
#[derive(Debug)]
struct Dapr {
    daprd: Daprd,
    /// None where others share it.
    scheduler: Option<Scheduler>,
}

impl Stack {
    /// A stack around the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    pub fn builder(binary: &Path) -> StackBuilder {
        StackBuilder::new(binary, Identity::new())
    }

    /// The sidecar.
    ///
    /// # Panics
    /// When the stack runs without.
    pub fn daprd(&mut self) -> &mut Daprd {
        &mut self.dapr.as_mut().expect("this stack runs without dapr").daprd
    }

    /// The scheduler.
    ///
    /// # Panics
    /// When the stack runs without dapr, or is one of [`Replicas`](crate::Replicas), which have it.
    pub fn scheduler(&mut self) -> &mut Scheduler {
        let shared = self.beside.as_mut().map(|(_, scheduler)| scheduler);
        let own = self.dapr.as_mut().and_then(|dapr| dapr.scheduler.as_mut());
        own.or(shared).expect("this stack has no scheduler of its own")
    }

    /// Gives a stack without dapr its sidecar, and starts docket again with it.
    ///
    /// # Panics
    /// When the stack has one.
    pub async fn switch_on_dapr(&mut self) {
        let daprd = self.later.take().expect("this stack was started without dapr");
        let status = self.docket.terminate().await;
        assert!(status.success(), "docket ended with {status}");
        self.docket.set_env(ENABLED, "true");
        self.docket.spawn();
        self.dapr = Some(start_dapr(daprd, None).await);
        self.ready().await;
    }

    /// Waits until docket serves and its sidecar delivers.
    pub async fn ready(&mut self) {
        self.docket.ready().await;
        if let Some(Dapr { daprd, .. }) = &mut self.dapr {
            daprd.ready().await;
            daprd.subscribed().await;
        }
    }

    /// Kills docket, and the replica beside it if there is one, and starts them again with what they had, but without
    /// failpoints.
    pub async fn restart(&mut self) {
        for docket in std::iter::once(&mut self.docket)
            .chain(self.beside.iter_mut().map(|(stack, _)| &mut stack.docket))
        {
            docket.kill();
            docket.spawn();
        }
        self.ready().await;
        if let Some((beside, _)) = &mut self.beside {
            beside.ready().await;
        }
    }

    /// What docket shows to the sidecar.
    pub fn api_token(&self) -> &str {
        &self.identity.api_token
    }

    /// What the sidecar shows to docket.
    pub fn app_api_token(&self) -> &str {
        &self.identity.app_api_token
    }

    /// The name under which other sidecars find docket.
    pub fn app_id(&self) -> &str {
        &self.identity.app_id
    }

    /// The topic of its events.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The topic of its reminders that are due.
    pub fn reminders_topic(&self) -> String {
        if self.topic == EVENTS { REMINDERS.to_owned() } else { reminders_topic(&self.topic) }
    }

    /// The topic of what it could not handle of its events.
    pub fn dead_letter_topic(&self) -> String {
        dead_letter_topic(&self.topic)
    }

    /// The API, as this user.
    pub fn user(&self, name: &str) -> User {
        self.docket.user(name)
    }

    /// How many events are on their way: not all of their handlers are done with them.
    pub async fn waiting_events(&self) -> u64 {
        let database = self.docket.database().await;
        let depth = database.depth().await.expect("the outboxes can be counted");
        database.close().await;
        depth
    }

    /// The first event of each key that is on its way on this topic.
    pub async fn waiting_on(&self, topic: &str) -> Vec<PendingEvent> {
        let database = self.docket.database().await;
        let heads = database.heads(&[topic]).await.expect("the outboxes can be read");
        database.close().await;
        heads
    }

    /// Waits until no event is on its way any more: each one's handlers are done with it.
    pub async fn settled(&self) {
        let database = self.docket.database().await;
        wait_for("empty outboxes", PATIENCE, async || match database.depth().await {
            Ok(0) => Ok(()),
            Ok(depth) => {
                let topics = [self.topic(), &self.dead_letter_topic()];
                let heads = database.heads(&topics).await.unwrap_or_default();
                let heads = heads.into_iter().take(10);
                let heads: Vec<_> = heads.map(|head| (head.topic, head.event_type, head.key)).collect();
                Err(format!("{depth} events in them, the first are {heads:?}"))
            }
            Err(error) => Err(error.to_string()),
        })
        .await;
        database.close().await;
    }

    /// The same where a broker carries the events: its outboxes are empty, and its sidecar has brought it everything that is
    /// on its topics.
    pub async fn settled_on(&self, kafka: &Kafka) {
        self.settled().await;
        for (group, topic) in self.identity.groups(&self.topic) {
            kafka.caught_up(&group, &topic).await;
        }
        // Letters are written while events are handled.
        self.settled().await;
    }

    /// Speaks to docket as its own sidecar does.
    pub fn sidecar(&self) -> Callback {
        Callback::new(self.docket.app_channel()).with_token(self.app_api_token())
    }

    /// Speaks to docket, and to the replica beside it if there is one, as their own sidecars do.
    pub fn sidecars(&self) -> Vec<Callback> {
        self.replicas().map(Stack::sidecar).collect()
    }

    /// Stops all sidecars where they are.
    pub fn pause_sidecars(&self) {
        self.replicas().filter_map(|stack| stack.dapr.as_ref()).for_each(|dapr| dapr.daprd.pause());
    }

    /// Lets all sidecars go on.
    pub fn resume_sidecars(&self) {
        self.replicas().filter_map(|stack| stack.dapr.as_ref()).for_each(|dapr| dapr.daprd.resume());
    }

    fn replicas(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.beside.iter().map(|(stack, _)| &**stack))
    }
}

impl Identity {
    pub(crate) fn new() -> Self {
        // Sidecars find each other by name on the whole machine, and other tests run at the same time.
        let app_id = format!("docket-{}", uuid::Uuid::new_v4().simple());
        let [api_token, app_api_token] = std::array::from_fn(|_| uuid::Uuid::new_v4().to_string());
        let secret = format!("{0}{0}", uuid::Uuid::new_v4().simple());
        Self { app_id, api_token, app_api_token, secret }
    }

    /// The groups in which its sidecar consumes from a broker, each with its topic.
    fn groups(&self, topic: &str) -> [(String, String); 4] {
        let of = |what: &str| format!("{}-{what}", self.app_id);
        let reminders = reminders_topic(topic);
        [
            (self.app_id.clone(), topic.to_owned()),
            (of("dead-letters"), dead_letter_topic(topic)),
            (of("dead-letters"), dead_letter_topic(&reminders)),
            (of("reminders"), reminders),
        ]
    }
}

async fn start_dapr(daprd: DaprdBuilder, scheduler: Option<u16>) -> Dapr {
    let Some(port) = scheduler else {
        let scheduler = Scheduler::builder();
        let daprd = daprd.scheduler(scheduler.port());
        let scheduler = scheduler.start().await;
        return Dapr { daprd: daprd.spawn(), scheduler: Some(scheduler) };
    };
    Dapr { daprd: daprd.scheduler(port).spawn(), scheduler: None }
}
