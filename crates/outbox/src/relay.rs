//! Takes events out of the outbox, in order for each key, until the broker or their handlers have them.

mod look;
mod pass;
mod sending;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::EventId;
use docket_domain::source::{Clock, Ids};
use docket_sidecar::Client;
use docket_store::Store;
use docket_telemetry::instruments::Meter;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::membership::{Failed, Membership};
use crate::metrics::Metrics;
use crate::pending::Waiting;
use crate::receipts::Receipts;
use crate::{Config, Confirm, Topic};
use look::Looks;

/// The shortest time from the start of one pass to the next: what happens meanwhile is taken together.
const SHORTEST_ROUND: Duration = Duration::from_millis(5);

/// How long the last answer of the sidecar counts as a sign that it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);

/// How many parked events are told of one by one.
const MOST_PARKED: usize = 100;

/// How long to wait before trying again to hear others.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// What the relay needs.
pub struct Deps {
    /// The store whose outbox it carries.
    pub store: Store,
    /// The sidecar.
    pub client: Client,
    /// The pub/sub component whose presence tells whether the sidecar is well.
    pub pubsub: String,
    /// The topics of the events.
    pub topics: Vec<Topic>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// Tells how old events are.
    pub clock: Arc<dyn Clock>,
    /// Makes the instruments of the relay's figures.
    pub meter: Meter,
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
    /// How many shards of the outbox the relay has; none where it has all of it, for good.
    pub shards: Option<usize>,
}

/// An event that one attempt was not enough for. Everything behind it in its key waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parked {
    /// Which one.
    pub event: EventId,
    /// How often it was published, or failed to be.
    pub attempts: u32,
    /// When that was tried first, by this process.
    pub since: Instant,
}

/// Carries events from the outbox to the broker.
pub struct Relay {
    config: Config,
    /// Tells this process from others.
    name: Uuid,
    client: Client,
    pubsub: String,
    store: Store,
    jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
    topics: BTreeMap<String, Topic>,
    receipts: Receipts,
    membership: Membership,
    waiting: Waiting,
    status: watch::Sender<Status>,
    parked: watch::Sender<Vec<Parked>>,
    metrics: Arc<Metrics>,
    looks: Looks,
    /// When the sidecar last answered.
    answered: Option<Instant>,
    /// Since when it does not.
    silent: Option<Instant>,
}

/// What a round has led to.
enum Round {
    /// The outbox was gone through.
    Done,
    /// There was nothing in it, and others are owed nothing.
    Empty,
    /// There is more to do at once.
    Again,
    /// The relay takes no part, because it could not publish anything.
    Out,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Failed(#[from] Failed),
    #[error("the sidecar does not take events")]
    Sidecar(#[source] docket_sidecar::Error),
}

impl From<docket_store::Error> for Interrupted {
    fn from(error: docket_store::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl Config {
    /// The relay.
    pub fn build(self, deps: Deps) -> Relay {
        let Deps { store, client, pubsub, topics, ids, clock, meter, jitter } = deps;
        let metrics = Arc::new(Metrics::new(&meter, store.name(), clock));
        // With receipts, an event that nobody here handles would never end, and a broker that forgets would lose it.
        let served = |topic: &Topic| self.confirm == Confirm::Broker || !topic.handlers.is_empty();
        let topics: BTreeMap<_, _> =
            topics.into_iter().filter(served).map(|topic| (topic.name.clone(), topic)).collect();
        let (status, _) = watch::channel(Status::default());
        Relay {
            name: ids.uuid(),
            receipts: Receipts::of(topics.values()),
            membership: Membership::new(store.clone(), ids, self.lease(), client.deadline(), metrics.clone()),
            config: self,
            client,
            pubsub,
            store,
            jitter,
            topics,
            waiting: Waiting::default(),
            status,
            parked: watch::Sender::default(),
            metrics,
            looks: Looks::default(),
            answered: None,
            silent: None,
        }
    }
}

impl Relay {
    /// Follows how the relay is doing.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// The store whose outbox it carries.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Follows which events keep others back: those that have waited longest, 100 at most.
    pub fn parked(&self) -> watch::Receiver<Vec<Parked>> {
        self.parked.subscribe()
    }

    /// Works until it is told to stop; the call that is on its way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let listening = (!self.topics.is_empty()).then(|| listen(self.store.clone(), self.name));
        let _listening = listening.map(|listening| AbortOnDropHandle::new(tokio::spawn(listening)));
        self.work(stop).await;
        self.leave().await;
    }

    /// Gives everything back: the others need not wait for the lease to end, nor for their next poll.
    async fn leave(&mut self) {
        let has_others = self.membership.has_others();
        self.membership.leave().await;
        if has_others && let Err(error) = self.store.outbox_announce(self.name).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "the others find out by themselves");
        }
    }

    async fn work(&mut self, stop: CancellationToken) {
        let (mut failures, mut empty) = (0, 0_u32);
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let round = self.round(&stop).await;
            empty = if matches!(round, Ok(Round::Empty)) { empty.saturating_add(1) } else { 0 };
            let pause = match &round {
                Ok(Round::Done | Round::Empty | Round::Out) => self.config.poll(empty),
                Ok(Round::Again) => SHORTEST_ROUND,
                Err(_) => self.config.pause(failures + 1, (self.jitter)()),
            };
            failures = if round.is_ok() { 0 } else { failures + 1 };
            let connected = match &round {
                Ok(Round::Out) => false,
                Ok(Round::Done | Round::Empty | Round::Again) => self.sidecar_answers(&stop).await,
                Err(interrupted) => {
                    report(interrupted, failures);
                    false
                }
            };
            if connected || matches!(round, Err(Interrupted::Failed(_))) {
                self.silent = None;
            } else {
                self.silent.get_or_insert(begun);
            }
            self.yield_to_others().await;
            self.look(matches!(round, Ok(Round::Empty)), &stop).await;
            self.tell(connected);
            // As long a rest as the pass took: a long outbox must not keep the database busy with looking at it.
            let rested = begun + SHORTEST_ROUND.max(2 * begun.elapsed());
            let woken = failures == 0 && self.membership.is_member();
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause.min(self.membership.longest_pause())) => {}
                // After a failure the pause is kept: commits must not turn it into a busy loop.
                () = self.store.outbox_change(), if woken => tokio::select! {
                    () = stop.cancelled() => {}
                    () = sleep_until(rested) => {}
                },
            }
        }
    }

    /// Says how it is doing.
    fn tell(&self, connected: bool) {
        let now = Instant::now();
        let (parked, shards) = (self.waiting.parked(now), self.membership.shards());
        self.metrics.doing(connected, parked);
        self.status.send_modify(|status| {
            *status = Status { connected, parked, passes: status.passes + 1, shards };
        });
        let longest = if parked > 0 { self.waiting.longest(now, MOST_PARKED) } else { Vec::new() };
        self.parked.send_if_modified(|known| {
            let changed = *known != longest;
            *known = longest;
            changed
        });
    }

    /// Whether the sidecar has answered lately; asks it when nothing else did.
    async fn sidecar_answers(&mut self, stop: &CancellationToken) -> bool {
        if self.answered.is_none_or(|last| last.elapsed() >= PROBE_EVERY) {
            let healthy = tokio::select! {
                () = stop.cancelled() => return false,
                healthy = self.client.healthy(&self.pubsub) => healthy,
            };
            self.answered = healthy.then(Instant::now);
        }
        self.answered.is_some()
    }

    /// Gives back what the relay has when it has not been able to publish for a whole lease. Another one may have a sidecar
    /// that is well.
    async fn yield_to_others(&mut self) {
        let long = self.silent.is_some_and(|since| since.elapsed() >= self.config.lease());
        if long && self.membership.is_leased() {
            tracing::warn!("the sidecar does not answer: others take over this relay's part of the outbox");
            self.leave().await;
            self.waiting = Waiting::default();
            self.answered = None;
        }
    }

    /// Takes part, if there is something to take part in, and goes through the outbox.
    async fn round(&mut self, stop: &CancellationToken) -> Result<Round, Interrupted> {
        if self.topics.is_empty() {
            return Ok(Round::Done);
        }
        if !self.membership.is_member() {
            if self.store.is_shared() && !self.sidecar_answers(stop).await {
                return Ok(Round::Out);
            }
            self.membership.join().await?;
        }
        if self.membership.has_others() && self.store.outbox_take_appended() {
            // Some may be in their shards. This costs no request anything, and all that were committed meanwhile little.
            if let Err(error) = self.store.outbox_announce(self.name).await {
                // Once more, when the database is back.
                self.store.outbox_appended();
                return Err(error.into());
            }
        }
        let outcome = self.pass(stop).await;
        if !self.membership.is_member() {
            // What it remembered is of shards that others may have by now.
            self.waiting = Waiting::default();
        }
        outcome
    }
}

/// Wakes the relay when others announce events; it polls all the same.
async fn listen(store: Store, name: Uuid) {
    loop {
        let told = store.clone();
        let Err(error) = store.outbox_listen(name, move || told.outbox_changed()).await;
        tracing::info!(error = &error as &dyn std::error::Error, "others are not heard; the relay polls");
        sleep(LISTEN_AGAIN).await;
    }
}

/// Logs a failure once, not at every attempt.
fn report(interrupted: &Interrupted, failures: u32) {
    if failures == 1 {
        let error = interrupted as &dyn std::error::Error;
        tracing::warn!(error, "the relay pauses; events wait in the outbox");
    }
}
