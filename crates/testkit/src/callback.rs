//! What a sidecar says to an app (`dapr.proto.runtime.v1.AppCallback`), as far as tests say it themselves.
//!
//! Written by hand from Dapr's published contract: a mistake in the code under test is not shared.

use http::uri::PathAndQuery;
use serde_json::json;
use tonic::client::Grpc;
use tonic::codegen::http;
use tonic::metadata::MetadataKey;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

/// One event. Fields as in Dapr's `TopicEventRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TopicEvent {
    /// Names the event.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Who made it.
    #[prost(string, tag = "2")]
    pub source: String,
    /// What happened.
    #[prost(string, tag = "3")]
    pub r#type: String,
    /// The version of CloudEvents.
    #[prost(string, tag = "4")]
    pub spec_version: String,
    /// What `data` is.
    #[prost(string, tag = "5")]
    pub data_content_type: String,
    /// The topic.
    #[prost(string, tag = "6")]
    pub topic: String,
    /// The data.
    #[prost(bytes = "vec", tag = "7")]
    pub data: Vec<u8>,
    /// The pub/sub component.
    #[prost(string, tag = "8")]
    pub pubsub_name: String,
}

impl TopicEvent {
    /// What a sidecar makes of published bytes when the subscription is for raw ones.
    pub fn raw(pubsub: &str, topic: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            source: "Dapr".to_owned(),
            r#type: "com.dapr.event.sent".to_owned(),
            spec_version: "1.0".to_owned(),
            data_content_type: "application/octet-stream".to_owned(),
            topic: topic.to_owned(),
            data: bytes.into(),
            pubsub_name: pubsub.to_owned(),
        }
    }

    /// One that nobody published, on `task-events` of `pubsub`: a task of the user's that nobody created, a new one each time.
    /// Who takes it for true writes it into the audit log of its owner.
    pub fn forged(user: &str) -> Self {
        let (id, task) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
        let event = json!({
            "specversion": "1.0",
            "id": id,
            "source": "docket/tasks",
            "type": "com.todo.task.created",
            "subject": task,
            "time": "2027-01-01T00:00:00Z",
            "datacontenttype": "application/json",
            "data": {
                "schema_version": 1,
                "task_id": task,
                "user_id": user,
                "sequence": 1,
                "idempotency_key": id,
                "payload": {
                    "title": "Forged",
                    "status": "TASK_STATUS_OPEN",
                    "priority": "TASK_PRIORITY_MEDIUM",
                    "time_zone": "UTC",
                    "create_time": "2027-01-01T00:00:00Z",
                    "update_time": "2027-01-01T00:00:00Z",
                },
            },
        });
        Self::raw("pubsub", "task-events", event.to_string())
    }
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct TopicAnswer {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// Fields as in Dapr's `TopicEventBulkRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct TopicEvents {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<BulkEntry>,
    #[prost(string, tag = "4")]
    topic: String,
    #[prost(string, tag = "5")]
    pubsub_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BulkEntry {
    #[prost(string, tag = "1")]
    entry_id: String,
    #[prost(bytes = "vec", tag = "2")]
    bytes: Vec<u8>,
    #[prost(string, tag = "4")]
    content_type: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TopicAnswers {
    #[prost(message, repeated, tag = "1")]
    statuses: Vec<BulkAnswer>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BulkAnswer {
    #[prost(string, tag = "1")]
    entry_id: String,
    #[prost(int32, tag = "2")]
    status: i32,
}

/// A due job. Fields as in Dapr's `JobEventRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct JobEvent {
    /// Names the job.
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    data: Option<JobData>,
    /// The method that the app is asked for.
    #[prost(string, tag = "3")]
    pub method: String,
}

/// What came with a job. Fields as in `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct JobData {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl JobEvent {
    /// What a sidecar makes of a job that was scheduled with these bytes.
    pub fn new(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes: Vec<u8> = bytes.into();
        let type_url = "type.googleapis.com/google.protobuf.BytesValue".to_owned();
        let data = Some(JobData { type_url, value: prost::Message::encode_to_vec(&bytes) });
        Self { name: name.to_owned(), data, method: format!("job/{name}") }
    }
}

/// An input binding's event. Fields as in Dapr's `BindingEventRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct BindingEvent {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Nothing {}

/// What an app says to an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The sidecar may forget it.
    Success,
    /// The sidecar shall bring it again.
    Retry,
    /// The sidecar shall drop it.
    Drop,
}

impl Answer {
    fn of(status: i32) -> Self {
        match status {
            0 => Self::Success,
            1 => Self::Retry,
            2 => Self::Drop,
            other => panic!("{other} is no answer to an event"),
        }
    }
}

/// Says things to an app, with metadata on every call.
#[derive(Clone, Debug)]
pub struct Callback {
    channel: Channel,
    metadata: Vec<(&'static str, String)>,
}

impl Callback {
    /// Over this connection, with nothing that proves anything.
    pub fn new(channel: Channel) -> Self {
        Self { channel, metadata: Vec::new() }
    }

    /// Adds an entry to the metadata.
    pub fn with(mut self, key: &'static str, value: &str) -> Self {
        self.metadata.push((key, value.to_owned()));
        self
    }

    /// Adds what a sidecar proves itself with.
    pub fn with_token(self, token: &str) -> Self {
        self.with("dapr-api-token", token)
    }

    /// Brings an event.
    pub async fn topic_event(&self, event: TopicEvent) -> Result<Answer, Status> {
        let answer: TopicAnswer = self.say("OnTopicEvent", event).await?;
        Ok(Answer::of(answer.status))
    }

    /// Brings published bytes in one batch; the answers are in their order.
    pub async fn topic_events(
        &self,
        pubsub: &str,
        topic: &str,
        events: Vec<Vec<u8>>,
    ) -> Result<Vec<Answer>, Status> {
        let entry = |(index, bytes): (usize, Vec<u8>)| BulkEntry {
            entry_id: index.to_string(),
            bytes,
            content_type: "application/octet-stream".to_owned(),
        };
        let request = TopicEvents {
            id: uuid::Uuid::new_v4().to_string(),
            entries: events.into_iter().enumerate().map(entry).collect(),
            topic: topic.to_owned(),
            pubsub_name: pubsub.to_owned(),
        };
        let TopicAnswers { mut statuses } = self.say("OnBulkTopicEvent", request).await?;
        statuses.sort_by_key(|answer| answer.entry_id.parse::<usize>().expect("an entry's own id"));
        Ok(statuses.into_iter().map(|answer| Answer::of(answer.status)).collect())
    }

    /// Brings a due job.
    pub async fn job_event(&self, job: JobEvent) -> Result<(), Status> {
        let Nothing {} = self.say("OnJobEvent", job).await?;
        Ok(())
    }

    /// Brings an event of an input binding.
    pub async fn binding_event(&self, name: &str) -> Result<(), Status> {
        let Nothing {} = self.say("OnBindingEvent", BindingEvent { name: name.to_owned() }).await?;
        Ok(())
    }

    async fn say<Q, A>(&self, method: &str, question: Q) -> Result<A, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let path = format!("/dapr.proto.runtime.v1.AppCallback/{method}");
        unary(self.channel.clone(), &path, &self.metadata, question).await
    }
}

/// One call with metadata.
pub(crate) async fn unary<Q, A>(
    channel: Channel,
    path: &str,
    metadata: &[(&'static str, String)],
    question: Q,
) -> Result<A, Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let path: PathAndQuery = path.parse().expect("a path");
    let mut request = Request::new(question);
    for (key, value) in metadata {
        let key = MetadataKey::from_static(key);
        request.metadata_mut().insert(key, value.parse().expect("metadata is ASCII"));
    }
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
    Ok(client.unary(request, path, ProstCodec::default()).await?.into_inner())
}

/// Whether an error says that the caller is not let in, and not that something broke on the way.
pub fn refused(status: &Status) -> bool {
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied)
}
