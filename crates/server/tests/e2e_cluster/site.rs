//! The platform as `cargo xtask up` has left it, and its API as users see it.

use docket_domain::TimeDelta;
use docket_domain::source::Clock as _;
use docket_proto::v1;
use docket_proto::v1::reminder::Moment;
use docket_proto::v1::task::Due;
use docket_server::source::SystemClock;
use docket_testkit::kubernetes::Forward;
use docket_testkit::{PATIENCE, Servers, User, once, wait_for};
use uuid::Uuid;

use crate::kubectl::{self, DOCKET};

/// Where a pod serves the API, and where it listens for its sidecar.
pub(crate) const PUBLIC: u16 = 7600;
pub(crate) const APP: u16 = 7601;

/// The targets, each a Deployment and an app id `docket-<target>`.
pub(crate) const TARGETS: [&str; 6] =
    ["tasks", "recurrence", "audit", "reminders", "notification", "deadletters"];

/// The API of the platform.
pub(crate) struct Site {
    tasks: Forward,
    audit: Forward,
    reminders: Forward,
    notification: Forward,
}

impl Site {
    /// Leads ports of this machine to it.
    pub(crate) async fn open() -> Self {
        for target in TARGETS {
            kubectl::rolled_out(DOCKET, &format!("docket-{target}")).await;
        }
        kubectl::steady().await;
        let open = async |name: &str| kubectl::forward(DOCKET, &format!("docket-{name}"), &[PUBLIC]).await;
        let [tasks, audit] = [open("tasks").await, open("audit").await];
        Self { tasks, audit, reminders: open("reminders").await, notification: open("notification").await }
    }

    /// Somebody whom nobody has heard of before.
    pub(crate) async fn user(&self, name: &str) -> User {
        self.user_with(&token(&somebody(name)).await)
    }

    /// Who has this token.
    pub(crate) fn user_with(&self, token: &str) -> User {
        let servers = Servers {
            tasks: self.tasks.channel(PUBLIC),
            audit: self.audit.channel(PUBLIC),
            reminders: self.reminders.channel(PUBLIC),
            notification: self.notification.channel(PUBLIC),
        };
        User::across(servers, token)
    }

    /// The public port of the tasks.
    pub(crate) fn tasks(&self) -> tonic::transport::Channel {
        self.tasks.channel(PUBLIC)
    }
}

/// A task with a reminder that is due so many seconds from now.
pub(crate) fn reminded(title: &str, seconds: i64) -> v1::Task {
    let moment = SystemClock.now() + TimeDelta::seconds(seconds);
    let reminder = v1::Reminder { moment: Some(Moment::RemindTime(moment.into())), channels: vec![] };
    let due = Some(Due::DueTime((moment + TimeDelta::hours(1)).into()));
    v1::Task { due, reminders: vec![reminder], ..once(title) }
}

/// A name that nobody has.
pub(crate) fn somebody(name: &str) -> String {
    format!("{name}-{}", &Uuid::new_v4().simple().to_string()[..12])
}

/// A token of Docket's own, as the chart's notes say how to get one. The pod may be about to go.
pub(crate) async fn token(user: &str) -> String {
    wait_for(&format!("a token for {user}"), PATIENCE, async || {
        let exec = ["exec", "--namespace", DOCKET, "deployment/docket-tasks", "--container=docket", "--"];
        let token = ["docket", "token", "--user", user];
        let said = kubectl::attempt(&[&exec[..], &token].concat(), b"").await;
        if said.well() { Ok(said.text().trim().to_owned()) } else { Err(said.errors) }
    })
    .await
}
