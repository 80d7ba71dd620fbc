//! Why a call of `ReminderService` is refused.

use docket_domain::{ReminderNumber, ReminderState, TaskId};
use docket_proto::v1::ErrorReason;
use docket_rpc::Fault;
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
    /// The caller has no such reminder.
    #[error("task {task} has no reminder {number}")]
    NotFound {
        /// The task asked for.
        task: TaskId,
        /// The reminder asked for.
        number: ReminderNumber,
    },
    /// What became of the reminder, or of its task, does not allow it.
    #[error("reminder {number} of task {task} is {}{}", .state.name(), if *.over { ", and the task is over" } else { "" })]
    State {
        /// The task.
        task: TaskId,
        /// The reminder.
        number: ReminderNumber,
        /// How it stands.
        state: ReminderState,
        /// Whether its task is completed or deleted.
        over: bool,
    },
    /// The request id was used for another call.
    #[error(transparent)]
    RequestIdReused(#[from] Reused),
    /// The database failed.
    #[error("the store failed")]
    Store(#[from] docket_store::Error),
}

impl Conflict for Error {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
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
            Self::RequestIdReused(_) => Code::AlreadyExists,
            Self::State { .. } => Code::FailedPrecondition,
            Self::Store(error) if error.is_conflict() => Code::Aborted,
            Self::Store(error) if error.is_unavailable() => Code::Unavailable,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::NotFound { .. } => ErrorReason::ReminderNotFound,
            Self::State { .. } => ErrorReason::ReminderState,
            Self::RequestIdReused(_) => ErrorReason::RequestIdReused,
            Self::Store(error) if error.is_conflict() => ErrorReason::Conflict,
            Self::Store(error) if error.is_unavailable() => ErrorReason::Unavailable,
            Self::Store(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotFound { task, number } => {
                vec![("task_id", task.to_string()), ("number", number.to_string())]
            }
            Self::State { task, number, state, .. } => vec![
                ("task_id", task.to_string()),
                ("number", number.to_string()),
                ("state", state.name().to_owned()),
            ],
            Self::RequestIdReused(Reused { id }) => vec![("request_id", id.to_string())],
            Self::Invalid(_) | Self::Store(_) => Vec::new(),
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
