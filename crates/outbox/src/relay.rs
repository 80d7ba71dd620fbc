//! Takes events out of the outbox, in order for each key, until the broker or their handlers have them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use docket_domain::EventId;
use docket_domain::source::Ids;
use docket_sidecar::Client;
use docket_store::Store;
use docket_store::outbox::PendingEvent;
use docket_store::relay::Poll;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::membership::{Failed, Membership};
use crate::pending::Waiting;
use crate::publish::{Outcome, publish};
use crate::receipts::Receipts;
use crate::{Config, Confirm, Topic};

/// The shortest time from the start of one pass to the next: what happens meanwhile is taken together.
const SHORTEST_ROUND: Duration = Duration::from_millis(5);

/// How long the last answer of the sidecar counts as a sign that it is there.
const PROBE_EVERY: Duration = Duration::from_secs(5);

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
    /// When the sidecar last answered.
    answered: Option<Instant>,
    /// Since when it does not.
    silent: Option<Instant>,
}

/// What a round has led to.
enum Round {
    /// The outbox was gone through.
    Done,
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
        let Deps { store, client, pubsub, topics, ids, jitter } = deps;
        // With receipts, an event that nobody here handles would never end, and a broker that forgets would lose it.
        let served = |topic: &Topic| self.confirm == Confirm::Broker || !topic.handlers.is_empty();
        let topics: BTreeMap<_, _> =
            topics.into_iter().filter(served).map(|topic| (topic.name.clone(), topic)).collect();
        let (status, _) = watch::channel(Status::default());
        Relay {
            name: ids.uuid(),
            receipts: Receipts::of(topics.values()),
            membership: Membership::new(store.clone(), ids, self.lease(), client.deadline()),
            config: self,
            client,
            pubsub,
            store,
            jitter,
            topics,
            waiting: Waiting::default(),
            status,
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

    /// Works until it is told to stop; the call that is on its way is finished first.
    pub async fn run(mut self, stop: CancellationToken) {
        let listening = (!self.topics.is_empty()).then(|| listen(self.store.clone(), self.name));
        let _listening = listening.map(|listening| AbortOnDropHandle::new(tokio::spawn(listening)));
        self.work(stop).await;
        // The others need not wait for the lease to end.
        self.membership.leave().await;
    }

    async fn work(&mut self, stop: CancellationToken) {
        let mut failures = 0;
        while !stop.is_cancelled() {
            let begun = Instant::now();
            let round = self.round(&stop).await;
            let pause = match &round {
                Ok(Round::Done | Round::Out) => self.config.poll(),
                Ok(Round::Again) => SHORTEST_ROUND,
                Err(_) => self.config.pause(failures + 1, (self.jitter)()),
            };
            failures = if round.is_ok() { 0 } else { failures + 1 };
            let connected = match &round {
                Ok(Round::Out) => false,
                Ok(Round::Done | Round::Again) => self.sidecar_answers(&stop).await,
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
            let parked = self.waiting.parked(Instant::now());
            self.status.send_modify(|status| {
                *status = Status { connected, parked, passes: status.passes + 1 };
            });
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
            self.membership.leave().await;
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
            self.store.outbox_announce(self.name).await?;
        }
        let outcome = self.pass(stop).await;
        if !self.membership.is_member() {
            // What it remembered is of shards that others may have by now.
            self.waiting = Waiting::default();
        }
        outcome
    }

    /// Goes once through what the relay has of the outbox.
    async fn pass(&mut self, stop: &CancellationToken) -> Result<Round, Interrupted> {
        let names: Vec<String> = self.topics.keys().cloned().collect();
        let mut seen = HashSet::new();
        let (mut after, mut late) = (0, false);
        while !stop.is_cancelled() {
            let Poll { mut heads, census } = self.membership.poll(&names, after, self.config.batch).await?;
            let last = heads.last().map(|head| head.position);
            let full = heads.len() as u64 == self.config.batch;
            // What follows an event that left moves up at once, and the pass goes on behind the page.
            while !heads.is_empty() && !stop.is_cancelled() {
                if !self.membership.is_fresh() {
                    late = true;
                    break;
                }
                seen.extend(heads.iter().map(|head| head.id));
                let Left { events, all_sent } = self.advance(heads).await?;
                late |= !all_sent;
                heads = self.store.outbox_next(&events).await?;
            }
            match last {
                Some(last) if full => after = last,
                _ => {
                    if !late {
                        self.waiting.keep(|event| seen.contains(&event));
                    }
                    let busy = self.waiting.busy(Instant::now());
                    let more = self.membership.balance(census, &busy).await?;
                    return Ok(if late || more { Round::Again } else { Round::Done });
                }
            }
        }
        Ok(Round::Done)
    }

    /// Removes what has arrived and publishes what is due; answers what has left the outbox.
    async fn advance(&mut self, heads: Vec<PendingEvent>) -> Result<Left, Interrupted> {
        let there = match self.config.confirm {
            Confirm::Receipts => self.receipts.arrived(&self.topics, &heads).await?,
            Confirm::Broker => HashSet::new(),
        };
        let now = Instant::now();
        let (mut arrived, mut due) = (Vec::new(), BTreeMap::<String, Vec<PendingEvent>>::new());
        for head in heads {
            if there.contains(&head.id) {
                arrived.push(head);
            } else if self.waiting.is_due(head.id, now) && self.membership.keeps(head.shard) {
                due.entry(head.topic.clone()).or_default().push(head);
            }
        }
        self.remove(&arrived).await?;
        let mut left = Left { events: arrived, all_sent: true };
        for (name, events) in due {
            let Some(topic) = self.topics.get(&name).cloned() else { continue };
            let sent = self.send(&topic, events).await?;
            left.events.extend(sent.events);
            left.all_sent &= sent.all_sent;
        }
        Ok(left)
    }

    /// Publishes events; answers those that may leave the outbox with that, and have.
    async fn send(&mut self, topic: &Topic, events: Vec<PendingEvent>) -> Result<Left, Interrupted> {
        let may_call = || self.membership.may_call();
        let Outcome { taken, unknown, failed, away, late } =
            publish(&self.client, topic, events, may_call).await;
        if away.is_none() && !(taken.is_empty() && failed.is_empty()) {
            self.answered = Some(Instant::now());
        }
        if !taken.is_empty() {
            // The broker has the events, and nothing says so yet.
            fail::fail_point!("after-publish", |_| std::process::abort());
        }
        let now = Instant::now();
        for (event, error) in &failed {
            let attempts = self.waiting.attempts(event.id) + 1;
            let pause = self.config.pause(attempts, (self.jitter)());
            self.waiting.wait(event.id, event.shard, now, pause);
            // At ever longer distances: an outage must not fill the log.
            if attempts.is_power_of_two() {
                let id = event.id;
                tracing::warn!(event.id = %id, attempts, error, "event {id} was not taken; its key waits");
            }
        }
        let left = match self.config.confirm {
            Confirm::Receipts => {
                for event in taken.iter().chain(&unknown) {
                    self.await_receipts(event, now);
                }
                Vec::new()
            }
            Confirm::Broker => {
                for event in &unknown {
                    let attempts = self.waiting.attempts(event.id) + 1;
                    let pause = self.config.pause(attempts, (self.jitter)());
                    self.waiting.wait(event.id, event.shard, now, pause);
                }
                self.remove(&taken).await?;
                taken
            }
        };
        match away {
            Some(error) => Err(Interrupted::Sidecar(error)),
            None => Ok(Left { events: left, all_sent: !late }),
        }
    }

    /// Publishes the event again only when its receipts did not come in time. That covers a call that did not end: the
    /// sidecar may still be about to deliver.
    fn await_receipts(&mut self, event: &PendingEvent, now: Instant) {
        let (id, attempts) = (event.id, self.waiting.attempts(event.id));
        if attempts.is_power_of_two() {
            tracing::info!(event.id = %id, attempts, "event {id} was published again: no receipt came");
        }
        self.waiting.wait(id, event.shard, now, self.config.receipt_timeout(attempts));
    }

    async fn remove(&mut self, events: &[PendingEvent]) -> Result<(), Interrupted> {
        if events.is_empty() {
            return Ok(());
        }
        fail::fail_point!("before-delete", |_| std::process::abort());
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.membership.remove(&ids).await?;
        for id in ids {
            self.waiting.ended(id);
        }
        Ok(())
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

/// What has left the outbox.
struct Left {
    events: Vec<PendingEvent>,
    /// Whether there was the time to publish all that was due.
    all_sent: bool,
}

/// Logs a failure once, not at every attempt.
fn report(interrupted: &Interrupted, failures: u32) {
    if failures == 1 {
        let error = interrupted as &dyn std::error::Error;
        tracing::warn!(error, "the relay pauses; events wait in the outbox");
    }
}
