//! Docket as in production: a deployment for each target, on PostgreSQL and Kafka, every process with its own sidecar and
//! behind networks that can fail.

mod builder;
mod member;
mod release;
mod settled;

use std::time::Duration;

use futures::future::join_all;

use crate::components::{dead_letter_topic, reminders_topic};
use crate::kafka::Kafka;
use crate::postgres::Database;
use crate::scheduler::Scheduler;
use crate::user::{Servers, User};
use crate::{PATIENCE, wait_for};
pub use builder::FleetBuilder;
pub use member::{Links, Member};
pub use release::Release;
pub use settled::{Underway, groups};

/// A target, which is a deployment of its own.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Role {
    /// The task API.
    Tasks,
    /// Gives a completed task its next occurrence.
    Recurrence,
    /// Keeps every event, and answers for it.
    Audit,
    /// Keeps what could not be handled.
    DeadLetters,
    /// Fires reminders when they are due.
    Reminders,
    /// Sends what people are to know.
    Notification,
}

impl Role {
    /// All of them, in the order in which they are started.
    pub const ALL: [Self; 6] =
        [Self::Tasks, Self::Recurrence, Self::Audit, Self::DeadLetters, Self::Reminders, Self::Notification];

    /// Those that every fleet has.
    pub const BACKBONE: [Self; 4] = [Self::Tasks, Self::Recurrence, Self::Audit, Self::DeadLetters];

    /// The name, as in `docket serve --target`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Recurrence => "recurrence",
            Self::Audit => "audit",
            Self::DeadLetters => "deadletters",
            Self::Reminders => "reminders",
            Self::Notification => "notification",
        }
    }

    /// Whether it handles events, so that its sidecar subscribes.
    fn subscribes(self) -> bool {
        self != Self::Tasks
    }
}

/// Deployments of every target. The members end first, then the scheduler; database and broker belong to whoever started
/// them.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
    database: Database,
    topic: String,
    scheduler: Scheduler,
}

impl Fleet {
    /// A fleet of the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    ///
    /// Where the broker has a proxy for each member, a member's sidecar reaches it through its own.
    pub fn builder<'a>(
        binary: &'a std::path::Path,
        database: &Database,
        kafka: &'a Kafka,
    ) -> FleetBuilder<'a> {
        FleetBuilder::new(binary, database.clone(), kafka)
    }

    /// All processes with their sidecars.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// All processes with their sidecars.
    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.iter_mut()
    }

    /// The replicas of a target.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Member> + Clone {
        self.members.iter().filter(move |member| member.role() == role)
    }

    /// One replica, counted from 0.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn member(&self, role: Role, index: usize) -> &Member {
        let missing = || panic!("there is no {}-{index}", role.name());
        self.of(role).nth(index).unwrap_or_else(missing)
    }

    /// One replica, counted from 0.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn member_mut(&mut self, role: Role, index: usize) -> &mut Member {
        let mut replicas = self.members.iter_mut().filter(|member| member.role() == role);
        replicas.nth(index).unwrap_or_else(|| panic!("there is no {}-{index}", role.name()))
    }

    /// The API as this user, once for each replica of the task API. What it asks others goes to a replica of those.
    pub fn user(&self, name: &str) -> Vec<User> {
        let tasks = self.of(Role::Tasks).enumerate();
        tasks
            .map(|(index, tasks)| {
                // Where there are none, the call is refused by one that does not have it.
                let channel = |role| {
                    let member = self.of(role).cycle().nth(index).unwrap_or(tasks);
                    member.docket.public_channel()
                };
                let servers = Servers {
                    tasks: tasks.docket.public_channel(),
                    audit: channel(Role::Audit),
                    reminders: channel(Role::Reminders),
                    notification: channel(Role::Notification),
                };
                User::across(servers, &tasks.docket.token(name))
            })
            .collect()
    }

    /// The database that all share, each in a role of its own.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The scheduler that all sidecars share.
    pub fn scheduler(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// The topic of the events.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The topic of the reminders that are due.
    pub fn reminders_topic(&self) -> String {
        reminders_topic(&self.topic)
    }

    /// The topic of what could not be handled of the events.
    pub fn dead_letter_topic(&self) -> String {
        dead_letter_topic(&self.topic)
    }

    /// The groups in which the sidecars consume, each with its topic.
    pub fn groups(&self) -> Vec<(String, String)> {
        let app_id = |role: Role| self.of(role).next().map(|member| member.app_id().to_owned());
        settled::groups(app_id, &self.topic, &self.reminders_topic())
    }

    /// Waits until every process serves, and every sidecar delivers.
    pub async fn ready(&mut self) {
        join_all(self.members.iter_mut().map(Member::ready)).await;
    }

    /// Puts an end to all faults of members: networks are in order, who was stopped goes on, who has ended is started.
    /// Then waits until all are ready. Database and broker must be up.
    pub async fn heal(&mut self, kafka: &Kafka) {
        for member in &mut self.members {
            member.heal(kafka).await;
        }
        self.ready().await;
    }

    /// Waits until nothing is on its way any more, and no dead letter is open.
    pub async fn settled(&self, kafka: &Kafka) {
        self.settled_within(kafka, 0, PATIENCE).await;
    }

    /// Waits until nothing is on its way any more, and so many dead letters are open.
    ///
    /// # Panics
    /// When that takes longer than `limit`.
    pub async fn settled_within(&self, kafka: &Kafka, letters: u64, limit: Duration) {
        wait_for("a fleet that has nothing to do", limit, async || self.unsettled(kafka, letters).await)
            .await;
    }

    /// What is still on its way, as an error that says so: events in outboxes, records that a group has not consumed, or
    /// another number of open dead letters.
    pub async fn unsettled(&self, kafka: &Kafka, letters: u64) -> Result<(), String> {
        let (database, broker, groups) = (self.database.url(), kafka.access(), self.groups());
        // In a box: with a database in it, its type is too deep for the compiler inside those of tests.
        Box::pin(Underway { database, broker, groups }.settled(letters)).await
    }
}
