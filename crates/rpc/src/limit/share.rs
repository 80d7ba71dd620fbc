//! How many calls of one user are in progress, so that nobody takes all places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use docket_domain::UserId;

/// The calls in progress of every user who has some.
pub(crate) struct Shares {
    most: usize,
    taken: Mutex<HashMap<UserId, usize>>,
}

impl Shares {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Mutex::default() }
    }

    /// How many calls one user may have in progress.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// One more call of the user's, unless they have as many as they may.
    pub(crate) fn take(self: &Arc<Self>, user: &UserId) -> Option<Share> {
        let mut taken = self.taken();
        match taken.get_mut(user) {
            Some(calls) if *calls >= self.most => return None,
            Some(calls) => *calls += 1,
            None => {
                taken.insert(user.clone(), 1);
            }
        }
        Some(Share { shares: self.clone(), user: user.clone() })
    }

    /// The counts are whole whoever panicked while holding them.
    fn taken(&self) -> MutexGuard<'_, HashMap<UserId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in progress; ends when dropped.
pub(crate) struct Share {
    shares: Arc<Shares>,
    user: UserId,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        match taken.get_mut(&self.user) {
            Some(calls) if *calls > 1 => *calls -= 1,
            _ => {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_the_places_of_another_and_gives_back_what_ended() {
        let shares = Arc::new(Shares::new(2));
        let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
        let first = shares.take(&alice).expect("one");
        let second = shares.take(&alice).expect("two");
        assert!(shares.take(&alice).is_none());
        assert!(shares.take(&bob).is_some());
        drop(first);
        let third = shares.take(&alice).expect("a place that was given back");
        assert!(shares.take(&alice).is_none());
        drop((second, third));
        assert!(shares.taken().is_empty(), "nothing is kept of users without calls");
    }
}
