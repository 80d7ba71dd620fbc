//! Brings each event to every handler of its topic, and says whether the sidecar may forget it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use docket_telemetry::instruments::Meter;
use futures::{FutureExt as _, future};
use tracing::{Instrument as _, Span};

use crate::batch::{self, Run};
use crate::config::{Bulk, Config};
use crate::fault::Refusal;
use crate::handler::{BindingHandler, DeadLetters, JobHandler, TopicHandler};
use crate::incoming::{Incoming, causes};
use crate::metadata::Metadata;
use crate::process::{self, Names};
use crate::subscriber::{Patience, Subscriber};

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

impl Verdict {
    fn of(done: bool) -> Self {
        if done { Self::Done } else { Self::Again }
    }
}

/// Two handlers that could not be told apart.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("topic {topic:?} has two handlers named {handler:?}")]
pub struct DuplicateHandler {
    topic: String,
    handler: &'static str,
}

/// Hears that all handlers have done with an event, or with some.
pub type Handled = Arc<dyn Fn() + Send + Sync>;

/// The handlers of every topic, every input binding and every kind of job.
#[derive(Clone)]
pub struct Router {
    topics: BTreeMap<(String, String), Vec<Subscriber>>,
    bindings: BTreeMap<String, Arc<dyn BindingHandler>>,
    jobs: BTreeMap<String, Arc<dyn JobHandler>>,
    patience: Patience,
    keys_in_flight: usize,
    handled: Option<Handled>,
    bulk: Option<Bulk>,
    dead_letter_suffix: Option<String>,
    pub(crate) max_callback_bytes: usize,
}

impl Router {
    /// A router without handlers.
    pub fn new(config: &Config, jitter: Jitter) -> Self {
        Self {
            topics: BTreeMap::new(),
            bindings: BTreeMap::new(),
            jobs: BTreeMap::new(),
            patience: Patience::new(config, jitter),
            keys_in_flight: config.keys_in_flight.max(1),
            handled: None,
            bulk: config.bulk.clone(),
            dead_letter_suffix: config.dead_letter_suffix.clone(),
            max_callback_bytes: config.max_callback_bytes(),
        }
    }

    /// Tells whoever waits for receipts, each time all handlers have done with an event.
    pub fn tell(mut self, handled: Handled) -> Self {
        self.handled = Some(handled);
        self
    }

    /// The same, which counts what handlers do.
    pub fn with_meter(self, meter: &Meter) -> Self {
        Self { patience: self.patience.with_meter(meter), ..self }
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
        let (is_first, names) = (handlers.is_empty(), Names::new(topic));
        handlers.push(Subscriber { handler, letters, is_first, names });
        Ok(self)
    }

    /// Sets the handler of an input binding, by the name of its component.
    pub fn binding(mut self, name: &str, handler: Arc<dyn BindingHandler>) -> Self {
        self.bindings.insert(name.to_owned(), handler);
        self
    }

    /// Sets the handler of all jobs whose names begin so; the longest beginning counts.
    pub fn job(mut self, prefix: &str, handler: Arc<dyn JobHandler>) -> Self {
        self.jobs.insert(prefix.to_owned(), handler);
        self
    }

    /// Every subscription: pub/sub component and topic.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &str)> {
        self.topics.keys().map(|(pubsub, topic)| (pubsub.as_str(), topic.as_str()))
    }

    /// The topic to which the sidecar moves what it can not deliver of this one; what is there already stays.
    pub(crate) fn dead_letter_topic(&self, pubsub: &str, topic: &str) -> Option<String> {
        let suffix = self.dead_letter_suffix.as_ref()?;
        (!self.is_last_resort(pubsub, topic)).then(|| format!("{topic}{suffix}"))
    }

    /// How large the batches of a topic are. Dead letters are few and large, and come one by one.
    pub(crate) fn bulk_of(&self, pubsub: &str, topic: &str) -> Option<&Bulk> {
        self.bulk.as_ref().filter(|_| !self.is_last_resort(pubsub, topic))
    }

    fn is_last_resort(&self, pubsub: &str, topic: &str) -> bool {
        let handlers = self.topics.get(&(pubsub.to_owned(), topic.to_owned()));
        handlers.is_some_and(|all| all.iter().any(|one| one.handler.is_last_resort()))
    }

    /// Every input binding that is listened to.
    pub fn bindings(&self) -> impl Iterator<Item = &str> {
        self.bindings.keys().map(String::as_str)
    }

    /// Delivers one event.
    pub(crate) async fn deliver(
        &self,
        pubsub: &str,
        topic: &str,
        event: Bytes,
        metadata: Metadata,
    ) -> Result<Verdict, Refusal> {
        let handlers = self.route(pubsub, topic)?;
        let incoming = Incoming::read(pubsub, topic, event, metadata);
        // All of them, also when one fails: the others need not wait for it.
        let done = handlers.iter().map(|subscriber| subscriber.one(&self.patience, &incoming));
        let verdict = Verdict::of(future::join_all(done).await.into_iter().all(|done| done));
        self.tell_of(&[verdict]);
        Ok(verdict)
    }

    /// Delivers a batch; the answers are in its order.
    ///
    /// Each handler gets all of it at once, or in a few parts that have no key in common. Where that fails, events with one
    /// subject are handled in their order, and behind one that did not succeed the later ones are not handled at all, so
    /// that none overtakes it. Subjects do not wait for each other, and neither do handlers.
    pub(crate) async fn deliver_all(
        &self,
        pubsub: &str,
        topic: &str,
        events: Vec<(Bytes, Metadata)>,
    ) -> Result<Vec<Verdict>, Refusal> {
        let handlers = self.route(pubsub, topic)?;
        let lanes = self.bulk.as_ref().map_or(1, |bulk| bulk.lanes);
        let batch = batch::read(pubsub, topic, events, lanes).await;
        let run =
            |subscriber| Run::new(subscriber, &self.patience, self.keys_in_flight, lanes, &batch).finish();
        let received = handlers.first().map_or_else(Span::none, |one| process::receive(&one.names, &batch));
        let runs: Vec<Vec<bool>> = future::join_all(handlers.iter().map(run)).instrument(received).await;
        let verdict = |index: usize| Verdict::of(runs.iter().all(|done| done[index]));
        let verdicts: Vec<Verdict> = (0..batch.len()).map(verdict).collect();
        self.tell_of(&verdicts);
        Ok(verdicts)
    }

    /// Runs the handler of an input binding.
    pub(crate) async fn trigger(&self, name: &str, data: Bytes, metadata: Metadata) -> Result<(), Refusal> {
        let Some(handler) = self.bindings.get(name) else {
            return Err(Refusal::UnknownBinding(name.to_owned()));
        };
        let run = AssertUnwindSafe(handler.run(data, metadata)).catch_unwind().await;
        let outcome = run.unwrap_or_else(|_panic| Err("the handler panicked".into()));
        outcome.map_err(|source| Refusal::BindingFailed { name: name.to_owned(), source })
    }

    /// Runs the handler of a job, for no longer than an event's: the scheduler itself would wait for ever, and give no other
    /// trigger of this job meanwhile.
    pub(crate) async fn ring(&self, name: &str, data: Bytes) -> Result<(), Refusal> {
        let of_job = self.jobs.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str()));
        let Some((_, handler)) = of_job.max_by_key(|(prefix, _)| prefix.len()) else {
            return Err(Refusal::UnknownJob(name.to_owned()));
        };
        let error = match self.patience.contain(handler.run(name, data)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => causes(error.as_ref()),
            Err(cut) => cut.to_string(),
        };
        tracing::warn!(job = name, error, "job not done; it comes again");
        Err(Refusal::JobFailed { name: name.to_owned() })
    }

    fn route(&self, pubsub: &str, topic: &str) -> Result<&[Subscriber], Refusal> {
        let key = (pubsub.to_owned(), topic.to_owned());
        match self.topics.get(&key) {
            Some(handlers) => Ok(handlers),
            None => Err(Refusal::UnknownTopic { pubsub: key.0, topic: key.1 }),
        }
    }

    fn tell_of(&self, verdicts: &[Verdict]) {
        if let Some(handled) = &self.handled
            && verdicts.contains(&Verdict::Done)
        {
            handled();
        }
    }
}
