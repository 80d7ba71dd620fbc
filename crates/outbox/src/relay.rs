//! Takes events out of the outbox, in order for each key, until the broker or their handlers have them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use docket_domain::EventId;
use docket_sidecar::{Client, CloudEvent, Message, Trace};
use docket_store::Store;
use docket_store::outbox::PendingEvent;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::pending::Waiting;
use crate::{Config, Confirm, Topic};

/// What the relay needs.
pub struct Deps {
    /// The database.
    pub store: Store,
    /// The sidecar.
    pub client: Client,
    /// Woken after a commit that left events in the outbox.
    pub committed: Arc<Notify>,
    /// The topics of the events.
    pub topics: Vec<Topic>,
    /// Answers random numbers from 0 to 1.
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

/// How the relay is doing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// Whether the sidecar took the last batch, or nothing had to be sent yet.
    pub connected: bool,
    /// How many keys are kept back by an event that failed.
    pub parked: usize,
    /// How many times the outbox was looked at.
    pub passes: u64,
}

/// Carries events from the outbox to the broker.
pub struct Relay {
    config: Config,
    deps: Deps,
    topics: BTreeMap<String, Topic>,
    waiting: Waiting,
    status: watch::Sender<Status>,
}

/// Why a pass ended early.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error("the outbox can not be read")]
    Store(#[from] docket_store::Error),
    #[error("the sidecar does not take events")]
    Sidecar(#[source] docket_sidecar::Error),
}

impl Config {
    /// The relay.
    pub fn build(self, deps: Deps) -> Relay {
        // With receipts, an event that nobody here handles would never end, and a broker that forgets would lose it.
        let served = |topic: &&Topic| self.confirm == Confirm::Broker || !topic.handlers.is_empty();
        let topics =
            deps.topics.iter().filter(served).map(|topic| (topic.name.clone(), topic.clone())).collect();
        let (status, _) = watch::channel(Status { connected: true, ..Status::default() });
        Relay { config: self, deps, topics, waiting: Waiting::default(), status }
    }
}

impl Relay {
    /// Follows how the relay is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until it is told to stop; the batch that is on its way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let pause = match self.pass(&stop).await {
                Ok(()) => {
                    failures = 0;
                    self.config.poll()
                }
                Err(interrupted) => {
                    failures += 1;
                    self.report(&interrupted, failures);
                    self.config.pause(failures, (self.deps.jitter)())
                }
            };
            let connected = failures == 0;
            let parked = self.waiting.parked();
            self.status.send_modify(|status| {
                *status = Status { connected, parked, passes: status.passes + 1 };
            });
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
                // After a failure the pause is kept: commits must not turn it into a busy loop.
                () = self.deps.committed.notified(), if connected => {}
            }
        }
    }

    /// Logs a failure once, not at every attempt.
    fn report(&self, interrupted: &Interrupted, failures: u32) {
        if failures == 1 {
            let error = interrupted as &dyn std::error::Error;
            tracing::warn!(error, "the relay pauses; events wait in the outbox");
        }
    }

    /// Goes once through the outbox.
    async fn pass(&mut self, stop: &CancellationToken) -> Result<(), Interrupted> {
        let names: Vec<String> = self.topics.keys().cloned().collect();
        let mut seen = HashSet::new();
        let mut after = 0;
        while !stop.is_cancelled() && !names.is_empty() {
            let heads = self.deps.store.outbox_heads(&names, after, self.config.batch).await?;
            let last = heads.last().map(|head| head.position);
            let full = heads.len() as u64 == self.config.batch;
            seen.extend(heads.iter().map(|head| head.id));
            if self.advance(heads).await? > 0 {
                // The next events of these keys have moved up.
                after = 0;
                seen.clear();
                continue;
            }
            match last {
                Some(last) if full => after = last,
                _ => {
                    self.waiting.keep(|event| seen.contains(&event));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Publishes what is due and confirms what was published; answers how many events have left the outbox.
    async fn advance(&mut self, heads: Vec<PendingEvent>) -> Result<usize, Interrupted> {
        let mut by_topic: BTreeMap<String, Vec<PendingEvent>> = BTreeMap::new();
        for head in heads {
            by_topic.entry(head.topic.clone()).or_default().push(head);
        }
        let mut left = 0;
        for (name, mut events) in by_topic {
            let Some(topic) = self.topics.get(&name).cloned() else { continue };
            let earlier: Vec<EventId> =
                ids(&events).filter(|event| self.waiting.is_published(*event)).collect();
            let confirmed = self.confirm(&topic, &earlier).await?;
            left += confirmed.len();
            let now = Instant::now();
            events.retain(|event| !confirmed.contains(&event.id) && self.waiting.is_due(event.id, now));
            if events.is_empty() || self.waiting.is_full() {
                continue;
            }
            let taken = self.publish(&topic, &events).await?;
            // The broker has the events, and nothing says so yet.
            fail::fail_point!("after-publish", |_| std::process::abort());
            left += self.confirm(&topic, &taken).await?.len();
        }
        Ok(left)
    }

    /// Removes the events that may leave the outbox.
    async fn confirm(
        &mut self,
        topic: &Topic,
        published: &[EventId],
    ) -> Result<HashSet<EventId>, Interrupted> {
        if published.is_empty() {
            return Ok(HashSet::new());
        }
        fail::fail_point!("before-delete", |_| std::process::abort());
        let ended = match self.config.confirm {
            Confirm::Receipts => self.deps.store.outbox_confirm(published, &topic.handlers).await?,
            Confirm::Broker => {
                self.deps.store.outbox_remove(published).await?;
                published.to_vec()
            }
        };
        for event in &ended {
            self.waiting.ended(*event);
        }
        Ok(ended.into_iter().collect())
    }

    /// Publishes the events in one call, or one by one when that call fails; answers those that the broker took.
    async fn publish(&mut self, topic: &Topic, events: &[PendingEvent]) -> Result<Vec<EventId>, Interrupted> {
        let envelopes: Vec<CloudEvent> = events.iter().map(envelope).collect();
        let messages: Vec<Message<'_>> = events
            .iter()
            .zip(&envelopes)
            .map(|(event, envelope)| Message { key: &event.key, event: envelope })
            .collect();
        let mut taken = Vec::new();
        match self.deps.client.bulk_publish(&topic.pubsub, &topic.name, &messages).await {
            Ok(results) => {
                for (event, result) in events.iter().zip(results) {
                    match result {
                        Ok(()) => taken.push(self.took(event)),
                        Err(error) => self.park(event, &error),
                    }
                }
            }
            Err(error) if is_away(&error) => return Err(Interrupted::Sidecar(error)),
            // The answer says nothing about the single events, and one of them may be the cause.
            Err(_) => {
                for (event, message) in events.iter().zip(&messages) {
                    match self
                        .deps
                        .client
                        .publish(&topic.pubsub, &topic.name, message.key, message.event)
                        .await
                    {
                        Ok(()) => taken.push(self.took(event)),
                        Err(error) if is_away(&error) => return Err(Interrupted::Sidecar(error)),
                        Err(error) => self.park(event, &error),
                    }
                }
            }
        }
        Ok(taken)
    }

    fn took(&mut self, event: &PendingEvent) -> EventId {
        let timeout = self.config.receipt_timeout();
        if self.waiting.is_published(event.id) {
            tracing::info!(event.id = %event.id, "event {} was published again: no receipt came", event.id);
        }
        self.waiting.published(event.id, Instant::now(), timeout);
        event.id
    }

    /// Keeps the event's key back for a while; the others go on.
    fn park(&mut self, event: &PendingEvent, error: &(dyn std::error::Error + 'static)) {
        let failures = self.waiting.failures(event.id) + 1;
        let pause = self.config.pause(failures, (self.deps.jitter)());
        let id = event.id;
        tracing::warn!(event.id = %id, failures, error, "event {id} was not taken; its key waits {pause:?}");
        self.waiting.failed(id, Instant::now(), pause);
    }
}

/// Whether the sidecar as a whole is at fault, not the events.
fn is_away(error: &docket_sidecar::Error) -> bool {
    matches!(error, docket_sidecar::Error::Unavailable(_) | docket_sidecar::Error::Deadline(_))
}

fn ids(events: &[PendingEvent]) -> impl Iterator<Item = EventId> {
    events.iter().map(|event| event.id)
}

fn envelope(event: &PendingEvent) -> CloudEvent {
    CloudEvent {
        id: event.id,
        source: event.source.clone(),
        event_type: event.event_type.clone(),
        subject: event.key.clone(),
        time: event.time,
        trace: event.trace.clone().map(|trace| Trace { parent: trace.parent, state: trace.state }),
        data: event.payload.clone().into(),
    }
}
