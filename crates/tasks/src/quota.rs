//! How many tasks a user may have, without counting them at every create.
//!
//! Tasks are counted once; then half of the room that is left is given out from memory, for a short time, before they
//! are counted again. So a user far from the limit costs nothing, and one near it is counted exactly: one count at a time,
//! with the creates that are under way. Replicas do not know of each other's creates: a user who writes
//! through all of them may get somewhat beyond the limit, by no more than they can create in [`GOOD_FOR`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use docket_domain::{Instant, TimeDelta, UserId};
use docket_store::Store;
use tokio::sync::Notify;

use crate::Error;

/// How long a count is believed.
const GOOD_FOR: TimeDelta = TimeDelta::seconds(10);

/// How long a user at the limit is refused without counting again, so that refusals stay cheap. What they delete
/// through this replica counts at once.
const FULL_FOR: TimeDelta = TimeDelta::seconds(1);

/// With more users than this all are forgotten, and counted again when they come back.
const MAX_USERS: usize = 16_384;

/// The most tasks that a user may have, and what is known of those who create some.
pub(crate) struct Quota {
    /// None when there is no limit.
    most: Option<u64>,
    known: Mutex<HashMap<UserId, Arc<Known>>>,
}

/// What is known of a user.
#[derive(Default)]
struct Known {
    /// Held while the tasks are counted.
    count: tokio::sync::Mutex<Option<Count>>,
    /// The creates that were admitted, and have not ended.
    under_way: AtomicU64,
    /// Told when one of them has.
    ended: Notify,
}

/// What was counted.
#[derive(Clone, Copy)]
struct Count {
    /// How many tasks may be created without counting again.
    room: u64,
    /// When it is believed no longer.
    until: Instant,
}

/// A create that was admitted, until it has ended.
pub(crate) struct Admitted(Option<Arc<Known>>);

impl Admitted {
    fn one_of(known: Arc<Known>) -> Self {
        known.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Some(known))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(known) = &self.0 {
            known.under_way.fetch_sub(1, Ordering::Release);
            known.ended.notify_waiters();
        }
    }
}

/// How many tasks may be created beside those that are there and those that are under way.
///
/// Nobody else is admitted meanwhile. One that ends while tasks are counted is seen twice, so before anybody is refused for
/// those that are under way, they are waited for.
async fn left(store: &Store, owner: &UserId, most: u64, known: &Known) -> Result<u64, Error> {
    loop {
        let ended = known.ended.notified();
        let under_way = known.under_way.load(Ordering::Acquire);
        let free = most.saturating_sub(store.task_count_up_to(owner, most).await?);
        let left = free.saturating_sub(under_way);
        if left > 0 || free == 0 || under_way == 0 {
            return Ok(left);
        }
        ended.await;
    }
}

impl Quota {
    /// 0 stands for no limit.
    pub(crate) fn new(most: u32) -> Self {
        Self { most: (most > 0).then_some(u64::from(most)), known: Mutex::default() }
    }

    /// Whether the user may have one more task. What it answers is kept until the task is created.
    pub(crate) async fn admits(
        &self,
        store: &Store,
        owner: &UserId,
        now: Instant,
    ) -> Result<Option<Admitted>, Error> {
        let Some(most) = self.most else { return Ok(Some(Admitted(None))) };
        let known = self.known(owner);
        let mut count = known.count.lock().await;
        if let Some(Count { room, until }) = &mut *count
            && now < *until
        {
            let Some(rest) = room.checked_sub(1) else { return Ok(None) };
            *room = rest;
            if rest == 0 {
                *count = None;
            }
            return Ok(Some(Admitted::one_of(known.clone())));
        }
        let left = left(store, owner, most, &known).await?;
        *count = match (left / 2).checked_sub(1) {
            _ if left == 0 => Some(Count { room: 0, until: now + FULL_FOR }),
            // The one for this create is among the half. With no more left of it, the next create counts.
            None | Some(0) => None,
            Some(room) => Some(Count { room, until: now + GOOD_FOR }),
        };
        Ok((left > 0).then(|| Admitted::one_of(known.clone())))
    }

    /// What a user is told who may not.
    pub(crate) fn refusal(&self, owner: &UserId) -> Error {
        Error::QuotaExceeded { user: owner.clone(), most: self.most.unwrap_or(u64::MAX) }
    }

    /// The user has fewer tasks than before.
    pub(crate) async fn recount(&self, owner: &UserId) {
        if self.most.is_some() {
            *self.known(owner).count.lock().await = None;
        }
    }

    fn known(&self, owner: &UserId) -> Arc<Known> {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(owner) {
            return known.clone();
        }
        if all.len() >= MAX_USERS {
            all.clear();
        }
        all.entry(owner.clone()).or_default().clone()
    }
}
