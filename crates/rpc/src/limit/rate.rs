//! How many calls a user may make in a time: a token bucket for each user who called lately.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use docket_domain::UserId;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// After so many calls, the users whose buckets are full again are forgotten: a full bucket is what a new user gets.
const CALLS_PER_SWEEP: u32 = 4096;

type Buckets = RateLimiter<UserId, HashMapStateStore<UserId>, Monotonic, NoOpMiddleware<Duration>>;

/// The buckets of all users.
pub(crate) struct Rates {
    buckets: Buckets,
    per_second: u32,
    calls: AtomicU32,
}

impl Rates {
    /// None when there is no rate. A burst is at least one call.
    pub(crate) fn new(per_second: u32, burst: u32) -> Option<Self> {
        let rate = NonZeroU32::new(per_second)?;
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(rate).allow_burst(burst);
        let buckets = RateLimiter::new(quota, HashMapStateStore::default(), Monotonic(Instant::now()));
        Some(Self { buckets, per_second, calls: AtomicU32::new(0) })
    }

    pub(crate) fn per_second(&self) -> u32 {
        self.per_second
    }

    /// Takes a token of the user's, or tells how long until there is one.
    pub(crate) fn check(&self, user: &UserId) -> Result<(), Duration> {
        if self.calls.fetch_add(1, Ordering::Relaxed) % CALLS_PER_SWEEP == CALLS_PER_SWEEP - 1 {
            self.buckets.retain_recent();
        }
        self.buckets.check_key(user).map_err(|early| early.wait_time_from(self.buckets.clock().now()))
    }
}

/// The time since the start, on the clock that deadlines live on: a bucket must not fill because a wall clock jumped.
#[derive(Clone, Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_gets_a_burst_then_the_rate_and_is_told_the_exact_time() {
        let rates = Rates::new(10, 3).unwrap();
        let alice = user("alice");
        let ms = Duration::from_millis;
        // Time since the call before, and how long to wait when it is refused.
        let table = [
            (0, None),
            (0, None),
            (0, None),
            (0, Some(100)),
            (60, Some(40)),
            (40, None),
            (0, Some(100)),
            (99, Some(1)),
            (1, None),
            (10_000, None),
            (0, None),
            (0, None),
            (0, Some(100)),
        ];
        for (row, (after, expect)) in table.into_iter().enumerate() {
            tokio::time::advance(ms(after)).await;
            assert_eq!(rates.check(&alice).err(), expect.map(ms), "row {row}");
        }
        assert_eq!(rates.check(&user("bob")), Ok(()), "another user has a bucket of their own");
        assert!(Rates::new(0, 3).is_none(), "off");
    }

    #[tokio::test(start_paused = true)]
    async fn users_who_rest_are_forgotten() {
        let rates = Rates::new(10, 10).unwrap();
        for number in 0..CALLS_PER_SWEEP - 1 {
            rates.check(&user(&format!("user-{number}"))).unwrap();
        }
        assert_eq!(rates.buckets.len(), CALLS_PER_SWEEP as usize - 1);
        tokio::time::advance(Duration::from_secs(2)).await;
        rates.check(&user("alice")).unwrap();
        assert_eq!(rates.buckets.len(), 1, "only she called lately");
    }
}
