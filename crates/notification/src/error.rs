//! Why a call about preferences and deliveries is refused.

use std::time::Duration;

use docket_domain::{Channel, UserId};
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
    /// The preferences are not those that the caller has seen.
    #[error("the preferences have changed since the given etag")]
    EtagMismatch {
        /// The current etag.
        etag: String,
    },
    /// The user has said no address.
    #[error("no address is known for {}: say one in the preferences first", .channel.name())]
    AddressMissing {
        /// The channel.
        channel: Channel,
    },
    /// The user has unsubscribed from the channel.
    #[error("you have unsubscribed from {}: name it in the channels of the preferences first", .channel.name())]
    Unsubscribed {
        /// The channel.
        channel: Channel,
    },
    /// The last test on the channel was a moment ago.
    #[error("one test by {} in ten seconds is enough; try again later", .channel.name())]
    TooSoon {
        /// Who has asked.
        user: UserId,
        /// The channel.
        channel: Channel,
        /// When to try again.
        delay: Duration,
    },
    /// The server does not offer the channel.
    #[error("this server does not send by {}", .channel.name())]
    ChannelUnavailable {
        /// The channel.
        channel: Channel,
    },
    /// The request id was used for another call.
    #[error(transparent)]
    RequestIdReused(#[from] Reused),
    /// Another change came in between, or the first of two calls with one request id is still under way.
    #[error("another change was made at the same time; try again")]
    Conflict,
    /// A part of the program failed.
    #[error("the message could not be made")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
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
            Self::EtagMismatch { .. } | Self::Conflict => Code::Aborted,
            Self::AddressMissing { .. } | Self::Unsubscribed { .. } | Self::ChannelUnavailable { .. } => {
                Code::FailedPrecondition
            }
            Self::TooSoon { .. } => Code::ResourceExhausted,
            Self::RequestIdReused(_) => Code::AlreadyExists,
            Self::Store(error) if error.is_unavailable() => Code::Unavailable,
            Self::Store(_) | Self::Internal(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::EtagMismatch { .. } => ErrorReason::EtagMismatch,
            Self::AddressMissing { .. } | Self::Unsubscribed { .. } => ErrorReason::ChannelAddressMissing,
            Self::TooSoon { .. } => ErrorReason::RateLimited,
            Self::ChannelUnavailable { .. } => ErrorReason::ChannelUnavailable,
            Self::RequestIdReused(_) => ErrorReason::RequestIdReused,
            Self::Conflict => ErrorReason::Conflict,
            Self::Store(error) if error.is_unavailable() => ErrorReason::Unavailable,
            Self::Store(_) | Self::Internal(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::EtagMismatch { etag } => vec![("etag", etag.clone())],
            Self::AddressMissing { channel }
            | Self::Unsubscribed { channel }
            | Self::ChannelUnavailable { channel } => vec![("channel", channel.name().to_owned())],
            Self::RequestIdReused(Reused { id }) => vec![("request_id", id.to_string())],
            Self::TooSoon { .. } => vec![
                ("limit", "test_notifications".to_owned()),
                ("value", "1".to_owned()),
                ("unit", "tests of a channel in ten seconds".to_owned()),
            ],
            Self::Invalid(_) | Self::Conflict | Self::Internal(_) | Self::Store(_) => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooSoon { delay, .. } => Some(*delay),
            _ if self.code() == Code::Unavailable || matches!(self, Self::Conflict) => Some(RETRY_DELAY),
            _ => None,
        }
    }

    fn quota(&self) -> Option<(String, String)> {
        match self {
            Self::TooSoon { user, .. } => Some((format!("user:{user}"), self.to_string())),
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
