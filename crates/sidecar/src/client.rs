//! The sidecar's API as Docket uses it: every call with its own deadline.

use std::collections::HashMap;
use std::time::Duration;

use dapr::dapr::proto::runtime::v1 as pb;
use docket_rpc::trace::code_name;
use pb::dapr_client::DaprClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::config::{ApiToken, Config, InvalidConfig};
use crate::envelope::CONTENT_TYPE;
use crate::guard::TOKEN_HEADER;
use crate::invocation::InvocationChannel;
use crate::metadata::{REPLAY, REPLAY_HANDLER, Replay};
use crate::trace;

/// A client of the sidecar. Cheap to clone; all clones share one connection, which is made on the first call and again
/// when it breaks.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    api_token: Option<ApiToken>,
    deadline: Duration,
}

/// An event as it is published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// The partition key: what it must stay in order with.
    pub key: String,
    /// The whole event, by [`CloudEvent::encode`](crate::CloudEvent::encode), or whatever was once published as one.
    pub bytes: Vec<u8>,
    /// Says that it is published once more, and for whom.
    pub replay: Option<Replay>,
}

/// A call to the sidecar that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no sidecar, or it is about to go. The call may have taken place if it was under way.
    #[error("the sidecar can not be reached")]
    Unavailable(#[source] Box<Status>),
    /// It did not answer in time; the call may have taken place.
    #[error("the sidecar did not answer within {0:?}")]
    Deadline(Duration),
    /// It answered with an error.
    #[error("the sidecar answered {code:?}: {message}")]
    Rejected {
        /// The gRPC code.
        code: Code,
        /// What it says.
        message: String,
    },
}

impl Error {
    /// What it is in a word, for spans and figures: the name of a gRPC code.
    pub fn kind(&self) -> &'static str {
        code_name(match self {
            Self::Unavailable(_) => Code::Unavailable,
            Self::Deadline(_) => Code::DeadlineExceeded,
            Self::Rejected { code, .. } => *code,
        })
    }
}

/// An event of a batch that the broker did not take.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the broker did not take the event: {0}")]
pub struct NotTaken(pub String);

impl Client {
    /// A client for the sidecar that the configuration names; does not call it yet.
    pub fn connect_lazy(config: &Config) -> Result<Self, InvalidConfig> {
        let endpoint = config.endpoint();
        let invalid = || InvalidConfig::Endpoint(endpoint.clone());
        if !endpoint.starts_with("http://") {
            return Err(invalid());
        }
        let channel = Endpoint::from_shared(endpoint.clone())
            .map_err(|_| invalid())?
            .connect_timeout(config.deadline())
            .tcp_nodelay(true)
            .connect_lazy();
        Ok(Self { channel, api_token: config.api_token.clone(), deadline: config.deadline() })
    }

    /// How long a call may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Publishes one event; done means that the broker has it.
    pub async fn publish(&self, pubsub: &str, topic: &str, message: &Message) -> Result<(), Error> {
        let mut metadata = metadata_of(message);
        metadata.extend(raw());
        let request = pb::PublishEventRequest {
            pubsub_name: pubsub.to_owned(),
            topic: topic.to_owned(),
            data: message.bytes.clone(),
            data_content_type: CONTENT_TYPE.to_owned(),
            metadata,
        };
        self.call(request, async |mut dapr, request| dapr.publish_event(request).await).await?;
        self.misheard()
    }

    /// Publishes a batch; the answers are in its order.
    ///
    /// An error answers nothing about the single events: each may have been published or not. Events of one batch may
    /// overtake each other, also those with the same key.
    pub async fn bulk_publish(
        &self,
        pubsub: &str,
        topic: &str,
        messages: &[Message],
    ) -> Result<Vec<Result<(), NotTaken>>, Error> {
        let entry = |(index, message): (usize, &Message)| pb::BulkPublishRequestEntry {
            entry_id: index.to_string(),
            event: message.bytes.clone(),
            content_type: CONTENT_TYPE.to_owned(),
            metadata: metadata_of(message),
        };
        let request = pb::BulkPublishRequest {
            pubsub_name: pubsub.to_owned(),
            topic: topic.to_owned(),
            entries: messages.iter().enumerate().map(entry).collect(),
            metadata: raw().into(),
        };
        let response =
            self.call(request, async |mut dapr, request| dapr.bulk_publish_event(request).await).await?;
        self.misheard()?;
        let mut results = vec![Ok(()); messages.len()];
        for failed in response.failed_entries {
            let result = failed.entry_id.parse().ok().and_then(|index: usize| results.get_mut(index));
            if let Some(result) = result {
                *result = Err(NotTaken(failed.error));
            }
        }
        Ok(results)
    }

    /// The broker has what was published; tests let the answer be another one.
    fn misheard(&self) -> Result<(), Error> {
        fail::fail_point!("publish-unknown", |_| Err(Error::Deadline(self.deadline)));
        fail::fail_point!("publish-error", |_| {
            Err(Error::Rejected { code: Code::Internal, message: "failpoint".to_owned() })
        });
        Ok(())
    }

    /// Whether the sidecar answers and has loaded the pub/sub component. For readiness; its gRPC API has no cheaper
    /// question.
    pub async fn healthy(&self, pubsub: &str) -> bool {
        self.components().await.is_ok_and(|components| components.iter().any(|name| name == pubsub))
    }

    /// The name under which the sidecar's app is known: jobs belong to it.
    pub async fn app_id(&self) -> Result<String, Error> {
        Ok(self.metadata().await?.id)
    }

    /// The names of the components that the sidecar has loaded.
    pub async fn components(&self) -> Result<Vec<String>, Error> {
        Ok(self.metadata().await?.registered_components.into_iter().map(|one| one.name).collect())
    }

    async fn metadata(&self) -> Result<pb::GetMetadataResponse, Error> {
        let request = pb::GetMetadataRequest {};
        self.call(request, async |mut dapr, request| dapr.get_metadata(request).await).await
    }

    /// A channel on which the sidecar passes every call on to another app; for the clients of `docket.v1`.
    pub fn channel_for(&self, app_id: &str) -> Result<InvocationChannel, InvalidAppId> {
        InvocationChannel::new(self.channel.clone(), app_id, self.api_token.as_ref(), self.deadline)
    }

    pub(crate) async fn call<T, R>(
        &self,
        message: T,
        method: impl AsyncFnOnce(DaprClient<Channel>, Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        self.call_within(self.deadline, message, method).await
    }

    pub(crate) async fn call_within<T, R>(
        &self,
        deadline: Duration,
        message: T,
        method: impl AsyncFnOnce(DaprClient<Channel>, Request<T>) -> Result<Response<R>, Status>,
    ) -> Result<R, Error> {
        let mut request = Request::new(message);
        request.set_timeout(deadline);
        if let Some(Ok(value)) = self.api_token.as_ref().map(|token| token.as_str().parse()) {
            request.metadata_mut().insert(TOKEN_HEADER, value);
        }
        trace::tell_sidecar(request.metadata_mut(), &trace::here());
        // The header tells the sidecar; this also ends a wait for a connection.
        match tokio::time::timeout(deadline, method(DaprClient::new(self.channel.clone()), request)).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(match status.code() {
                Code::Unavailable => Error::Unavailable(Box::new(status)),
                // tonic's own timer, which runs from the same header, ends a call with CANCELLED.
                Code::DeadlineExceeded | Code::Cancelled => Error::Deadline(deadline),
                code => Error::Rejected { code, message: status.message().to_owned() },
            }),
            Err(_elapsed) => Err(Error::Deadline(deadline)),
        }
    }
}

/// An app id that can not be sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0:?} can not be an app id")]
pub struct InvalidAppId(pub(crate) String);

/// The event is a CloudEvent already: the sidecar hands it to the broker as it is, instead of parsing it, putting its
/// own `traceparent` into it and writing it anew.
fn raw() -> [(String, String); 1] {
    [("rawPayload".to_owned(), "true".to_owned())]
}

/// What is said of one message, to the broker and to those who get it.
fn metadata_of(message: &Message) -> HashMap<String, String> {
    let mut metadata = HashMap::from([("partitionKey".to_owned(), message.key.clone())]);
    if let Some(Replay { id, handler }) = &message.replay {
        metadata.insert(REPLAY.to_owned(), id.to_string());
        metadata.extend(handler.iter().map(|handler| (REPLAY_HANDLER.to_owned(), handler.clone())));
    }
    metadata
}
