//! What came with a message beside its bytes: the broker's own marks, and the headers that its publisher gave it.

use std::collections::BTreeMap;

use docket_domain::EventId;
use tonic::metadata::{KeyAndValueRef, MetadataMap};

/// Marks a message that is published again by hand: the id of that replay.
pub const REPLAY: &str = "docket-replay";

/// The only handler that a replay is for.
pub const REPLAY_HANDLER: &str = "docket-handler";

/// The broker's own marks begin with this.
const MARK: &str = "__";

/// What the sidecar, gRPC and HTTP add to a message that is delivered alone, or Docket itself when it publishes; and what
/// nobody should keep.
const ADDED: [&str; 13] = [
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "partitionkey",
    "pubsubname",
    "rawpayload",
    "te",
    "traceparent",
    "tracestate",
    "ttlinseconds",
    "user-agent",
];

/// The same, by how their names begin. None of them is a publisher's to give, and the sidecar's token is among them.
const ADDED_PREFIXES: [&str; 3] = ["dapr-", "grpc-", ":"];

/// What came with a message. Names are in lower case: HTTP/2 has no other ones, so a message that comes alone has none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Metadata(BTreeMap<String, String>);

/// A message that was published again by hand.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replay {
    /// Names the replay; the same for every delivery of it.
    pub id: EventId,
    /// The only handler that it is for; none for all.
    pub handler: Option<String>,
}

impl Metadata {
    /// The metadata of a message that came alone, from the headers of its call. What is no text is left out.
    pub(crate) fn of_call(headers: &MetadataMap) -> Self {
        let text = |entry: KeyAndValueRef<'_>| match entry {
            KeyAndValueRef::Ascii(name, value) => Some((name.to_string(), value.to_str().ok()?.to_owned())),
            KeyAndValueRef::Binary(..) => None,
        };
        headers.iter().filter_map(text).collect()
    }

    /// The replay that brought the message, if one did.
    pub fn replay(&self) -> Option<Replay> {
        let id = self.0.get(REPLAY)?.parse().ok()?;
        let handler = self.0.get(REPLAY_HANDLER).filter(|name| !name.is_empty()).cloned();
        Some(Replay { id, handler })
    }

    /// The topic that it was in first: what the sidecar moves to a topic of dead letters keeps the mark of where it was.
    pub fn topic(&self) -> Option<&str> {
        self.0.get("__topic").map(String::as_str)
    }

    /// The partition that it came from.
    pub fn partition(&self) -> Option<i32> {
        self.0.get("__partition")?.parse().ok()
    }

    /// Its place in the partition.
    pub fn offset(&self) -> Option<i64> {
        self.0.get("__offset")?.parse().ok()
    }

    /// What it is in order with, for the broker; as the component writes it, which may have escaped it.
    pub fn key(&self) -> Option<&str> {
        self.0.get("__key").map(String::as_str).filter(|key| !key.is_empty())
    }

    /// The headers that the publisher gave it.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        all.filter(|(name, _)| !name.starts_with(MARK))
    }
}

impl FromIterator<(String, String)> for Metadata {
    /// Leaves out what is not the message's own. The first of those with the same name counts.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut metadata = BTreeMap::new();
        for (mut name, value) in pairs {
            name.make_ascii_lowercase();
            let added = ADDED.contains(&name.as_str())
                || ADDED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if !added {
                metadata.entry(name).or_insert(value);
            }
        }
        Self(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";

    fn of(pairs: &[(&str, &str)]) -> Metadata {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_brokers_marks_are_read() {
        let metadata = of(&[("__partition", "2"), ("__offset", "9007199254740993"), ("__key", "a-task")]);
        assert_eq!(metadata.partition(), Some(2));
        assert_eq!(metadata.offset(), Some(9_007_199_254_740_993));
        assert_eq!(metadata.key(), Some("a-task"));
        let strange = of(&[("__partition", "two"), ("__offset", "-"), ("__key", "")]);
        assert_eq!((strange.partition(), strange.offset(), strange.key()), (None, None, None));
    }

    #[test]
    fn a_replay_is_known_by_its_id() {
        let replay = |handler: Option<&str>| {
            Some(Replay { id: ID.parse().unwrap(), handler: handler.map(str::to_owned) })
        };
        assert_eq!(of(&[]).replay(), None);
        assert_eq!(of(&[(REPLAY_HANDLER, "audit")]).replay(), None);
        assert_eq!(of(&[(REPLAY, "the second one")]).replay(), None);
        assert_eq!(of(&[("Docket-Replay", ID)]).replay(), replay(None));
        assert_eq!(of(&[(REPLAY, ID), (REPLAY_HANDLER, "")]).replay(), replay(None));
        assert_eq!(of(&[(REPLAY, ID), (REPLAY_HANDLER, "audit")]).replay(), replay(Some("audit")));
    }

    #[test]
    fn headers_are_those_of_the_publisher() {
        let metadata = of(&[
            ("X-Tenant", "7"),
            ("x-tenant", "8"),
            ("__topic", "task-events"),
            ("pubsubName", "pubsub"),
            ("rawPayload", "true"),
            ("partitionKey", "a"),
            ("dapr-api-token", "secret"),
            ("authorization", "Bearer secret"),
            ("grpc-accept-encoding", "gzip"),
            ("content-type", "application/grpc"),
            ("user-agent", "grpc-go"),
            ("traceparent", "00-1-2-00"),
        ]);
        assert_eq!(metadata.headers().collect::<Vec<_>>(), [("x-tenant", "7")]);
        assert!(!format!("{metadata:?}").contains("secret"), "{metadata:?}");
    }

    #[test]
    fn what_came_alone_brings_the_headers_of_its_call() {
        let mut call = MetadataMap::new();
        call.insert("__offset", "4".parse().unwrap());
        call.insert("x-tenant", "7".parse().unwrap());
        call.insert_bin("x-picture-bin", tonic::metadata::MetadataValue::from_bytes(b"\xff"));
        let metadata = Metadata::of_call(&call);
        assert_eq!(metadata.offset(), Some(4));
        assert_eq!(metadata.headers().collect::<Vec<_>>(), [("x-tenant", "7")]);
    }
}
