//! Target `reminders`: gives the reminders of tasks at their moments.
#![doc = include_str!("../README.md")]

mod alarms;
mod arming;
mod error;
mod events;
mod firing;
mod follow;
mod handler;
mod jobs;
mod metrics;
mod service;
mod shots;
#[cfg(test)]
mod tests;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use docket_domain::source::{Clock, Ids};
use docket_proto::v1::reminder_service_server::ReminderServiceServer;
use docket_sidecar::{Client, Jitter, JobHandler, TopicHandler};
use docket_store::Store;
use docket_telemetry::instruments::Meter;
use serde::{Deserialize, Serialize};

pub use alarms::Alarms;
pub use error::Error;
pub use handler::NAME as HANDLER;
pub use jobs::JOB_PREFIX;
pub use service::Service;

use crate::arming::Arming;
use crate::firing::Firing;
use crate::handler::Handler;
use crate::jobs::{Jobs, Scheduler};
use crate::shots::Shots;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The topic of due reminders. Default `reminders`.
    pub topic: String,
    /// The pub/sub component that the topic is on; that of the other topics unless it is said here.
    pub pubsub: Option<String>,
    /// How late a reminder may be given, in seconds; after that it is missed. 60 to 31,622,400, default 86,400.
    pub late_seconds: u32,
    /// How far ahead reminders get an alarm, in seconds. 60 to 31,622,400, default 86,400.
    pub horizon_seconds: u32,
    /// How often is looked for what has no alarm, or had one that was not heard, in milliseconds. 100 to 60,000, default
    /// 2,000.
    pub poll_ms: u32,
    /// How late an alarm may be before the reminder is given without it, in seconds. 1 to 3,600, default 2.
    pub grace_seconds: u32,
    /// How long the scheduler waits after an alarm that was refused, in seconds. 1 to 3,600, default 10.
    pub job_retry_seconds: u32,
    /// From how many reminders of one second on they share an alarm. 2 to 501, default 16. No more than 500 are looked at
    /// together, so 501 means never.
    pub bucket_from: usize,
    /// After how long a reminder is told of again whose end nobody told, in seconds. 60 to 604,800, default 21,600.
    pub republish_seconds: u32,
    /// How often is looked whether the scheduler still has what it was given, in seconds. 1 to 3,600, default 30.
    pub witness_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            topic: "reminders".to_owned(),
            pubsub: None,
            late_seconds: 86_400,
            horizon_seconds: 86_400,
            poll_ms: 2_000,
            grace_seconds: 2,
            job_retry_seconds: 10,
            bucket_from: 16,
            republish_seconds: 21_600,
            witness_seconds: 30,
        }
    }
}

/// What the target needs.
#[derive(Clone)]
pub struct Deps {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// Answers random numbers from 0 to 1.
    pub jitter: Jitter,
    /// The sidecar.
    pub client: Client,
    /// The topic of what becomes of tasks and reminders.
    pub events_topic: String,
    /// Makes the instruments of the target's figures.
    pub meter: Meter,
}

/// The target.
pub struct Reminders {
    /// To be subscribed to the topic of task events.
    pub handler: Arc<dyn TopicHandler>,
    /// To be given the jobs whose names begin with [`JOB_PREFIX`].
    pub jobs: Arc<dyn JobHandler>,
    /// To be run.
    pub alarms: Alarms,
    /// To be added to a server.
    pub service: ReminderServiceServer<Service>,
}

impl Config {
    /// The target. Has to be called in a runtime: alarms that ring are gathered by a task, which ends with the last clone of
    /// `jobs`.
    pub fn build(self, deps: Deps) -> Reminders {
        let scheduler = Arc::new(deps.client.clone());
        self.with_scheduler(deps, scheduler)
    }

    fn with_scheduler(self, deps: Deps, scheduler: Arc<dyn Scheduler>) -> Reminders {
        let shots = Arc::new(Shots::new(&self, &deps));
        let arming = Arming::new(&self, &deps, scheduler, shots.clone());
        Reminders {
            handler: Arc::new(Handler::new(deps.store.clone(), deps.clock.clone())),
            jobs: Arc::new(Jobs::new(Firing::start(shots.clone()), deps.store.clone())),
            service: ReminderServiceServer::new(Service::new(deps.store.clone(), deps.clock.clone())),
            alarms: Alarms::new(&self, deps.store, shots, arming),
        }
    }
}

/// Seconds of the configuration.
fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
