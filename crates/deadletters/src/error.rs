//! Why a call about dead letters is refused.

use docket_domain::{DeadLetterId, LetterState};
use docket_proto::v1::ErrorReason;
use docket_rpc::Fault;
use docket_store::Conflict;
use docket_wire::InvalidFields;
use tonic::Code;

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks rules.
    #[error(transparent)]
    Invalid(#[from] InvalidFields),
    /// There is no such letter.
    #[error("there is no dead letter {id}")]
    NotFound {
        /// The id asked for.
        id: DeadLetterId,
    },
    /// The letter's state does not allow it.
    #[error("dead letter {id} is {state}")]
    State {
        /// The letter.
        id: DeadLetterId,
        /// Its state.
        state: LetterState,
    },
    /// Nothing leaves for the topic that the letter came from.
    #[error("dead letter {id} came from the topic {topic:?}, to which nothing is published here")]
    Topic {
        /// The letter.
        id: DeadLetterId,
        /// The topic that it came from.
        topic: String,
    },
    /// No handler of the topic has the name of the one that had failed, and the letter may go to no other.
    #[error("dead letter {id} is for the handler {handler:?} alone, which is none of {topic:?}")]
    Handler {
        /// The letter.
        id: DeadLetterId,
        /// The topic that it came from.
        topic: String,
        /// The handler that had failed.
        handler: String,
    },
    /// Another change came in between.
    #[error("another change was made at the same time; try again")]
    Conflict,
    /// The database failed.
    #[error("the store failed")]
    Store(#[source] docket_store::Error),
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
            Self::State { .. } | Self::Topic { .. } | Self::Handler { .. } => Code::FailedPrecondition,
            Self::Conflict => Code::Aborted,
            Self::Store(error) if error.is_unavailable() => Code::Unavailable,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::NotFound { .. } => ErrorReason::DeadLetterNotFound,
            Self::State { .. } => ErrorReason::DeadLetterState,
            Self::Topic { .. } => ErrorReason::DeadLetterTopic,
            Self::Handler { .. } => ErrorReason::DeadLetterHandler,
            Self::Conflict => ErrorReason::Conflict,
            Self::Store(error) if error.is_unavailable() => ErrorReason::Unavailable,
            Self::Store(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        let letter = |id: &DeadLetterId| ("dead_letter_id", id.to_string());
        match self {
            Self::NotFound { id } => vec![letter(id)],
            Self::State { id, state } => vec![letter(id), ("state", state.to_string())],
            Self::Topic { id, topic } => vec![letter(id), ("topic", topic.clone())],
            Self::Handler { id, topic, handler } => {
                vec![letter(id), ("topic", topic.clone()), ("handler", handler.clone())]
            }
            Self::Invalid(_) | Self::Conflict | Self::Store(_) => Vec::new(),
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
