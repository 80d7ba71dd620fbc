//! Brings each event to every handler of its topic, and says whether the sidecar may forget it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use futures::{FutureExt as _, future};
use tracing::Instrument as _;

use crate::config::{Bulk, Config, Retry};
use crate::envelope::{Delivery, digest_id};
use crate::fault::Refusal;
use crate::handler::{BoxError, DeadLetter, DeadLetters, ENVELOPE, HandlerError, TopicHandler};

/// Answers numbers between 0 and 1: random ones, so that replicas which failed together do not come back together.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Every handler is done with it, for good or as a dead letter.
    Done,
    /// At least one is not.
    Again,
}

/// Two handlers that could not be told apart.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("topic {topic:?} has two handlers named {handler:?}")]
pub struct DuplicateHandler {
    topic: String,
    handler: &'static str,
}

type Handlers = Vec<Subscriber>;

/// A handler, and who keeps what it can not handle.
#[derive(Clone)]
struct Subscriber {
    handler: Arc<dyn TopicHandler>,
    letters: Arc<dyn DeadLetters>,
}

/// Hears that all handlers have done with an event.
pub type Handled = Arc<dyn Fn() + Send + Sync>;

/// The handlers of every topic.
#[derive(Clone)]
pub struct Router {
    topics: BTreeMap<(String, String), Handlers>,
    jitter: Jitter,
    retry: Retry,
    handler_timeout: Duration,
    keys_in_flight: usize,
    handled: Option<Handled>,
    pub(crate) bulk: Option<Bulk>,
    pub(crate) dead_letter_suffix: Option<String>,
}

impl Router {
    /// A router without handlers.
    pub fn new(config: &Config, jitter: Jitter) -> Self {
        Self {
            topics: BTreeMap::new(),
            jitter,
            retry: config.retry.clone(),
            handler_timeout: Duration::from_millis(config.handler_timeout_ms),
            keys_in_flight: config.keys_in_flight.max(1),
            handled: None,
            bulk: config.bulk.clone(),
            dead_letter_suffix: config.dead_letter_suffix.clone(),
        }
    }

    /// Tells whoever waits for receipts, each time all handlers have done with an event.
    pub fn tell(mut self, handled: Handled) -> Self {
        self.handled = Some(handled);
        self
    }

    /// Adds a handler to a topic of a pub/sub component, and who keeps what it can not handle.
    pub fn subscribe(
        mut self,
        pubsub: &str,
        topic: &str,
        handler: Arc<dyn TopicHandler>,
        letters: Arc<dyn DeadLetters>,
    ) -> Result<Self, DuplicateHandler> {
        let handlers = self.topics.entry((pubsub.to_owned(), topic.to_owned())).or_default();
        if handlers.iter().any(|other| other.handler.name() == handler.name()) {
            return Err(DuplicateHandler { topic: topic.to_owned(), handler: handler.name() });
        }
        handlers.push(Subscriber { handler, letters });
        Ok(self)
    }

    /// Every subscription: pub/sub component and topic.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &str)> {
        self.topics.keys().map(|(pubsub, topic)| (pubsub.as_str(), topic.as_str()))
    }

    /// Delivers one event.
    pub(crate) async fn deliver(&self, pubsub: &str, topic: &str, event: Bytes) -> Result<Verdict, Refusal> {
        let handlers = self.route(pubsub, topic)?;
        Ok(self.one(handlers, &Incoming::read(pubsub, topic, event)).await)
    }

    /// Delivers a batch; the answers are in its order.
    ///
    /// Events with one subject are handled in their order, and behind one that did not succeed the later ones are not
    /// handled at all, so that none overtakes it. Subjects do not wait for each other.
    pub(crate) async fn deliver_all(
        &self,
        pubsub: &str,
        topic: &str,
        events: Vec<Bytes>,
    ) -> Result<Vec<Verdict>, Refusal> {
        let handlers = self.route(pubsub, topic)?;
        let mut verdicts = vec![Verdict::Again; events.len()];
        let mut keys: BTreeMap<String, Vec<(usize, Incoming)>> = BTreeMap::new();
        for (index, event) in events.into_iter().enumerate() {
            let incoming = Incoming::read(pubsub, topic, event);
            keys.entry(incoming.key()).or_default().push((index, incoming));
        }
        let key = async |events: Vec<(usize, Incoming)>| {
            let mut done = Vec::with_capacity(events.len());
            for (index, incoming) in events {
                if self.one(handlers, &incoming).await == Verdict::Again {
                    break;
                }
                done.push(index);
            }
            done
        };
        let keys: Vec<_> = keys.into_values().map(key).collect();
        let done: Vec<Vec<usize>> = stream::iter(keys).buffer_unordered(self.keys_in_flight).collect().await;
        for index in done.into_iter().flatten() {
            verdicts[index] = Verdict::Done;
        }
        Ok(verdicts)
    }

    fn route(&self, pubsub: &str, topic: &str) -> Result<&Handlers, Refusal> {
        let key = (pubsub.to_owned(), topic.to_owned());
        self.topics.get(&key).ok_or(Refusal::UnknownTopic { pubsub: key.0, topic: key.1 })
    }

    async fn one(&self, handlers: &Handlers, incoming: &Incoming) -> Verdict {
        let all = match incoming {
            Incoming::Event(delivery) => {
                let runs = handlers.iter().map(|subscriber| {
                    let span = tracing::info_span!(
                        "deliver",
                        topic = delivery.topic,
                        event_id = %delivery.event_id,
                        event_type = delivery.event_type,
                        handler = subscriber.handler.name(),
                    );
                    self.persist(move || subscriber.attempt(delivery)).instrument(span)
                });
                // All of them, also when one fails: the others need not wait for it.
                future::join_all(runs).await
            }
            Incoming::Unreadable(letter) => {
                // No handler has seen it, so one keeps it for all: always the same one, who knows what it has.
                let keep =
                    handlers.iter().take(1).map(|first| self.persist(|| first.letters.bury(letter.clone())));
                future::join_all(keep).await
            }
        };
        if all.into_iter().any(|verdict| verdict == Verdict::Again) {
            return Verdict::Again;
        }
        if let Some(handled) = &self.handled {
            handled();
        }
        Verdict::Done
    }

    /// Tries a few times. Whatever happens inside, a panic too, ends as a verdict.
    async fn persist<F: Future<Output = Result<(), BoxError>>>(&self, attempt: impl Fn() -> F) -> Verdict {
        let mut pause = Duration::from_millis(self.retry.backoff_ms);
        for left in (0..self.retry.attempts.max(1)).rev() {
            let run = AssertUnwindSafe(async { attempt().await }).catch_unwind();
            let error = match tokio::time::timeout(self.handler_timeout, run).await {
                Ok(Ok(Ok(()))) => return Verdict::Done,
                Ok(Ok(Err(error))) => causes(error.as_ref()),
                Ok(Err(_panic)) => "panicked".to_owned(),
                Err(_elapsed) => format!("took longer than {:?}", self.handler_timeout),
            };
            tracing::warn!(error, left, "event not handled");
            if left > 0 {
                tokio::time::sleep(pause.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0)).await;
                pause = pause.saturating_mul(2);
            }
        }
        Verdict::Again
    }
}

impl Subscriber {
    async fn attempt(&self, delivery: &Delivery) -> Result<(), BoxError> {
        match self.handler.handle(delivery).await {
            Ok(()) => Ok(()),
            Err(HandlerError::Retry(source)) => Err(source),
            Err(hopeless @ HandlerError::Hopeless { .. }) => {
                let reason = causes(&hopeless);
                let letter = DeadLetter {
                    handler: self.handler.name().to_owned(),
                    event_id: delivery.event_id,
                    pubsub: delivery.pubsub.clone(),
                    topic: delivery.topic.clone(),
                    key: delivery.subject.clone(),
                    reason,
                    trace: delivery.trace.clone(),
                    original: delivery.original.clone(),
                };
                // Says nothing about it: who keeps the letter does, and knows whether it is the first of this event.
                self.letters.bury(letter).await
            }
        }
    }
}

/// What came in.
enum Incoming {
    Event(Delivery),
    Unreadable(DeadLetter),
}

impl Incoming {
    fn read(pubsub: &str, topic: &str, original: Bytes) -> Self {
        match Delivery::decode(pubsub, topic, original.clone()) {
            Ok(delivery) => Self::Event(delivery),
            Err(error) => {
                let event_id = digest_id(pubsub, topic, &original);
                Self::Unreadable(DeadLetter {
                    handler: ENVELOPE.to_owned(),
                    event_id,
                    pubsub: pubsub.to_owned(),
                    topic: topic.to_owned(),
                    key: event_id.to_string(),
                    reason: causes(&error),
                    trace: None,
                    original,
                })
            }
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Event(delivery) => delivery.subject.clone(),
            Self::Unreadable(letter) => letter.key.clone(),
        }
    }
}

/// An error and all its causes on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
