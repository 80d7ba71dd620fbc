//! The calls that are measured.

use clap::ValueEnum;

use crate::world::Data;

/// A call of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Method {
    /// A new task of a random user, with a request id.
    Create,
    /// A random task of a random user.
    Get,
    /// The first 50 of one user's many tasks, by creation.
    List,
    /// A new title for a random task, whatever its version.
    Update,
    /// An open task, another one each time.
    Complete,
}

impl Method {
    /// All, in the order in which they are measured.
    pub(crate) const ALL: [Self; 5] = [Self::Create, Self::Get, Self::List, Self::Update, Self::Complete];

    /// Its name in the contract.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Create => "CreateTask",
            Self::Get => "GetTask",
            Self::List => "ListTasks",
            Self::Update => "UpdateTask",
            Self::Complete => "CompleteTask",
        }
    }

    /// The least share of the reference's throughput that is wanted with the most calls in flight.
    pub(crate) const fn goal(self) -> Option<f64> {
        match self {
            Self::Create => Some(0.5),
            Self::Get => Some(0.2),
            Self::List | Self::Update | Self::Complete => None,
        }
    }

    /// Whether each call leaves an event in the outbox.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Complete)
    }

    /// The data that a cell begins with.
    pub(crate) fn data(self, seconds: u64) -> Data {
        /// More than a second of any machine that this was run on can complete.
        const COMPLETED_PER_SECOND_AND_USER: u64 = 10;
        match self {
            // Every call needs an open task of its own.
            Self::Complete => Data { tasks_per_user: 20.max(COMPLETED_PER_SECOND_AND_USER * seconds) },
            _ => Data { tasks_per_user: 20 },
        }
    }
}
