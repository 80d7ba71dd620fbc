//! Makes letters of what arrives on the topics of dead letters: of Docket's own, and of what the sidecar moved there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use docket_domain::{DeadLetterId, EventId, Instant};
use docket_sidecar::{Delivery, Metadata};
use docket_store::dead_letters::NewLetter;
use serde::Deserialize;

use crate::Origin;

/// The handler's name in a letter of what never reached Docket's handlers.
pub const SIDECAR: &str = "sidecar";

/// The CloudEvents `type` of Docket's own dead letters.
pub(crate) const EVENT_TYPE: &str = "com.todo.dead_letter.created";

/// The only version of their `data`.
const SCHEMA_VERSION: u32 = 1;

/// The most bytes of a reason; what is beyond is cut off.
const MAX_REASON_BYTES: usize = 2_000;

/// The most bytes of a name that is looked for: of a handler, a topic, a component, an event type.
const MAX_NAME_BYTES: usize = 255;

/// The most bytes of a partition key, which is looked for, too. Docket's own have 36; a stranger's longer one is cut, and
/// still the same for the same key.
const MAX_KEY_BYTES: usize = 1_024;

/// The most headers of a letter, and the most bytes of their names and values together.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 << 10;

/// The `data` of Docket's own dead letters. What a newer release adds is passed over.
#[derive(Deserialize)]
struct Data {
    schema_version: u32,
    handler: String,
    reason: String,
    pubsub: String,
    topic: String,
    /// Absent from the letters of the first release, like the four after it and `replay_id`.
    key: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    event_id: String,
    replay_id: Option<String>,
    original: Option<String>,
    original_base64: Option<String>,
}

/// Why an event that says that it is a dead letter can not be read as one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not the JSON of one.
    #[error("the dead letter can not be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("the dead letter has the schema version {0}, which is not known")]
    Version(u32),
    /// A field is not what it should be.
    #[error("the dead letter can not be read: {0} is missing or wrong")]
    Field(&'static str),
}

/// Reads one of Docket's own dead letters.
pub(crate) fn own(id: DeadLetterId, delivery: &Delivery) -> Result<NewLetter, Unreadable> {
    let data: Data = serde_json::from_slice(&delivery.data)?;
    if data.schema_version != SCHEMA_VERSION {
        return Err(Unreadable::Version(data.schema_version));
    }
    for (field, name) in [("handler", &data.handler), ("topic", &data.topic), ("pubsub", &data.pubsub)] {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
            return Err(Unreadable::Field(field));
        }
    }
    let event_id = data.event_id.parse().map_err(|_| Unreadable::Field("event_id"))?;
    let replay = data.replay_id.map(|id| id.parse()).transpose();
    let replay = replay.map_err(|_| Unreadable::Field("replay_id"))?;
    let original = match (data.original, data.original_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => STANDARD.decode(text).map_err(|_| Unreadable::Field("original_base64"))?,
        _ => return Err(Unreadable::Field("original")),
    };
    let (headers, dropped) = headers(data.headers);
    Ok(NewLetter {
        id,
        handler: data.handler,
        event_id,
        event_type: event_type(&original),
        pubsub: data.pubsub,
        topic: data.topic,
        key: key(data.key.unwrap_or_else(|| delivery.subject.clone())),
        partition: data.partition,
        offset: data.offset,
        headers,
        reason: reason(data.reason, dropped),
        original,
        time: delivery.time,
        replay,
    })
}

/// What arrived on a topic of dead letters and is none of Docket's own.
pub(crate) struct Moved<'a> {
    /// Names the event, or its bytes.
    pub(crate) event_id: EventId,
    /// What it is in order with.
    pub(crate) key: &'a str,
    /// What came with it.
    pub(crate) metadata: &'a Metadata,
    /// Its bytes.
    pub(crate) original: &'a Bytes,
}

impl Moved<'_> {
    /// The letter of it. The marks of the place that it was moved from are among its headers, and count before those of the
    /// place where it was found.
    pub(crate) fn letter(&self, id: DeadLetterId, origin: &Origin, why: String, now: Instant) -> NewLetter {
        let metadata = self.metadata;
        // On brokers without partitions, and in what a stranger published here, there are no such marks, or they speak of
        // the topic of dead letters.
        let marked = metadata.topic() == Some(origin.topic.as_str());
        let headers = metadata.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (headers, dropped) = self::headers(headers);
        NewLetter {
            id,
            handler: SIDECAR.to_owned(),
            event_id: self.event_id,
            event_type: event_type(self.original),
            pubsub: origin.pubsub.clone(),
            topic: origin.topic.clone(),
            key: key(metadata.key().unwrap_or(self.key).to_owned()),
            partition: metadata.partition().filter(|_| marked),
            offset: metadata.offset().filter(|_| marked),
            headers,
            reason: reason(why, dropped),
            original: self.original.to_vec(),
            time: now,
            replay: metadata.replay().map(|replay| replay.id),
        }
    }
}

/// The CloudEvents `type` of bytes that may be anything.
fn event_type(original: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        event_type: String,
    }
    let Typed { event_type } = serde_json::from_slice(original).ok()?;
    Some(cut(printable(event_type), MAX_NAME_BYTES)).filter(|event_type| !event_type.is_empty())
}

fn key(text: String) -> String {
    cut(printable(text), MAX_KEY_BYTES)
}

/// Why, with a note about the headers that are not kept.
fn reason(text: String, dropped: usize) -> String {
    let note = match dropped {
        0 => String::new(),
        some => format!(" ({some} of its headers are not kept)"),
    };
    cut(printable(text), MAX_REASON_BYTES - note.len()) + &note
}

/// The headers that are kept, in the order of their names, and how many are not.
fn headers(all: impl IntoIterator<Item = (String, String)>) -> (BTreeMap<String, String>, usize) {
    let all: BTreeMap<String, String> =
        all.into_iter().map(|(name, value)| (printable(name), printable(value))).collect();
    let (count, mut bytes) = (all.len(), 0);
    let mut kept = BTreeMap::new();
    for (name, value) in all {
        let size = name.len() + value.len();
        if kept.len() < MAX_HEADERS && bytes + size <= MAX_HEADER_BYTES {
            bytes += size;
            kept.insert(name, value);
        }
    }
    let dropped = count - kept.len();
    (kept, dropped)
}

/// Without NUL, which PostgreSQL has in no text.
fn printable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";
    const EVENT: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e20";
    const REPLAY: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e21";

    fn id() -> DeadLetterId {
        ID.parse().unwrap()
    }

    fn delivery(data: &Value) -> Delivery {
        let event = json!({
            "specversion": "1.0",
            "id": ID,
            "source": "docket/audit",
            "type": EVENT_TYPE,
            "subject": "a-task",
            "time": "2027-01-01T00:00:00Z",
            "data": data,
        });
        Delivery::decode("pubsub", "task-events-dlq", Bytes::from(event.to_string())).unwrap()
    }

    fn data() -> Value {
        json!({
            "schema_version": 1,
            "handler": "audit",
            "reason": "it is painted",
            "pubsub": "pubsub",
            "topic": "task-events",
            "key": "k",
            "partition": 2,
            "offset": 9_007_199_254_740_993_i64,
            "headers": { "x-tenant": "7" },
            "event_id": EVENT,
            "replay_id": REPLAY,
            "original": "{\"type\":\"com.todo.task.painted\"}",
        })
    }

    fn with(field: &str, value: Value) -> Value {
        let mut data = data();
        data[field] = value;
        data
    }

    #[test]
    fn own_letters_are_read() {
        let expect = NewLetter {
            id: id(),
            handler: "audit".to_owned(),
            event_id: EVENT.parse().unwrap(),
            event_type: Some("com.todo.task.painted".to_owned()),
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            key: "k".to_owned(),
            partition: Some(2),
            offset: Some(9_007_199_254_740_993),
            headers: [("x-tenant".to_owned(), "7".to_owned())].into(),
            reason: "it is painted".to_owned(),
            original: b"{\"type\":\"com.todo.task.painted\"}".to_vec(),
            time: "2027-01-01T00:00:00Z".parse().unwrap(),
            replay: Some(REPLAY.parse().unwrap()),
        };
        assert_eq!(own(id(), &delivery(&data())).unwrap(), expect);
    }

    #[test]
    fn letters_of_the_first_release_are_read() {
        let first = json!({
            "schema_version": 1,
            "handler": "envelope",
            "reason": "not a CloudEvent in JSON",
            "pubsub": "pubsub",
            "topic": "task-events",
            "event_id": EVENT,
            "original_base64": "/yBub3QgYW4gZXZlbnQ=",
        });
        let letter = own(id(), &delivery(&first)).unwrap();
        assert_eq!((letter.key.as_str(), letter.partition, letter.event_type), ("a-task", None, None));
        assert_eq!((letter.original.as_slice(), letter.replay), (&b"\xff not an event"[..], None));
    }

    #[test]
    fn what_no_database_would_keep_is_cut() {
        let letter = own(id(), &delivery(&with("reason", json!("ä\0".repeat(2_000))))).unwrap();
        assert!((1_990..=2_000).contains(&letter.reason.len()) && !letter.reason.contains('\0'));
        let letter = own(id(), &delivery(&with("key", json!("k".repeat(5_000))))).unwrap();
        assert_eq!(letter.key, "k".repeat(1_024));
        let typed = json!({ "type": "t".repeat(300) }).to_string();
        let letter = own(id(), &delivery(&with("original", json!(typed)))).unwrap();
        assert_eq!(letter.event_type, Some("t".repeat(255)));
    }

    #[test]
    fn headers_beyond_what_is_kept_are_counted() {
        let of = |sizes: &[usize]| -> Value {
            let header = |(n, size): (usize, &usize)| (format!("h{n:03}"), json!("v".repeat(*size)));
            sizes.iter().enumerate().map(header).collect()
        };
        let check = |headers: Value, kept: &[&str], count: usize, note: &str| {
            let letter = own(id(), &delivery(&with("headers", headers))).unwrap();
            for name in kept {
                assert!(letter.headers.contains_key(*name), "{name}: {:?}", letter.headers.keys());
            }
            assert_eq!((letter.headers.len(), letter.reason.as_str()), (count, note));
        };
        check(of(&[1; 64]), &["h000", "h063"], 64, "it is painted");
        check(of(&[1; 67]), &["h000"], 64, "it is painted (3 of its headers are not kept)");
        // The large one is not kept, those after it are.
        let large = "it is painted (1 of its headers are not kept)";
        check(of(&[1, 16 << 10, 1]), &["h000", "h002"], 2, large);
        check(of(&[(16 << 10) - 4]), &["h000"], 1, "it is painted");
        let mut data = with("headers", of(&[1; 65]));
        data["reason"] = json!("r".repeat(3_000));
        let letter = own(id(), &delivery(&data)).unwrap();
        assert!(letter.reason.len() == 2_000 && letter.reason.ends_with("not kept)"), "{}", letter.reason);
    }

    #[test]
    fn letters_that_can_not_be_read_say_why() {
        let check = |data: &Value, expect: &str| {
            let error = own(id(), &delivery(data)).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(&json!("text"), "invalid type");
        check(&with("schema_version", json!(2)), "schema version 2");
        check(&with("handler", json!("")), "handler");
        check(&with("topic", json!("t".repeat(256))), "topic");
        check(&with("pubsub", json!("a\0b")), "pubsub");
        check(&with("event_id", json!("7")), "event_id");
        check(&with("replay_id", json!("7")), "replay_id");
        check(&with("original", Value::Null), "original");
        check(&with("original_base64", json!("AAAA")), "original");
    }

    #[test]
    fn what_the_sidecar_moved_comes_from_where_it_was() {
        let origin = Origin {
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            letters: "task-events-dlq".to_owned(),
            handlers: None,
        };
        let original = Bytes::from_static(b"\xff");
        let letter = |marks: &[(&str, &str)]| {
            let metadata: Metadata =
                marks.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            let moved = Moved {
                event_id: EVENT.parse().unwrap(),
                key: "its-id",
                metadata: &metadata,
                original: &original,
            };
            let now = "2027-01-01T00:00:00Z".parse().unwrap();
            let letter = moved.letter(id(), &origin, "moved".to_owned(), now);
            assert_eq!((letter.handler.as_str(), letter.topic.as_str()), (SIDECAR, "task-events"));
            (letter.partition, letter.offset, letter.key)
        };
        let place = [("__partition", "1"), ("__offset", "4"), ("__key", "k")];
        let moved = [&[("__topic", "task-events")][..], &place].concat();
        assert_eq!(letter(&moved), (Some(1), Some(4), "k".to_owned()));
        let strange = [&[("__topic", "task-events-dlq")][..], &place].concat();
        assert_eq!(letter(&strange), (None, None, "k".to_owned()));
        assert_eq!(letter(&[]), (None, None, "its-id".to_owned()));
    }
}
