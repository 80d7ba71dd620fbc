//! What an app says to its sidecar (`dapr.proto.runtime.v1.Dapr`), as far as tests say it themselves.
//!
//! Written by hand from Dapr's published contract, as `callback` is.

use std::collections::HashMap;

use tonic::Status;
use tonic::transport::Channel;

use crate::callback::{TopicEvent, unary};

/// Fields as in Dapr's `PublishEventRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct PublishEvent {
    #[prost(string, tag = "1")]
    pubsub_name: String,
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
    #[prost(string, tag = "4")]
    data_content_type: String,
    #[prost(map = "string, string", tag = "5")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Nothing {}

/// Publishes an event as it is, through the gRPC API of a sidecar that is shown this token.
pub async fn publish(channel: Channel, token: Option<&str>, event: TopicEvent) -> Result<(), Status> {
    let request = PublishEvent {
        pubsub_name: event.pubsub_name,
        topic: event.topic,
        data: event.data,
        data_content_type: event.data_content_type,
        metadata: [("rawPayload".to_owned(), "true".to_owned())].into(),
    };
    let Nothing {} = say(channel, "PublishEvent", token, request).await?;
    Ok(())
}

/// Asks a sidecar that is shown this token to end.
pub async fn shut_down(channel: Channel, token: Option<&str>) -> Result<(), Status> {
    let Nothing {} = say(channel, "Shutdown", token, Nothing {}).await?;
    Ok(())
}

async fn say<Q>(channel: Channel, method: &str, token: Option<&str>, question: Q) -> Result<Nothing, Status>
where
    Q: prost::Message + Send + Sync + 'static,
{
    let metadata: Vec<_> = token.map(|token| ("dapr-api-token", token.to_owned())).into_iter().collect();
    unary(channel, &format!("/dapr.proto.runtime.v1.Dapr/{method}"), &metadata, question).await
}
