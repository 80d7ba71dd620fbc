//! Target `recurrence`: a completed task gets its next occurrence.
#![doc = include_str!("../README.md")]

mod handler;
mod repair;
mod task_api;

use std::sync::Arc;

use docket_domain::source::Clock;
use docket_rpc::ServiceToken;
use docket_sidecar::{Client, InvalidAppId};
use docket_store::Store;
use serde::{Deserialize, Serialize};

pub use handler::Handler;
pub use repair::Repair;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The Dapr app-id of the task API: `docket` when all targets run in one process, else `docket-tasks`.
    pub tasks_app_id: String,
    /// The input binding that says when to look for completed tasks that nothing followed. Default: `recurring-scheduler`.
    pub binding: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { tasks_app_id: "docket".to_owned(), binding: "recurring-scheduler".to_owned() }
    }
}

/// What the target needs.
pub struct Deps {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The sidecar.
    pub client: Client,
    /// What the service calls with.
    pub token: Arc<ServiceToken>,
}

impl Config {
    /// The handler, to be subscribed to the topic of task events, and what is to be done when the binding says so.
    pub fn build(self, deps: Deps) -> Result<(Handler, Repair), InvalidAppId> {
        let channel = deps.client.channel_for(&self.tasks_app_id)?;
        let tasks = Arc::new(task_api::Remote::new(channel, deps.token));
        Ok((Handler::new(tasks.clone(), deps.store, deps.clock), Repair::new(tasks)))
    }
}
