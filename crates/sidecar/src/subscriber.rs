//! One handler of a topic, and how it is asked: several times when it has to be, and never so that it could bring down
//! anything else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::config::{Config, Retry};
use crate::envelope::Delivery;
use crate::handler::{BoxError, DeadLetter, DeadLetters, HandlerError, TopicHandler};
use crate::incoming::{Incoming, causes, key_text};
use crate::router::Jitter;

/// A handler, and who keeps what it can not handle.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) handler: Arc<dyn TopicHandler>,
    pub(crate) letters: Arc<dyn DeadLetters>,
    /// Whether it is the one of its topic who keeps what no handler can read.
    pub(crate) is_first: bool,
}

/// How handlers are asked.
#[derive(Clone)]
pub(crate) struct Patience {
    jitter: Jitter,
    retry: Retry,
    handler_timeout: Duration,
}

/// Why a batch was not handled.
#[derive(Debug)]
pub(crate) enum BatchFailed {
    /// Nothing was done, because those at these places are hopeless.
    Hopeless(Vec<usize>),
    /// Nobody knows what was done, if anything.
    Otherwise,
}

impl Patience {
    pub(crate) fn new(config: &Config, jitter: Jitter) -> Self {
        let handler_timeout = Duration::from_millis(config.handler_timeout_ms);
        Self { jitter, retry: config.retry.clone(), handler_timeout }
    }

    /// Whether it succeeds in one of a few attempts.
    async fn persist<F: Future<Output = Result<(), BoxError>>>(&self, attempt: impl Fn() -> F) -> bool {
        let mut pause = Duration::from_millis(self.retry.backoff_ms);
        for left in (0..self.retry.attempts.max(1)).rev() {
            let error = match self.contain(async { attempt().await }).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => causes(error.as_ref()),
                Err(end) => end,
            };
            tracing::warn!(error, left, "event not handled");
            if left > 0 {
                tokio::time::sleep(pause.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0)).await;
                pause = pause.saturating_mul(2);
            }
        }
        false
    }

    /// Whatever happens inside, a panic too, ends in time.
    pub(crate) async fn contain<T>(&self, run: impl Future<Output = T>) -> Result<T, String> {
        match tokio::time::timeout(self.handler_timeout, AssertUnwindSafe(run).catch_unwind()).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_panic)) => Err("panicked".to_owned()),
            Err(_elapsed) => Err(format!("took longer than {:?}", self.handler_timeout)),
        }
    }
}

impl Subscriber {
    /// Whether it is done with a message: handled it, kept it as a dead letter, or had nothing to do with it.
    pub(crate) async fn one(&self, patience: &Patience, incoming: &Incoming) -> bool {
        let handler = self.handler.name();
        let span = match incoming {
            Incoming::Event(Delivery { topic, event_id, event_type, .. }) => {
                tracing::info_span!("deliver", topic, %event_id, event_type, handler)
            }
            Incoming::Unreadable(DeadLetter { topic, event_id, .. }) => {
                tracing::info_span!("deliver", topic, %event_id, handler)
            }
        };
        patience.persist(|| self.attempt(incoming)).instrument(span).await
    }

    /// Handles a batch, in one attempt.
    pub(crate) async fn all(&self, patience: &Patience, events: &[&Delivery]) -> Result<(), BatchFailed> {
        let (handler, count) = (self.handler.name(), events.len());
        let topic = events.first().map(|event| event.topic.as_str());
        let span = tracing::info_span!("deliver_all", topic, count, handler);
        let outcome = patience.contain(self.handler.handle_all(events)).instrument(span.clone()).await;
        let error = match outcome {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(HandlerError::HopelessAmong(places))) if !places.is_empty() => {
                return Err(BatchFailed::Hopeless(places));
            }
            Ok(Err(HandlerError::OneByOne)) => return Err(BatchFailed::Otherwise),
            Ok(Err(error)) => causes(&error),
            Err(end) => end,
        };
        tracing::warn!(parent: &span, error, "batch not handled; its events are handled one by one");
        Err(BatchFailed::Otherwise)
    }

    async fn attempt(&self, incoming: &Incoming) -> Result<(), BoxError> {
        if let Some(delivery) = incoming.event_for(self.handler.as_ref()) {
            return self.handle(delivery).await;
        }
        match incoming {
            // No handler has seen it, so one keeps it for all: always the same one, who knows what it has.
            Incoming::Unreadable(letter) if self.is_first => self.letters.bury(letter.clone()).await?,
            _ => {}
        }
        match incoming.replay() {
            Some(replay) => self.letters.receipt(self.handler.name(), replay.id).await,
            None => Ok(()),
        }
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), BoxError> {
        match self.handler.handle(delivery).await {
            Ok(()) => Ok(()),
            Err(HandlerError::Retry(source)) => Err(source),
            Err(error @ (HandlerError::HopelessAmong(_) | HandlerError::OneByOne)) => Err(error.into()),
            Err(hopeless @ HandlerError::Hopeless { .. }) => {
                let letter = DeadLetter {
                    handler: self.handler.name().to_owned(),
                    event_id: delivery.event_id,
                    pubsub: delivery.pubsub.clone(),
                    topic: delivery.topic.clone(),
                    key: key_text(&delivery.subject),
                    reason: causes(&hopeless),
                    trace: delivery.trace.clone(),
                    metadata: delivery.metadata.clone(),
                    original: delivery.original.clone(),
                };
                // Says nothing about it: who keeps the letter does, and knows whether it is the first of this event.
                self.letters.bury(letter).await
            }
        }
    }
}
