//! Takes events out of the outbox, in order for each key, until the broker or their handlers have them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use docket_domain::EventId;
use docket_sidecar::Client;
use docket_store::Store;
use docket_store::outbox::PendingEvent;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::pending::Waiting;
use crate::publish::{Outcome, publish};
use crate::{Config, Confirm, Topic};

/// The shortest time from the start of one pass to the next: what happens meanwhile is taken together.
const SHORTEST_ROUND: Duration = Duration::from_millis(5);

/// How long the last answer of the sidecar counts as a sign that it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);

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
    /// Whether the sidecar answers.
    pub connected: bool,
    /// How many keys are kept back by an event that one attempt was not enough for.
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
    /// When the sidecar last answered.
    answered: Option<Instant>,
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
        let (status, _) = watch::channel(Status::default());
        Relay { config: self, deps, topics, waiting: Waiting::default(), status, answered: None }
    }
}

impl Relay {
    /// Follows how the relay is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Works until it is told to stop; the call that is on its way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let pause = match self.pass(&stop).await {
                Ok(()) => {
                    failures = 0;
                    self.config.poll()
                }
                Err(interrupted) => {
                    failures += 1;
                    report(&interrupted, failures);
                    self.config.pause(failures, (self.deps.jitter)())
                }
            };
            let connected = failures == 0 && self.sidecar_answers(&stop).await;
            let parked = self.waiting.parked(Instant::now());
            self.status.send_modify(|status| {
                *status = Status { connected, parked, passes: status.passes + 1 };
            });
            // As long a rest as the pass took: a long outbox must not keep the database busy with looking at it.
            let rested = begun + SHORTEST_ROUND.max(2 * begun.elapsed());
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
                // After a failure the pause is kept: commits must not turn it into a busy loop.
                () = self.deps.committed.notified(), if failures == 0 => tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep_until(rested) => {}
                },
            }
        }
    }

    /// Whether the sidecar has answered lately; asks it when nothing else did.
    async fn sidecar_answers(&mut self, stop: &CancellationToken) -> bool {
        if self.answered.is_none_or(|last| last.elapsed() >= PROBE_EVERY) {
            // All topics are of one pub/sub component.
            let Some(topic) = self.deps.topics.first() else { return true };
            let healthy = tokio::select! {
                () = stop.cancelled() => return false,
                healthy = self.deps.client.healthy(&topic.pubsub) => healthy,
            };
            self.answered = healthy.then(Instant::now);
        }
        self.answered.is_some()
    }

    /// Goes once through the outbox.
    async fn pass(&mut self, stop: &CancellationToken) -> Result<(), Interrupted> {
        let names: Vec<String> = self.topics.keys().cloned().collect();
        let mut seen = HashSet::new();
        let mut after = 0;
        while !stop.is_cancelled() && !names.is_empty() {
            let mut heads = self.deps.store.outbox_heads(&names, after, self.config.batch).await?;
            let last = heads.last().map(|head| head.position);
            let full = heads.len() as u64 == self.config.batch;
            // What follows an event that left moves up at once, and the pass goes on behind the page.
            while !heads.is_empty() && !stop.is_cancelled() {
                seen.extend(heads.iter().map(|head| head.id));
                let left = self.advance(heads).await?;
                heads = if left.is_empty() { left } else { self.deps.store.outbox_next(&left).await? };
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

    /// Removes what has arrived and publishes what is due; answers what has left the outbox.
    async fn advance(&mut self, heads: Vec<PendingEvent>) -> Result<Vec<PendingEvent>, Interrupted> {
        let now = Instant::now();
        let (mut arrived, mut due) = (Vec::new(), BTreeMap::<String, Vec<PendingEvent>>::new());
        for head in heads {
            if self.has_arrived(&head) {
                arrived.push(head);
            } else if self.waiting.is_due(head.id, now) {
                due.entry(head.topic.clone()).or_default().push(head);
            }
        }
        self.remove(&arrived).await?;
        for (name, events) in due {
            let Some(topic) = self.topics.get(&name).cloned() else { continue };
            arrived.extend(self.send(&topic, events).await?);
        }
        Ok(arrived)
    }

    /// Whether every handler is done with the event. After a restart this is true of events that this process never
    /// published.
    fn has_arrived(&self, event: &PendingEvent) -> bool {
        let handlers = self.topics.get(&event.topic).map_or(&[][..], |topic| &topic.handlers);
        let done = |handler: &&str| event.receipts.iter().any(|receipt| receipt == handler);
        self.config.confirm == Confirm::Receipts && handlers.iter().all(done)
    }

    /// Publishes events; answers those that may leave the outbox with that, and have.
    async fn send(
        &mut self,
        topic: &Topic,
        events: Vec<PendingEvent>,
    ) -> Result<Vec<PendingEvent>, Interrupted> {
        let Outcome { taken, unknown, failed, away } = publish(&self.deps.client, topic, events).await;
        if away.is_none() {
            self.answered = Some(Instant::now());
        }
        if !taken.is_empty() {
            // The broker has the events, and nothing says so yet.
            fail::fail_point!("after-publish", |_| std::process::abort());
        }
        let now = Instant::now();
        for (event, error) in &failed {
            let attempts = self.waiting.attempts(event.id) + 1;
            let pause = self.config.pause(attempts, (self.deps.jitter)());
            self.waiting.wait(event.id, now, pause);
            // At ever longer distances: an outage must not fill the log.
            if attempts.is_power_of_two() {
                let id = event.id;
                tracing::warn!(event.id = %id, attempts, error, "event {id} was not taken; its key waits");
            }
        }
        let left = match self.config.confirm {
            Confirm::Receipts => {
                for event in taken.iter().chain(&unknown) {
                    self.await_receipts(event.id, now);
                }
                Vec::new()
            }
            Confirm::Broker => {
                for event in &unknown {
                    let attempts = self.waiting.attempts(event.id) + 1;
                    self.waiting.wait(event.id, now, self.config.pause(attempts, (self.deps.jitter)()));
                }
                self.remove(&taken).await?;
                taken
            }
        };
        match away {
            Some(error) => Err(Interrupted::Sidecar(error)),
            None => Ok(left),
        }
    }

    /// Publishes the event again only when its receipts did not come in time. That covers a call that did not end: the
    /// sidecar may still be about to deliver.
    fn await_receipts(&mut self, event: EventId, now: Instant) {
        let attempts = self.waiting.attempts(event);
        if attempts.is_power_of_two() {
            tracing::info!(event.id = %event, attempts, "event {event} was published again: no receipt came");
        }
        self.waiting.wait(event, now, self.config.receipt_timeout(attempts));
    }

    async fn remove(&mut self, events: &[PendingEvent]) -> Result<(), Interrupted> {
        if events.is_empty() {
            return Ok(());
        }
        fail::fail_point!("before-delete", |_| std::process::abort());
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.deps.store.outbox_remove(&ids).await?;
        for id in ids {
            self.waiting.ended(id);
        }
        Ok(())
    }
}

/// Logs a failure once, not at every attempt.
fn report(interrupted: &Interrupted, failures: u32) {
    if failures == 1 {
        let error = interrupted as &dyn std::error::Error;
        tracing::warn!(error, "the relay pauses; events wait in the outbox");
    }
}
