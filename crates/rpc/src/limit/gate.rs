//! The places for calls in progress, and a short queue before them.
//!
//! A server with more calls than it can answer in time answers none in time, unless it turns some away. Whoever would
//! wait too long is told so at once, which costs little; those who are let in are answered as fast as ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::deadline::Deadline;

/// The places, taken in the order of arrival.
pub(crate) struct Gate {
    places: usize,
    free: Arc<Semaphore>,
    max_wait: Duration,
    waiting: AtomicUsize,
    /// How long calls hold their places, in microseconds: a moving mean. Two that end at once may lose one of the two
    /// measurements, which a mean bears.
    held: AtomicU64,
}

impl Gate {
    pub(crate) fn new(places: usize, max_wait: Duration) -> Self {
        let places = places.min(Semaphore::MAX_PERMITS);
        Self {
            places,
            free: Arc::new(Semaphore::new(places)),
            max_wait,
            waiting: AtomicUsize::new(0),
            held: AtomicU64::new(0),
        }
    }

    /// How many calls may be in progress.
    pub(crate) fn places(&self) -> usize {
        self.places
    }

    /// A place, at once or after a short wait; none when the wait would be too long.
    pub(crate) async fn enter(self: &Arc<Self>, deadline: Deadline) -> Option<Place> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(self.place(permit));
        }
        let patience = self.max_wait.min(deadline.left());
        let before = Waiting::join(&self.waiting);
        if before.others >= self.places || self.expected_wait(before.others) >= patience {
            return None;
        }
        let permit = tokio::time::timeout(patience, self.free.clone().acquire_owned()).await.ok()?.ok()?;
        Some(self.place(permit))
    }

    /// As many calls must end as wait before this one, and one more; the places empty side by side.
    fn expected_wait(&self, others: usize) -> Duration {
        let turns = (others as f64 + 1.0) / self.places as f64;
        Duration::from_micros(self.held.load(Ordering::Relaxed)).mul_f64(turns)
    }

    fn place(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Place {
        Place { gate: self.clone(), since: Instant::now(), _permit: permit }
    }
}

/// Counts as waiting until it is dropped, whatever ends the wait.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    /// How many waited already.
    others: usize,
}

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize) -> Self {
        Self { count, others: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place among the calls in progress; free again when dropped.
pub(crate) struct Place {
    gate: Arc<Gate>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mean = self.gate.held.load(Ordering::Relaxed);
        let mean = if mean == 0 { now } else { mean - mean / 16 + now / 16 };
        self.gate.held.store(mean, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn deadline() -> Deadline {
        Deadline::of(&HeaderMap::new(), Duration::from_secs(30))
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_does_not_wait_at_all() {
        let gate = Arc::new(Gate::new(1, Duration::from_millis(100)));
        // Calls take a second, as far as is known.
        let place = gate.enter(deadline()).await.expect("a free place");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(place);
        let _place = gate.enter(deadline()).await.expect("a free place");
        let begun = Instant::now();
        assert!(gate.enter(deadline()).await.is_none());
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0, "nobody is left in the queue");
    }
}
