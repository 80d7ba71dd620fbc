//! One call: how its events leave the outbox, and what is made of its answer.

use std::sync::Arc;

use docket_domain::EventId;
use docket_sidecar::Client;
use docket_store::Store;
use docket_store::outbox::PendingEvent;
use docket_store::page;
use docket_store::relay::Part;
use tokio::time::Instant;

use super::{Interrupted, Relay};
use crate::line::{Behind, Line, lines};
use crate::membership::Failed;
use crate::metrics::Metrics;
use crate::publish::{Outcome, Permit, Way};
use crate::{Confirm, Topic};

/// What a call needs, so that it can go on whatever the relay does meanwhile.
pub(super) struct Call {
    client: Client,
    store: Store,
    /// What the relay had of the outbox when the call began. The database refuses to remove anything else.
    part: Part,
    topic: Topic,
    confirm: Confirm,
    permit: Permit,
    metrics: Arc<Metrics>,
}

/// What has come of a call.
pub(super) struct Ended {
    outcome: Outcome,
    followers: Result<Followers, Failed>,
}

/// What moved up behind the events that have left the outbox.
#[derive(Default)]
pub(super) struct Followers {
    pub(super) lines: Vec<Line>,
    /// Whether not all of it could be read at once.
    pub(super) cut: bool,
}

/// How many events of a key are read at once behind one that has left: to find them costs as much as to read some. Those that
/// wait are in memory: of each key that is on its way up to so many, of each call no more than a page.
const AHEAD: u32 = 4;

impl Call {
    /// Publishes the heads; those that need no receipts leave the outbox with that.
    pub(super) async fn run(self, lines: Vec<Line>) -> Ended {
        let (heads, behind) = Behind::of(lines);
        let Self { client, topic, metrics, .. } = &self;
        let way = Way { client, topic, outbox: self.store.name(), metrics };
        let outcome = way.publish(heads, &self.permit).await;
        if outcome.taken.is_empty() {
            return Ended { outcome, followers: Ok(Followers::default()) };
        }
        // The broker has the events, and nothing says so yet.
        fail::fail_point!("after-publish", |_| std::process::abort());
        let followers = match self.confirm {
            Confirm::Receipts => Ok(Followers::default()),
            Confirm::Broker => self.remove(&outcome.taken, behind).await,
        };
        Ended { outcome, followers }
    }

    async fn remove(&self, events: &[PendingEvent], mut behind: Behind) -> Result<Followers, Failed> {
        fail::fail_point!("before-delete", |_| std::process::abort());
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        if !self.store.outbox_remove(&self.part, &ids).await? {
            return Err(Failed::Fenced);
        }
        self.metrics.left(events);
        let (mut followers, mut last) = (Followers::default(), Vec::new());
        for event in events {
            match behind.next(event.id) {
                Some(line) => followers.lines.push(line),
                None => last.push(event),
            }
        }
        let next = self.store.outbox_next(&last, AHEAD).await?;
        followers.cut = page::is_full(&next);
        followers.lines.extend(lines(next));
        Ok(followers)
    }
}

impl Relay {
    /// A call that may begin now.
    pub(super) fn call(&self, topic: Topic, permit: Permit) -> Result<Call, Failed> {
        Ok(Call {
            client: self.client.clone(),
            store: self.store.clone(),
            part: self.membership.part()?.clone(),
            topic,
            confirm: self.config.confirm,
            permit,
            metrics: self.metrics.clone(),
        })
    }

    /// Notes what became of the events of a call; answers what moved up behind them, and whether all of them were sent.
    pub(super) fn settle(&mut self, ended: Ended) -> Result<(Followers, bool), Interrupted> {
        let Ended { outcome: Outcome { taken, unknown, failed, away, late }, followers } = ended;
        if away.is_none() && !(taken.is_empty() && failed.is_empty()) {
            self.answered = Some(Instant::now());
        }
        let now = Instant::now();
        for (event, error) in &failed {
            let attempts = self.park(event, now);
            // At ever longer distances: an outage must not fill the log.
            if attempts.is_power_of_two() {
                let id = event.id;
                tracing::warn!(event.id = %id, attempts, error, "event {id} was not taken; its key waits");
            }
        }
        match self.config.confirm {
            Confirm::Receipts => {
                for event in taken.iter().chain(&unknown) {
                    self.await_receipts(event, now);
                }
            }
            Confirm::Broker => {
                for event in &unknown {
                    self.park(event, now);
                }
            }
        }
        if matches!(followers, Err(Failed::Fenced)) {
            self.membership.lose();
        }
        let followers = followers?;
        if self.config.confirm == Confirm::Broker {
            taken.iter().for_each(|event| self.waiting.ended(event.id));
        }
        away.map_or(Ok((followers, !late)), |error| Err(Interrupted::Sidecar(error)))
    }

    /// Keeps the event's key back for a while; answers how often it was tried.
    fn park(&mut self, event: &PendingEvent, now: Instant) -> u32 {
        let attempts = self.waiting.attempts(event.id).saturating_add(1);
        let pause = self.config.pause(attempts, (self.jitter)());
        self.waiting.wait(event.id, event.shard, now, pause);
        attempts
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

    /// Removes events whose receipts are there.
    pub(super) async fn remove(&mut self, events: &[PendingEvent]) -> Result<(), Interrupted> {
        if events.is_empty() {
            return Ok(());
        }
        fail::fail_point!("before-delete", |_| std::process::abort());
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.membership.remove(&ids).await?;
        self.metrics.left(events);
        for id in ids {
            self.waiting.ended(id);
        }
        Ok(())
    }
}
