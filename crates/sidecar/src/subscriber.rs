//! One handler of a topic, and how it is asked: several times when it has to be, and never so that it could bring down
//! anything else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use docket_telemetry::instruments::Meter;
use docket_telemetry::{fail, no_meter};
use futures::FutureExt as _;
use tracing::Instrument as _;

use crate::config::{Config, Retry};
use crate::envelope::Delivery;
use crate::handler::{BoxError, DeadLetter, DeadLetters, HandlerError, TopicHandler};
use crate::incoming::{Incoming, causes, key_text};
use crate::metrics::{Metrics, Outcome};
use crate::process::{self, Names, Part};
use crate::router::Jitter;

/// A handler, and who keeps what it can not handle.
#[derive(Clone)]
pub(crate) struct Subscriber {
    pub(crate) handler: Arc<dyn TopicHandler>,
    pub(crate) letters: Arc<dyn DeadLetters>,
    /// Whether it is the one of its topic who keeps what no handler can read.
    pub(crate) is_first: bool,
    pub(crate) names: Names,
}

/// How handlers are asked.
#[derive(Clone)]
pub(crate) struct Patience {
    jitter: Jitter,
    retry: Retry,
    handler_timeout: Duration,
    metrics: Metrics,
}

/// Why something was over before it ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// It panicked.
    #[error("panicked")]
    Panicked,
    /// It took too long.
    #[error("took longer than {0:?}")]
    TooLong(Duration),
}

impl Cut {
    fn kind(&self) -> &'static str {
        match self {
            Self::Panicked => "panic",
            Self::TooLong(_) => "timeout",
        }
    }
}

/// What spans say of a handler that gave an error.
const HANDLER_ERROR: &str = "handler_error";

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
        Self { jitter, retry: config.retry.clone(), handler_timeout, metrics: Metrics::new(&no_meter()) }
    }

    /// The same, which counts what handlers do.
    pub(crate) fn with_meter(self, meter: &Meter) -> Self {
        Self { metrics: Metrics::new(meter), ..self }
    }

    /// What it comes to in one of a few attempts; else why the last one failed, in a word.
    async fn persist<T, F: Future<Output = Result<T, BoxError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, &'static str> {
        let mut pause = Duration::from_millis(self.retry.backoff_ms);
        let mut failed = HANDLER_ERROR;
        for left in (0..self.retry.attempts.max(1)).rev() {
            let (error, kind) = match self.contain(async { attempt().await }).await {
                Ok(Ok(outcome)) => return Ok(outcome),
                Ok(Err(error)) => (causes(error.as_ref()), HANDLER_ERROR),
                Err(cut) => (cut.to_string(), cut.kind()),
            };
            tracing::warn!(error, left, "event not handled");
            failed = kind;
            if left > 0 {
                tokio::time::sleep(pause.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0)).await;
                pause = pause.saturating_mul(2);
            }
        }
        Err(failed)
    }

    /// Whatever happens inside, a panic too, ends in time.
    pub(crate) async fn contain<T>(&self, run: impl Future<Output = T>) -> Result<T, Cut> {
        match tokio::time::timeout(self.handler_timeout, AssertUnwindSafe(run).catch_unwind()).await {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(_panic)) => Err(Cut::Panicked),
            Err(_elapsed) => Err(Cut::TooLong(self.handler_timeout)),
        }
    }
}

impl Subscriber {
    /// Whether it is done with a message: handled it, kept it as a dead letter, or had nothing to do with it.
    pub(crate) async fn one(&self, patience: &Patience, incoming: &Incoming) -> bool {
        let handler = self.handler.as_ref();
        let (part, span) = process::alone(&self.names, handler, self.is_first, incoming);
        let began = Instant::now();
        let ended = patience.persist(|| self.attempt(&part, incoming)).instrument(span.clone()).await;
        let outcome = match ended {
            Ok(Outcome::Dead) => {
                fail(&span, "dead_letter");
                Outcome::Dead
            }
            Ok(outcome) => outcome,
            Err(kind) => {
                fail(&span, kind);
                Outcome::Again
            }
        };
        if !matches!(part, Part::Nothing) {
            patience.metrics.handled(&self.names.topic, handler.name(), outcome, 1, began.elapsed());
        }
        outcome != Outcome::Again
    }

    /// Handles a batch, in one attempt.
    pub(crate) async fn all(&self, patience: &Patience, events: &[&Delivery]) -> Result<(), BatchFailed> {
        let (handler, count) = (self.handler.name(), events.len());
        let (events, spans) = process::together(&self.names, handler, events);
        let events: Vec<&Delivery> = events.iter().map(AsRef::as_ref).collect();
        let began = Instant::now();
        let outcome = patience.contain(self.handler.handle_all(&events)).await;
        let tell = |outcome, events| {
            patience.metrics.handled(&self.names.topic, handler, outcome, events, began.elapsed());
        };
        let (kind, error, failed) = match outcome {
            Ok(Ok(())) => {
                tell(Outcome::Done, count);
                return Ok(());
            }
            Ok(Err(HandlerError::HopelessAmong(places))) if !places.is_empty() => {
                ("hopeless_among", None, BatchFailed::Hopeless(places))
            }
            Ok(Err(HandlerError::OneByOne)) => ("one_by_one", None, BatchFailed::Otherwise),
            Ok(Err(error)) => (HANDLER_ERROR, Some(causes(&error)), BatchFailed::Otherwise),
            Err(cut) => (cut.kind(), Some(cut.to_string()), BatchFailed::Otherwise),
        };
        spans.iter().for_each(|span| fail(span, kind));
        if let Some(error) = error {
            let topic = &*self.names.topic;
            tracing::warn!(
                topic,
                handler,
                count,
                error,
                "batch not handled; its events are handled one by one"
            );
            tell(Outcome::Again, 0);
        }
        Err(failed)
    }

    async fn attempt(&self, part: &Part<'_>, incoming: &Incoming) -> Result<Outcome, BoxError> {
        let outcome = match part {
            Part::Handle(delivery) => return self.handle(delivery).await,
            Part::Bury(letter) => {
                self.letters.bury(letter.clone()).await?;
                Outcome::Dead
            }
            Part::Nothing => Outcome::Done,
        };
        if let Some(replay) = incoming.replay() {
            self.letters.receipt(self.handler.name(), replay.id).await?;
        }
        Ok(outcome)
    }

    async fn handle(&self, delivery: &Delivery) -> Result<Outcome, BoxError> {
        match self.handler.handle(delivery).await {
            Ok(()) => Ok(Outcome::Done),
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
                self.letters.bury(letter).await?;
                Ok(Outcome::Dead)
            }
        }
    }
}
