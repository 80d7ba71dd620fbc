//! Target `tasks`: keeps the tasks of all users and tells the world of every change.
#![doc = include_str!("../README.md")]

mod answer;
mod error;
mod mutation;
mod occurrence;
mod service;

use std::sync::Arc;

use docket_domain::source::{Clock, Ids};
use docket_proto::v1::task_service_server::TaskServiceServer;
use docket_store::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub use error::Error;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The topic of task events.
    pub topic: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { topic: "task-events".to_owned() }
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
    /// Woken after a commit that left events in the outbox.
    pub committed: Arc<Notify>,
}

impl Config {
    /// The service, to be added to a server.
    pub fn build(self, deps: Deps) -> TaskServiceServer<service::Service> {
        TaskServiceServer::new(service::Service::new(self.topic, deps))
    }
}

pub use service::Service;
