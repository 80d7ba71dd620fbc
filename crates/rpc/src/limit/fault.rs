//! What callers beyond a limit are told.

use std::time::Duration;

use docket_domain::UserId;
use docket_proto::v1::ErrorReason;
use tonic::Code;

use crate::fault::Fault;

/// The server has as many calls in progress as it can answer in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the server is overloaded, try again later")]
pub(crate) struct Overloaded {
    /// How many calls may be in progress.
    pub(crate) places: usize,
    /// When to try again.
    pub(crate) delay: Duration,
}

impl Fault for Overloaded {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::Overloaded
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        limit("max_concurrent_calls", self.places, "calls")
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.delay)
    }
}

/// As many streams are open as may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {most} open streams, try again later")]
pub(crate) struct TooManyStreams {
    /// The limit's name.
    pub(crate) limit: &'static str,
    /// How many may be open.
    pub(crate) most: usize,
    /// When to try again.
    pub(crate) delay: Duration,
}

impl Fault for TooManyStreams {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::Overloaded
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        limit(self.limit, self.most, "streams")
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.delay)
    }
}

/// The user has reached a limit of their own.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refused {
    /// Too many calls in a short time.
    #[error("more than {per_second} calls a second, try again later")]
    Rate {
        /// Whose calls.
        user: UserId,
        /// How many they may make for long.
        per_second: u32,
        /// When the next one passes.
        delay: Duration,
    },
    /// Too many calls in progress.
    #[error("more than {calls} calls in progress, try again later")]
    Concurrency {
        /// Whose calls.
        user: UserId,
        /// How many may be in progress.
        calls: usize,
        /// When to try again.
        delay: Duration,
    },
}

impl Fault for Refused {
    fn code(&self) -> Code {
        Code::ResourceExhausted
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Rate { .. } => ErrorReason::RateLimited,
            Self::Concurrency { .. } => ErrorReason::ConcurrencyLimited,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Rate { per_second, .. } => limit("rate_per_second", per_second, "calls per second"),
            Self::Concurrency { calls, .. } => limit("max_concurrent_calls_per_user", calls, "calls"),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let (Self::Rate { delay, .. } | Self::Concurrency { delay, .. }) = self;
        Some(*delay)
    }

    fn quota(&self) -> Option<(String, String)> {
        let (Self::Rate { user, .. } | Self::Concurrency { user, .. }) = self;
        Some((format!("user:{user}"), self.to_string()))
    }
}

fn limit(name: &str, value: impl ToString, unit: &str) -> Vec<(&'static str, String)> {
    vec![("limit", name.to_owned()), ("value", value.to_string()), ("unit", unit.to_owned())]
}

/// The request's message is compressed in a way that is not known here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("messages compressed with {encoding:?} are not understood; grpc-accept-encoding lists what is")]
pub(crate) struct UnsupportedCompression {
    /// What the client named.
    pub(crate) encoding: String,
}

impl Fault for UnsupportedCompression {
    fn code(&self) -> Code {
        Code::Unimplemented
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::UnsupportedCompression
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("encoding", self.encoding.clone())]
    }
}
