//! The relay's place among the relays of its outbox: what it has, how long for, and what it owes to the others.
//!
//! Two things keep a relay that was stopped and goes on from doing harm. Here, a call begins only when the rest of the
//! lease is longer than the call may take; the lease is counted on the monotonic clock from before it was asked for, so
//! that it ends here before it ends for the others, and the time of a stopped process counts. In the database, events are
//! removed only from shards that the relay still has.
//!
//! What is left is a call that the sidecar has taken and acts on late. It can only repeat what its successor has published
//! before: an event stays in the outbox until it is confirmed, and what comes after it in its key stays behind it. So the
//! late one is either the first of two publications of the head, or it is of an event that is already confirmed, and the
//! inbox of each handler passes over both.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use docket_domain::EventId;
use docket_domain::source::Ids;
use docket_store::relay::{Census, Part, Poll};
use docket_store::{Error, Store};
use tokio::time::Instant;

use crate::metrics::{Change, Metrics};

/// Why a relay can not work with what it had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The database did not answer as it should.
    #[error("the outbox can not be read")]
    Store(#[from] Error),
    /// Others have it, or may have it at any moment.
    #[error("the lease has ended")]
    Fenced,
}

/// The relay's place among the relays of its outbox.
pub(crate) struct Membership {
    store: Store,
    ids: Arc<dyn Ids>,
    lease: Duration,
    /// How long a call to the sidecar may take.
    call: Duration,
    held: Option<Held>,
    metrics: Arc<Metrics>,
}

struct Held {
    part: Part,
    /// When the lease ends.
    until: Instant,
    /// Whether there are other relays.
    has_others: bool,
    /// The shards that are to be given back, as soon as nothing of them is on its way.
    leaving: BTreeSet<i16>,
}

impl Membership {
    pub(crate) fn new(
        store: Store,
        ids: Arc<dyn Ids>,
        lease: Duration,
        call: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self { store, ids, lease, call, held: None, metrics }
    }

    pub(crate) fn is_member(&self) -> bool {
        self.held.is_some()
    }

    /// Whether it has what it has only for a time.
    pub(crate) fn is_leased(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.part.is_leased())
    }

    /// How many shards it has; none where it has all of the outbox, for good.
    pub(crate) fn shards(&self) -> Option<usize> {
        match &self.held {
            Some(held) if !held.part.is_leased() => None,
            Some(held) => Some(held.part.shards().count()),
            None => Some(0),
        }
    }

    pub(crate) fn has_others(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.has_others)
    }

    /// The longest pause between two polls that keeps the lease, even when one of them fails.
    pub(crate) fn longest_pause(&self) -> Duration {
        if self.is_leased() { self.lease / 3 } else { Duration::MAX }
    }

    /// Becomes one of the relays; without any shard, where they are shared.
    pub(crate) async fn join(&mut self) -> Result<(), Failed> {
        let asked = Instant::now();
        let part = self.store.relay_join(self.ids.uuid(), self.lease).await?;
        self.held =
            Some(Held { part, until: asked + self.lease, has_others: false, leaving: BTreeSet::new() });
        Ok(())
    }

    /// Renews the lease, and reads the heads of what the relay has.
    pub(crate) async fn poll(&mut self, topics: &[String], after: i64, limit: u64) -> Result<Poll, Failed> {
        let held = self.held.as_mut().ok_or(Failed::Fenced)?;
        let asked = Instant::now();
        let Some(poll) = self.store.relay_poll(&held.part, self.lease, topics, after, limit).await? else {
            self.lose();
            return Err(Failed::Fenced);
        };
        held.until = asked + self.lease;
        held.has_others = poll.census.live > 1;
        Ok(poll)
    }

    /// Until when a call to the sidecar may begin, so that it is over before the lease is; none when that does not end.
    pub(crate) fn calls_until(&self) -> Option<Instant> {
        let now = Instant::now();
        match &self.held {
            Some(held) if !held.part.is_leased() => None,
            Some(held) => Some(held.until.checked_sub(self.call).unwrap_or(now)),
            None => Some(now),
        }
    }

    /// Whether there is no need to renew the lease before the next events are taken.
    pub(crate) fn is_fresh(&self) -> bool {
        let margin = self.call.max(self.lease / 2);
        self.held.as_ref().is_some_and(|held| held.outlasts(margin, Instant::now()))
    }

    /// Whether events of the shard may be published. Those of one that is to be given back are left to the next relay.
    pub(crate) fn keeps(&self, shard: i16) -> bool {
        self.held.as_ref().is_some_and(|held| !held.leaving.contains(&shard))
    }

    /// Takes what it lacks of its share, and gives back what it has too much, but for the busy shards; true when it has
    /// got some that it has not looked at yet.
    pub(crate) async fn balance(&mut self, census: Census, busy: &HashSet<i16>) -> Result<bool, Failed> {
        let Some(held) = self.held.as_mut().filter(|held| held.part.is_leased()) else { return Ok(false) };
        let shards: Vec<i16> = held.part.shards().map(|(shard, _)| shard).collect();
        let share = census.share();
        let Surplus { given, leaving } = Surplus::of(&shards, share, busy);
        held.leaving = leaving;
        let lacking = share.saturating_sub(shards.len());
        let outcome = if !given.is_empty() {
            let released = self.store.relay_release(&mut held.part, &given).await;
            released.map(|()| self.metrics.lease(Change::GivenBack, given.len())).map(|()| 0)
        } else if census.expired > 0 || (lacking > 0 && census.free > 0) {
            self.store.relay_claim(&mut held.part, lacking).await
        } else {
            Ok(0)
        };
        match outcome {
            Ok(got) => {
                self.metrics.lease(Change::Gained, got);
                Ok(got > 0)
            }
            Err(error) => {
                // Nobody knows what the relay has now, so it begins again; what it had is free when its lease has ended.
                self.lose();
                Err(error.into())
            }
        }
    }

    /// Whether it has its share, and nothing to give back: with nothing in the outbox there is nothing to wait for then.
    pub(crate) fn is_settled(&self, census: Census) -> bool {
        self.held.as_ref().is_some_and(|held| {
            let share = held.part.shards().count() == census.share() && census.expired == 0;
            held.leaving.is_empty() && (share || !held.part.is_leased())
        })
    }

    /// What it has of the outbox.
    pub(crate) fn part(&self) -> Result<&Part, Failed> {
        Ok(&self.held.as_ref().ok_or(Failed::Fenced)?.part)
    }

    /// Others have what it had, or may have it at any moment.
    pub(crate) fn lose(&mut self) {
        if let Some(held) = self.held.take() {
            self.metrics.lease(Change::Lost, held.part.shards().count());
        }
    }

    /// Removes events that have arrived.
    pub(crate) async fn remove(&mut self, events: &[EventId]) -> Result<(), Failed> {
        let held = self.held.as_ref().ok_or(Failed::Fenced)?;
        if self.store.outbox_remove(&held.part, events).await? {
            return Ok(());
        }
        self.lose();
        Err(Failed::Fenced)
    }

    /// Gives everything back.
    pub(crate) async fn leave(&mut self) {
        let Some(held) = self.held.take() else { return };
        let shards = held.part.shards().count();
        match self.store.relay_leave(held.part).await {
            Ok(()) => self.metrics.lease(Change::GivenBack, shards),
            Err(error) => {
                self.metrics.lease(Change::Lost, shards);
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the relay's shards are free only when its lease has ended");
            }
        }
    }
}

impl Held {
    fn outlasts(&self, time: Duration, now: Instant) -> bool {
        !self.part.is_leased() || self.until.saturating_duration_since(now) > time
    }
}

/// What a relay has too much.
#[derive(Debug, Eq, PartialEq)]
struct Surplus {
    /// To be given back now.
    given: Vec<i16>,
    /// To be given back later: something of them may be on its way.
    leaving: BTreeSet<i16>,
}

impl Surplus {
    fn of(shards: &[i16], share: usize, busy: &HashSet<i16>) -> Self {
        let surplus = shards.len().saturating_sub(share);
        let (busy, idle): (Vec<i16>, Vec<i16>) = shards.iter().partition(|shard| busy.contains(shard));
        let given: Vec<i16> = idle.into_iter().take(surplus).collect();
        let leaving = busy.into_iter().take(surplus - given.len()).collect();
        Self { given, leaving }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_given_back_the_idle_first() {
        let check = |shards: &[i16], share, busy: &[i16], given: &[i16], leaving: &[i16]| {
            let expect = Surplus { given: given.to_vec(), leaving: leaving.iter().copied().collect() };
            assert_eq!(Surplus::of(shards, share, &busy.iter().copied().collect()), expect);
        };
        check(&[1, 2, 3], 3, &[], &[], &[]);
        check(&[1, 2], 3, &[1], &[], &[]);
        check(&[1, 2, 3, 4], 2, &[], &[1, 2], &[]);
        check(&[1, 2, 3, 4], 2, &[1, 2], &[3, 4], &[]);
        check(&[1, 2, 3, 4], 1, &[1, 2, 3], &[4], &[1, 2]);
        check(&[1, 2], 0, &[1, 2], &[], &[1, 2]);
    }
}
