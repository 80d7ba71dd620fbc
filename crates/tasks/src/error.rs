//! Why a call for tasks is refused.

use std::time::Duration;

use docket_domain::task::Refused;
use docket_domain::{Task, TaskId, UserId};
use docket_proto::v1::ErrorReason;
use docket_rpc::Fault;
use docket_rpc::status::RETRY_DELAY;
use docket_store::Conflict;
use docket_store::idempotency::Reused;
use docket_wire::InvalidFields;
use tonic::Code;

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks rules.
    #[error(transparent)]
    Invalid(#[from] InvalidFields),
    /// There is no such task, or it is somebody else's: the two look the same.
    #[error("there is no task {id}")]
    NotFound {
        /// The id asked for.
        id: TaskId,
    },
    /// The chosen id is taken.
    #[error("the task id {id} is taken")]
    IdTaken {
        /// The chosen id.
        id: TaskId,
    },
    /// The request id was used for another call.
    #[error(transparent)]
    RequestIdReused(#[from] Reused),
    /// The task has changed since.
    #[error("task {id} has changed since the given etag")]
    EtagMismatch {
        /// The task.
        id: TaskId,
        /// The current etag.
        etag: String,
    },
    /// The task's state does not allow it.
    #[error("task {id}: {refused}")]
    Refused {
        /// The task.
        id: TaskId,
        /// The task's state.
        state: &'static str,
        /// Why.
        refused: Refused,
    },
    /// The next occurrence can not be taken back.
    #[error("the next occurrence of task {id} was changed or completed; it cannot be taken back")]
    SuccessorChanged {
        /// The task.
        id: TaskId,
        /// The next occurrence.
        successor: TaskId,
    },
    /// The predecessor is not completed at the given version.
    #[error("task {id} is not completed at the given version, or its rule has ended")]
    PredecessorChanged {
        /// The predecessor.
        id: TaskId,
    },
    /// The user has as many tasks as they may have.
    #[error("{user} has {most} tasks, which is as many as one user may have")]
    QuotaExceeded {
        /// Whose tasks.
        user: UserId,
        /// How many they may have.
        most: u64,
    },
    /// Another change came in between.
    #[error("another change was made at the same time; try again")]
    Conflict,
    /// The database failed.
    #[error("the store failed")]
    Store(#[source] docket_store::Error),
}

impl Error {
    pub(crate) fn refused(task: &Task, refused: Refused) -> Self {
        Self::Refused { id: task.id, state: task.state.name(), refused }
    }
}

impl From<docket_store::Error> for Error {
    fn from(error: docket_store::Error) -> Self {
        if error.is_conflict() { Self::Conflict } else { Self::Store(error) }
    }
}

impl Conflict for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict)
    }

    fn store(&self) -> Option<&docket_store::Error> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::NotFound { .. } => Code::NotFound,
            Self::IdTaken { .. } | Self::RequestIdReused(_) => Code::AlreadyExists,
            Self::EtagMismatch { .. } | Self::Conflict => Code::Aborted,
            Self::QuotaExceeded { .. } => Code::ResourceExhausted,
            Self::Refused { .. } | Self::SuccessorChanged { .. } | Self::PredecessorChanged { .. } => {
                Code::FailedPrecondition
            }
            Self::Store(error) if error.is_unavailable() => Code::Unavailable,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::NotFound { .. } => ErrorReason::TaskNotFound,
            Self::IdTaken { .. } => ErrorReason::TaskIdTaken,
            Self::RequestIdReused(_) => ErrorReason::RequestIdReused,
            Self::EtagMismatch { .. } => ErrorReason::EtagMismatch,
            Self::QuotaExceeded { .. } => ErrorReason::QuotaExceeded,
            Self::Conflict => ErrorReason::Conflict,
            Self::Refused { refused: Refused::Deleted, .. } => ErrorReason::TaskDeleted,
            Self::Refused { .. } => ErrorReason::TaskState,
            Self::SuccessorChanged { .. } => ErrorReason::SuccessorChanged,
            Self::PredecessorChanged { .. } => ErrorReason::PredecessorChanged,
            Self::Store(error) if error.is_unavailable() => ErrorReason::Unavailable,
            Self::Store(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Invalid(_) | Self::Conflict | Self::Store(_) => Vec::new(),
            Self::NotFound { id } | Self::IdTaken { id } | Self::PredecessorChanged { id } => {
                vec![("task_id", id.to_string())]
            }
            Self::QuotaExceeded { most, .. } => vec![
                ("limit", "tasks_per_user".to_owned()),
                ("value", most.to_string()),
                ("unit", "tasks".to_owned()),
            ],
            Self::RequestIdReused(Reused { id }) => vec![("request_id", id.to_string())],
            Self::EtagMismatch { id, etag } => vec![("task_id", id.to_string()), ("etag", etag.clone())],
            Self::Refused { id, refused: Refused::Deleted, .. } => vec![("task_id", id.to_string())],
            Self::Refused { id, state, .. } => {
                vec![("task_id", id.to_string()), ("state", (*state).to_owned())]
            }
            Self::SuccessorChanged { id, successor } => {
                vec![("task_id", id.to_string()), ("successor_id", successor.to_string())]
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match (self.code(), self) {
            // Another try meets another moment; with the etag of before, or no room, it would not.
            (Code::Unavailable, _) | (_, Self::Conflict) => Some(RETRY_DELAY),
            _ => None,
        }
    }

    fn quota(&self) -> Option<(String, String)> {
        match self {
            Self::QuotaExceeded { user, .. } => Some((format!("user:{user}"), self.to_string())),
            _ => None,
        }
    }

    fn violations(&self) -> Vec<(String, String)> {
        match self {
            Self::Invalid(InvalidFields(violations)) => {
                violations.iter().map(|one| (one.field.clone(), one.description.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}
