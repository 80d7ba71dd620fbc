//! CloudEvents 1.0 in their JSON form: what is published, and what a delivery is made of.

use base64::Engine as _;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use docket_domain::{EventId, Instant};
use docket_telemetry::TraceContext;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::metadata::Metadata;

/// What a CloudEvent in JSON is called.
pub(crate) const CONTENT_TYPE: &str = "application/cloudevents+json";
const JSON: &str = "application/json";

/// W3C Trace Context as an event carries it. Of what arrives, only what is well-formed is taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The extension `traceparent`.
    pub parent: String,
    /// The extension `tracestate`.
    pub state: Option<String>,
}

impl Trace {
    /// The same as calls carry it; empty for one that is not well-formed.
    pub fn context(&self) -> TraceContext {
        TraceContext::parse(Some(&self.parent), self.state.as_deref())
    }
}

/// An event to publish.
#[derive(Clone, Debug)]
pub struct CloudEvent {
    /// Names the event; the same whenever it is published again.
    pub id: EventId,
    /// Who publishes it, for example `docket/tasks`.
    pub source: String,
    /// What happened, for example `com.todo.task.completed`.
    pub event_type: String,
    /// To what it happened; events with the same subject stay in order.
    pub subject: String,
    /// When it happened.
    pub time: Instant,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// The rest, in JSON.
    pub data: Bytes,
}

/// A CloudEvent as it is written and read. Extensions that Docket does not know are passed over.
#[derive(Deserialize, Serialize)]
struct Wire<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    event_type: String,
    subject: String,
    time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Bytes that are not a CloudEvent as Docket publishes them.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// They are not the JSON of one.
    #[error("not a CloudEvent in JSON")]
    Json(#[from] serde_json::Error),
    /// They are of a version that is not known.
    #[error("specversion {0:?} is not 1.0")]
    Version(String),
    /// The id cannot be one of Docket's.
    #[error("the id {0:?} is not a UUID")]
    Id(String),
    /// The time is none.
    #[error("the time {0:?} is not RFC 3339")]
    Time(String),
    /// An attribute that must have a value is empty.
    #[error("{0} is empty")]
    Empty(&'static str),
    /// The data is not JSON.
    #[error("datacontenttype {0:?} is not application/json")]
    ContentType(String),
}

impl CloudEvent {
    /// The event in CloudEvents' JSON format, structured mode. An error means that `data` is not JSON.
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        let trace = self.trace.as_ref();
        let wire = Wire {
            specversion: "1.0".to_owned(),
            id: self.id.to_string(),
            source: self.source.clone(),
            event_type: self.event_type.clone(),
            subject: self.subject.clone(),
            time: self.time.to_rfc3339_opts(SecondsFormat::Micros, true),
            datacontenttype: Some(JSON.to_owned()),
            traceparent: trace.map(|trace| trace.parent.clone()),
            tracestate: trace.and_then(|trace| trace.state.clone()),
            data: serde_json::from_slice(&self.data)?,
        };
        Ok(serde_json::to_vec(&wire)?)
    }
}

/// An event that arrived.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Names the event; the same for every delivery of it.
    pub event_id: EventId,
    /// What happened.
    pub event_type: String,
    /// Who published it.
    pub source: String,
    /// To what it happened, and what it is in order with.
    pub subject: String,
    /// When it happened.
    pub time: Instant,
    /// The pub/sub component that it came through.
    pub pubsub: String,
    /// The topic that it came on.
    pub topic: String,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// What came with it.
    pub metadata: Metadata,
    /// The rest, in JSON.
    pub data: Bytes,
    /// The whole event, byte for byte as it was published.
    pub original: Bytes,
}

impl Delivery {
    /// Reads an event from the bytes that were published; nothing came with it.
    pub fn decode(pubsub: &str, topic: &str, original: Bytes) -> Result<Self, EnvelopeError> {
        let wire: Wire<'_> = serde_json::from_slice(&original)?;
        if wire.specversion != "1.0" {
            return Err(EnvelopeError::Version(wire.specversion));
        }
        for (name, value) in
            [("source", &wire.source), ("type", &wire.event_type), ("subject", &wire.subject)]
        {
            if value.is_empty() {
                return Err(EnvelopeError::Empty(name));
            }
        }
        match wire.datacontenttype {
            Some(other) if !is_json(&other) => return Err(EnvelopeError::ContentType(other)),
            _ => {}
        }
        let Ok(event_id) = wire.id.parse() else { return Err(EnvelopeError::Id(wire.id)) };
        let Ok(time) = DateTime::parse_from_rfc3339(&wire.time) else {
            return Err(EnvelopeError::Time(wire.time));
        };
        // Anybody can have written it, and it is carried on, stored, and put into headers.
        let trace = TraceContext::parse(wire.traceparent.as_deref(), wire.tracestate.as_deref());
        Ok(Self {
            event_id,
            event_type: wire.event_type,
            source: wire.source,
            subject: wire.subject,
            time: time.with_timezone(&Utc),
            pubsub: pubsub.to_owned(),
            topic: topic.to_owned(),
            trace: trace.traceparent.map(|parent| Trace { parent, state: trace.tracestate }),
            metadata: Metadata::default(),
            data: original.slice_ref(wire.data.get().as_bytes()),
            original,
        })
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(JSON))
}

/// An id for bytes that have none which can be read: the same for the same bytes on the same topic, so that burying them
/// twice is burying them once.
pub(crate) fn digest_id(pubsub: &str, topic: &str, original: &[u8]) -> EventId {
    let mut digest = Sha256::new();
    for part in [pubsub.as_bytes(), topic.as_bytes()] {
        digest.update(part);
        digest.update([0]);
    }
    digest.update(original);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    EventId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// The attributes of an event that the sidecar took apart, as it does for a subscription without `rawPayload`.
pub(crate) struct Parts {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) event_type: String,
    pub(crate) spec_version: String,
    pub(crate) content_type: String,
    pub(crate) data: Vec<u8>,
    pub(crate) extensions: Option<prost_types::Struct>,
}

impl Parts {
    /// Puts the event together again: the same attributes, though not the same bytes.
    pub(crate) fn join(self) -> Bytes {
        use prost_types::value::Kind;
        use serde_json::{Map, Value};
        let mut event = Map::new();
        for (name, value) in self.extensions.map(|extensions| extensions.fields).unwrap_or_default() {
            match value.kind {
                Some(Kind::StringValue(text)) => event.insert(name, Value::from(text)),
                Some(Kind::NumberValue(number)) => event.insert(name, Value::from(number)),
                Some(Kind::BoolValue(flag)) => event.insert(name, Value::from(flag)),
                _ => None,
            };
        }
        let attributes = [
            ("specversion", self.spec_version),
            ("id", self.id),
            ("source", self.source),
            ("type", self.event_type),
            ("datacontenttype", self.content_type),
        ];
        event.extend(attributes.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))));
        // Written by hand up to here, so that numbers in `data` keep all their digits.
        let mut text = Value::from(event).to_string();
        text.pop();
        match serde_json::from_slice::<&RawValue>(&self.data) {
            Ok(data) => text.extend([",\"data\":", data.get(), "}"]),
            Err(_) => {
                let data = base64::engine::general_purpose::STANDARD.encode(&self.data);
                text.extend([",\"data_base64\":\"", &data, "\"}"]);
            }
        }
        Bytes::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn event() -> CloudEvent {
        CloudEvent {
            id: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap(),
            source: "docket/tasks".to_owned(),
            event_type: "com.todo.task.completed".to_owned(),
            subject: "0192f0c1-0000-7000-8000-000000000001".to_owned(),
            time: "2026-11-21T04:00:00.000001Z".parse().unwrap(),
            trace: Some(Trace { parent: PARENT.to_owned(), state: Some("a=b".to_owned()) }),
            data: Bytes::from_static(b"{\"sequence\":9007199254740993,\"title\":\"<a> & \xc3\xa4\"}"),
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let event = event();
        let bytes = Bytes::from(event.encode().unwrap());
        let text = "{\"specversion\":\"1.0\",\"id\":\"0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f\",\"source\":\"docket/tasks\",\
            \"type\":\"com.todo.task.completed\",\"subject\":\"0192f0c1-0000-7000-8000-000000000001\",\
            \"time\":\"2026-11-21T04:00:00.000001Z\",\"datacontenttype\":\"application/json\",\
            \"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\",\"tracestate\":\"a=b\",\
            \"data\":{\"sequence\":9007199254740993,\"title\":\"<a> & ä\"}}";
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), text);
        let delivery = Delivery::decode("pubsub", "task-events", bytes.clone()).unwrap();
        let expect = Delivery {
            event_id: event.id,
            event_type: event.event_type,
            source: event.source,
            subject: event.subject,
            time: event.time,
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            trace: event.trace,
            metadata: Metadata::default(),
            data: event.data,
            original: bytes,
        };
        assert_eq!(delivery, expect);
    }

    #[test]
    fn data_that_is_not_json_is_not_published() {
        let event = CloudEvent { data: Bytes::from_static(b"{\"a\":"), ..event() };
        assert!(matches!(event.encode(), Err(EnvelopeError::Json(_))));
    }

    #[test]
    fn what_is_no_event_is_refused_with_its_reason() {
        let good = String::from_utf8(event().encode().unwrap()).unwrap();
        let check = |from: &str, to: &str, expect: &str| {
            assert!(good.contains(from));
            let bytes = Bytes::from(good.replacen(from, to, 1));
            let error = Delivery::decode("pubsub", "task-events", bytes).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check("{", "", "not a CloudEvent in JSON");
        check("\"data\"", "\"data_base64\"", "not a CloudEvent in JSON");
        check("\"1.0\"", "\"0.3\"", "specversion \"0.3\" is not 1.0");
        check("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f", "7", "the id \"7\" is not a UUID");
        check("2026-11-21T", "yesterday ", "the time \"yesterday 04:00:00.000001Z\" is not RFC 3339");
        check("docket/tasks", "", "source is empty");
        check("application/json", "text/plain", "datacontenttype \"text/plain\" is not application/json");
    }

    #[test]
    fn a_trace_that_is_none_is_dropped_and_the_event_is_read() {
        let trace = |parent: &str, state: &str| {
            let trace = Some(Trace { parent: parent.to_owned(), state: Some(state.to_owned()) });
            let bytes = CloudEvent { trace, ..event() }.encode().unwrap();
            Delivery::decode("pubsub", "task-events", Bytes::from(bytes)).unwrap().trace
        };
        let alone = Some(Trace { parent: PARENT.to_owned(), state: None });
        assert_eq!(trace(PARENT, "a=b"), event().trace);
        for state in ["", "a=\0", "a=b\n"] {
            assert_eq!(trace(PARENT, state), alone, "{state:?}");
        }
        for parent in ["", "\0", "not a trace", &format!("{PARENT}\0"), &"x".repeat(100_000)] {
            assert_eq!(trace(parent, "a=b"), None, "{parent:?}");
        }
    }

    #[test]
    fn an_event_that_was_taken_apart_reads_like_the_original() {
        let event = event();
        let original = Delivery::decode("p", "t", Bytes::from(event.encode().unwrap())).unwrap();
        let text = |text: &str| prost_types::Value {
            kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
        };
        let trace = event.trace.clone().unwrap();
        let extensions = [
            ("subject".to_owned(), text(&event.subject)),
            ("time".to_owned(), text("2026-11-21T04:00:00.000001Z")),
            ("traceparent".to_owned(), text(&trace.parent)),
            ("tracestate".to_owned(), text(trace.state.as_deref().unwrap())),
            ("pubsubname".to_owned(), text("p")),
        ];
        let parts = Parts {
            id: event.id.to_string(),
            source: event.source,
            event_type: event.event_type,
            spec_version: "1.0".to_owned(),
            content_type: "application/json".to_owned(),
            data: event.data.to_vec(),
            extensions: Some(prost_types::Struct { fields: extensions.into() }),
        };
        let joined = Delivery::decode("p", "t", parts.join()).unwrap();
        assert_eq!(Delivery { original: original.original.clone(), ..joined }, original);
    }

    #[test]
    fn unreadable_bytes_are_named_by_what_they_are() {
        let id = |topic, bytes| digest_id("pubsub", topic, bytes);
        assert_eq!(id("a", b"x"), id("a", b"x"));
        assert_ne!(id("a", b"x"), id("b", b"x"));
        assert_ne!(id("a", b"x"), id("a", b"y"));
    }
}
