//! Why a callback is not answered as asked.

use docket_proto::v1::ErrorReason;
use docket_rpc::Fault;
use tonic::Code;

use crate::handler::BoxError;

/// A callback that is refused. None of these is `NOT_FOUND` or, where an event or a job could be lost by it,
/// `UNIMPLEMENTED`: the sidecar takes both for success and forgets what it wanted to deliver.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The caller does not know the token that the sidecar was given.
    #[error("only the sidecar may call {method}")]
    Stranger {
        /// The method as called.
        method: String,
    },
    /// The sidecar proxies somebody else's call, and adds the token itself.
    #[error("{method} is not for other apps")]
    Proxied {
        /// The method as called.
        method: String,
    },
    /// `OnInvoke`, which carries calls that are not gRPC.
    #[error("call the services of docket.v1 with gRPC proxying instead")]
    Invoke,
    /// Nobody subscribed.
    #[error("no handler for topic {topic:?} of {pubsub:?}")]
    UnknownTopic {
        /// The pub/sub component.
        pubsub: String,
        /// The topic.
        topic: String,
    },
    /// Nobody listens to the binding.
    #[error("no handler for input binding {0:?}")]
    UnknownBinding(String),
    /// The handler of the binding failed.
    #[error("input binding {name:?} failed")]
    BindingFailed {
        /// The binding.
        name: String,
        /// Why.
        source: BoxError,
    },
    /// Nobody armed the job.
    #[error("no handler for job {0:?}")]
    UnknownJob(String),
    /// The handler of the job failed, and said why in the log; it is triggered again.
    #[error("job {name:?} failed")]
    JobFailed {
        /// The job.
        name: String,
    },
}

impl Fault for Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Stranger { .. } | Self::Proxied { .. } => Code::PermissionDenied,
            Self::Invoke => Code::Unimplemented,
            Self::UnknownTopic { .. }
            | Self::UnknownBinding(_)
            | Self::BindingFailed { .. }
            | Self::UnknownJob(_) => Code::Internal,
            Self::JobFailed { .. } => Code::Unavailable,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Stranger { .. } | Self::Proxied { .. } => ErrorReason::InternalMethod,
            Self::Invoke => ErrorReason::UnknownMethod,
            Self::UnknownTopic { .. }
            | Self::UnknownBinding(_)
            | Self::BindingFailed { .. }
            | Self::UnknownJob(_) => ErrorReason::Internal,
            Self::JobFailed { .. } => ErrorReason::Unavailable,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Stranger { method } | Self::Proxied { method } => vec![("method", method.clone())],
            Self::Invoke => vec![("method", "dapr.proto.runtime.v1.AppCallback/OnInvoke".to_owned())],
            _ => Vec::new(),
        }
    }
}
