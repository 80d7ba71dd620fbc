//! A message as the router sees it: an event, or bytes that are none.

use bytes::Bytes;
use docket_domain::EventId;

use crate::envelope::{Delivery, Trace, digest_id};
use crate::handler::{DeadLetter, ENVELOPE, TopicHandler};
use crate::metadata::{Metadata, Replay};

/// What came in.
pub(crate) enum Incoming {
    Event(Delivery),
    Unreadable(DeadLetter),
}

impl Incoming {
    pub(crate) fn read(pubsub: &str, topic: &str, original: Bytes, metadata: Metadata) -> Self {
        match Delivery::decode(pubsub, topic, original.clone()) {
            Ok(delivery) => Self::Event(Delivery { metadata, ..delivery }),
            Err(error) => {
                let event_id = digest_id(pubsub, topic, &original);
                Self::Unreadable(DeadLetter {
                    handler: ENVELOPE.to_owned(),
                    event_id,
                    pubsub: pubsub.to_owned(),
                    topic: topic.to_owned(),
                    key: metadata.key().map_or_else(|| event_id.to_string(), key_text),
                    reason: causes(&error),
                    trace: None,
                    metadata,
                    original,
                })
            }
        }
    }

    /// What it is in order with.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Event(delivery) => &delivery.subject,
            Self::Unreadable(letter) => &letter.key,
        }
    }

    /// Names it; what can not be read, too.
    pub(crate) fn event_id(&self) -> EventId {
        match self {
            Self::Event(delivery) => delivery.event_id,
            Self::Unreadable(letter) => letter.event_id,
        }
    }

    /// The trace that it belongs to.
    pub(crate) fn trace(&self) -> Option<&Trace> {
        match self {
            Self::Event(delivery) => delivery.trace.as_ref(),
            Self::Unreadable(letter) => letter.trace.as_ref(),
        }
    }

    /// The replay that brought it.
    pub(crate) fn replay(&self) -> Option<Replay> {
        match self {
            Self::Event(delivery) => delivery.metadata.replay(),
            Self::Unreadable(letter) => letter.metadata.replay(),
        }
    }

    /// The event, when this handler is to handle it.
    pub(crate) fn event_for(&self, handler: &dyn TopicHandler) -> Option<&Delivery> {
        let Self::Event(delivery) = self else { return None };
        let only = delivery.metadata.replay().and_then(|replay| replay.handler);
        // What no handler could read is for all of them, once it can be read.
        let is_for = |only: String| only == handler.name() || only == ENVELOPE;
        (handler.is_last_resort() || only.is_none_or(is_for)).then_some(delivery)
    }
}

/// The longest key that is kept, in bytes: databases do not index longer ones.
const LONGEST_KEY: usize = 1024;

/// The longest reason that is kept, in bytes.
const LONGEST_REASON: usize = 8 << 10;

/// A key, also a stranger's, so that it can be kept.
pub(crate) fn key_text(key: &str) -> String {
    keepable(key.to_owned(), LONGEST_KEY)
}

/// An error and all its causes on one line, so that it can be kept.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    keepable(text, LONGEST_REASON)
}

/// PostgreSQL has no NUL in a text.
fn keepable(mut text: String, longest: usize) -> String {
    text.retain(|letter| letter != '\0');
    text.truncate(text.floor_char_boundary(longest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_can_be_kept() {
        let metadata = |key: String| [("__key".to_owned(), key)].into_iter().collect::<Metadata>();
        let read = |key: String| Incoming::read("p", "t", Bytes::from_static(b"?"), metadata(key));
        assert_eq!(read("a\0b".to_owned()).key(), "ab");
        let long = read("ä".repeat(2_000));
        assert_eq!((long.key().len(), long.key().chars().all(|letter| letter == 'ä')), (1024, true));
        let Incoming::Unreadable(letter) = read(String::new()) else { panic!("it is no event") };
        assert_eq!(letter.key, letter.event_id.to_string());
        let reason = causes(&std::io::Error::other("\0".repeat(3) + &"ä".repeat(9_000)));
        assert_eq!((reason.len(), reason.contains('\0')), (8 << 10, false));
    }
}
