//! Target `tasks`: keeps the tasks of all users and tells the world of every change.
#![doc = include_str!("../README.md")]

mod error;
mod mutation;
mod occurrence;
mod quota;
mod restate;
mod service;

use std::sync::Arc;

use docket_domain::source::{Clock, Ids};
use docket_proto::v1::task_service_server::TaskServiceServer;
use docket_store::Store;
use serde::{Deserialize, Serialize};

pub use error::Error;
pub use restate::restated;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The topic of task events.
    pub topic: String,
    /// The most tasks that a user may have, deleted ones aside; 0 for no limit. Default 10,000. Occurrences of recurring
    /// tasks come all the same.
    pub max_per_user: u32,
    /// How long a completed task may wait for its next occurrence before `ListSeriesGaps` names it, in seconds: 1 to 86,400.
    /// Default 60.
    pub gap_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { topic: "task-events".to_owned(), max_per_user: 10_000, gap_seconds: 60 }
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
}

impl Config {
    /// The service, to be added to a server.
    pub fn build(self, deps: Deps) -> TaskServiceServer<service::Service> {
        TaskServiceServer::new(service::Service::new(self, deps))
    }
}

pub use service::Service;
