//! What the router needs from the rest of Docket.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use docket_domain::EventId;

use crate::envelope::{Delivery, Trace};

/// Any error.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Reacts to the events of a topic.
///
/// The same event may be delivered several times, also while it is being handled: the effect and its inbox row belong
/// into one transaction. A handler may be dropped at any point when its time is up.
#[async_trait]
pub trait TopicHandler: Send + Sync + 'static {
    /// Names it in the inbox, in logs and in dead letters; unique among the handlers of a topic.
    fn name(&self) -> &'static str;

    /// Handles one event.
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError>;
}

/// Why a handler did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may succeed later.
    #[error("the event could not be handled now")]
    Retry(#[source] BoxError),
    /// It will never succeed.
    #[error("{reason}")]
    Hopeless {
        /// Why, for those who look through the dead letters.
        reason: String,
        /// What caused it.
        source: Option<BoxError>,
    },
}

impl HandlerError {
    /// An error that may pass.
    pub fn retry(cause: impl Into<BoxError>) -> Self {
        Self::Retry(cause.into())
    }

    /// An error that stays.
    pub fn hopeless(reason: impl Into<String>) -> Self {
        Self::Hopeless { reason: reason.into(), source: None }
    }
}

/// An event that can not be handled, by one handler.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeadLetter {
    /// The handler, or [`ENVELOPE`] when the bytes could not be read at all.
    pub handler: String,
    /// Names the event. For bytes that could not be read, derived from them: the same for every delivery.
    pub event_id: EventId,
    /// The pub/sub component that it came through.
    pub pubsub: String,
    /// The topic that it came on.
    pub topic: String,
    /// What it was in order with: its subject, or its id when that could not be read.
    pub key: String,
    /// Why it is hopeless, with all causes.
    pub reason: String,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// The event, byte for byte as it was published.
    pub original: Bytes,
}

/// The handler's name in a dead letter that no handler has seen.
pub const ENVELOPE: &str = "envelope";

/// Keeps what can not be handled.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps one, in one transaction with the note that its handler is done with it; keeping the same one again does
    /// nothing. After an error the event is delivered again.
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError>;
}
