//! What went wrong, in terms a client may act on; and the faults that every service shares.

use std::error::Error;
use std::time::Duration;

use docket_proto::v1::ErrorReason;
use tonic::Code;

use crate::status::RETRY_DELAY;

/// An error that a call may end with. [`crate::to_status`] turns it into the answer.
pub trait Fault: Error + Send + Sync {
    /// The gRPC code: what kind of thing the client may do about it.
    fn code(&self) -> Code;

    /// The reason, stable for ever, with the code that `error_reason.proto` documents for it.
    fn reason(&self) -> ErrorReason;

    /// What the reason's comment in `error_reason.proto` promises. Dropped for internal codes.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// How long to wait before the same call may pass; none when waiting does not help.
    fn retry_after(&self) -> Option<Duration> {
        match (self.code(), self.reason()) {
            (Code::Unavailable | Code::ResourceExhausted, _) | (Code::Aborted, ErrorReason::Conflict) => {
                Some(RETRY_DELAY)
            }
            _ => None,
        }
    }

    /// Whose quota is used up, and what it is, if that is the fault.
    fn quota(&self) -> Option<(String, String)> {
        None
    }

    /// The fields at fault, all of them: pairs of path and description.
    fn violations(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The request's fields are not as the contract wants them.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", summary(.violations))]
pub struct InvalidFields {
    /// Every field at fault: pairs of path, as the client wrote it, and description.
    pub violations: Vec<(String, String)>,
}

impl InvalidFields {
    /// One field at fault.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { violations: vec![(field.into(), description.into())] }
    }
}

fn summary(violations: &[(String, String)]) -> String {
    match violations {
        [] => "the request is invalid".to_owned(),
        [(field, description)] => format!("{field}: {description}"),
        [(field, description), rest @ ..] => format!("{field}: {description} (and {} more)", rest.len()),
    }
}

impl Fault for InvalidFields {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::InvalidFields
    }

    fn violations(&self) -> Vec<(String, String)> {
        self.violations.clone()
    }
}

/// The page token is damaged, or belongs to a call with other arguments.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("page_token: is damaged, or belongs to a call with other arguments")]
pub struct InvalidPageToken;

impl Fault for InvalidPageToken {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::InvalidPageToken
    }

    fn violations(&self) -> Vec<(String, String)> {
        let description = "must be the next_page_token of a call with the same arguments";
        vec![("page_token".to_owned(), description.to_owned())]
    }
}

/// Something broke that is not the caller's fault. The client learns nothing of the cause; the log does.
#[derive(Debug, thiserror::Error)]
#[error("the call failed")]
pub struct Internal(#[source] Box<dyn Error + Send + Sync>);

impl Internal {
    /// Wraps the cause.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

impl Fault for Internal {
    fn code(&self) -> Code {
        Code::Internal
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::Internal
    }
}

/// The server is stopping or starting.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the server is stopping or starting, try again")]
pub struct Unavailable;

impl Fault for Unavailable {
    fn code(&self) -> Code {
        Code::Unavailable
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::Unavailable
    }
}

/// The call took longer than its deadline.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the call took longer than its deadline; it took place wholly or not at all")]
pub struct DeadlineExceeded;

impl Fault for DeadlineExceeded {
    fn code(&self) -> Code {
        Code::DeadlineExceeded
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::DeadlineExceeded
    }
}

/// There is no such method on this port.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .why.as_deref().unwrap_or("there is no such method here"))]
pub struct UnknownMethod {
    /// The method as called: `package.Service/Method`.
    pub method: String,
    /// What tonic says about it, when the method exists but not in the way in which it was called.
    pub why: Option<String>,
}

impl Fault for UnknownMethod {
    fn code(&self) -> Code {
        Code::Unimplemented
    }

    fn reason(&self) -> ErrorReason {
        ErrorReason::UnknownMethod
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("method", self.method.clone())]
    }
}
