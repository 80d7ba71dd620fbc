//! What the router needs from the rest of Docket.

use std::error::Error;

use async_trait::async_trait;
use bytes::Bytes;
use docket_domain::EventId;

use crate::envelope::{Delivery, Trace};
use crate::metadata::Metadata;
use crate::stretch::Stretch;

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

    /// Whether there is nobody after it, because its topics are those of dead letters. They get no such topic themselves,
    /// and a replay that comes to them has failed on its way: whomever it was for, it is kept here.
    fn is_last_resort(&self) -> bool {
        false
    }

    /// Handles one event.
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError>;

    /// Handles a batch, in its order: in one transaction where that can be done, which is what batches are for.
    ///
    /// An error says nothing about the single events, and each is handled alone then; so whatever was done for some of
    /// them must not be done again. By default they are handled one by one.
    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        let _ = deliveries;
        Err(HandlerError::OneByOne)
    }
}

/// Why an event is hopeless that a database does not take.
const REFUSED: &str = "the database refuses what the event holds";

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
    /// Of a batch, those at these places will never succeed. They are handled alone, and the rest comes again as a batch.
    #[error("{} events of the batch will never be handled", .0.len())]
    HopelessAmong(Vec<usize>),
    /// Nothing was done for the batch: its events are to be handled one by one.
    #[error("the handler takes no batches")]
    OneByOne,
}

impl HandlerError {
    /// An error that may pass.
    pub fn retry(cause: impl Into<BoxError>) -> Self {
        Self::Retry(cause.into())
    }

    /// An error of the database: it stays where `refused` says that it is about what the event holds.
    pub fn of_database(refused: bool, cause: impl Into<BoxError>) -> Self {
        let source = cause.into();
        match refused {
            true => Self::Hopeless { reason: REFUSED.to_owned(), source: Some(source) },
            false => Self::Retry(source),
        }
    }

    /// An error that stays.
    pub fn hopeless(reason: impl Into<String>) -> Self {
        Self::Hopeless { reason: reason.into(), source: None }
    }

    /// Reads every event of a batch before anything is done for any of them, so that one that is hopeless does not cost
    /// the others their batch.
    pub async fn read_all<'a, T>(
        deliveries: &[&'a Delivery],
        read: impl Fn(&'a Delivery) -> Result<T, HandlerError>,
    ) -> Result<Vec<T>, HandlerError> {
        let (mut all, mut hopeless) = (Vec::with_capacity(deliveries.len()), Vec::new());
        let mut stretch = Stretch::default();
        for (place, delivery) in deliveries.iter().enumerate() {
            match read(delivery) {
                Ok(one) => all.push(one),
                Err(Self::Hopeless { .. }) => hopeless.push(place),
                Err(other) => return Err(other),
            }
            stretch.has_read(delivery.data.len()).await;
        }
        if hopeless.is_empty() { Ok(all) } else { Err(Self::HopelessAmong(hopeless)) }
    }
}

/// Reacts to an input binding, a clock for example.
#[async_trait]
pub trait BindingHandler: Send + Sync + 'static {
    /// Does what the binding is for. Called again, at the binding's own will, also after it succeeded.
    async fn run(&self, data: Bytes, metadata: Metadata) -> Result<(), BoxError>;
}

/// Reacts to a job whose moment has come.
#[async_trait]
pub trait JobHandler: Send + Sync + 'static {
    /// Does what the job is for. Called again after an error, and now and then after it succeeded; also for a job that was
    /// taken back or moved meanwhile. The job is gone when it has succeeded.
    async fn run(&self, name: &str, data: Bytes) -> Result<(), BoxError>;
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
    /// What it was in order with: its subject; when that could not be read, its key at the broker, or else its id.
    pub key: String,
    /// Why it is hopeless, with all causes.
    pub reason: String,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// What came with it.
    pub metadata: Metadata,
    /// The event, byte for byte as it was published.
    pub original: Bytes,
}

/// The handler's name in a dead letter that no handler has seen.
pub const ENVELOPE: &str = "envelope";

/// Keeps what can not be handled.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Keeps one, in one transaction with the note that its handler is done with it, and with the replay that brought it.
    /// Keeping the same one again does nothing, unless another replay has brought it. After an error the event is delivered
    /// again.
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError>;

    /// Notes that the handler is done with a replay that is not for it.
    async fn receipt(&self, handler: &str, replay: EventId) -> Result<(), BoxError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stretch::tests::{MUCH, turns_during};

    #[tokio::test]
    async fn a_handler_that_reads_a_batch_of_large_events_lets_others_have_their_turn() {
        let event = |size: usize| {
            let id = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";
            let text = format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"t","subject":"k","time":"2026-11-21T04:00:00Z","data":"{}"}}"#,
                "x".repeat(size),
            );
            Delivery::decode("pubsub", "topic", Bytes::from(text)).unwrap()
        };
        let turns = async |event: &Delivery| {
            turns_during(HandlerError::read_all(&[event; 6], |delivery| Ok(delivery.data.len()))).await
        };
        assert_eq!(turns(&event(500)).await, 0);
        assert_eq!(turns(&event(MUCH)).await, 6);
    }
}
