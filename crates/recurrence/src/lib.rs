//! Target `recurrence`: a completed task gets its next occurrence.
#![doc = include_str!("../README.md")]

mod handler;

use std::sync::Arc;

use docket_domain::source::Clock;
use docket_rpc::ServiceToken;
use docket_sidecar::{Client, InvalidAppId};
use docket_store::Store;
use serde::{Deserialize, Serialize};

pub use handler::Handler;

/// What the target can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The Dapr app-id of the task API: `docket` when all targets run in one process, else `docket-tasks`.
    pub tasks_app_id: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { tasks_app_id: "docket".to_owned() }
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
    /// The handler, to be subscribed to the topic of task events.
    pub fn build(self, deps: Deps) -> Result<Handler, InvalidAppId> {
        let tasks = deps.client.channel_for(&self.tasks_app_id)?;
        Ok(Handler::new(tasks, deps))
    }
}
