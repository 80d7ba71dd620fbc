//! The roles that this binary can play.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A role: a crate, a Dapr app-id (`docket-<target>`), a deployment and a log field, all with one name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Keeps every event, and answers for it.
    Audit,
    /// Gives a completed task its next occurrence.
    Recurrence,
    /// The task API.
    Tasks,
}

impl Target {
    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Recurrence => "recurrence",
            Self::Tasks => "tasks",
        }
    }
}
