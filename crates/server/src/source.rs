//! Where this process gets time and ids from.

use docket_domain::Instant;
use docket_domain::source::{Clock, Ids};

/// The machine's clock, to the microsecond: what a database column keeps.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the machine for the time")]
    fn now(&self) -> Instant {
        let now = chrono::Utc::now();
        Instant::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

/// UUIDs of version 7 (RFC 9562 section 5.7), which grow with time and so keep an index dense.
#[derive(Clone, Copy, Debug)]
pub struct TimeOrderedIds;

impl Ids for TimeOrderedIds {
    fn uuid(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}
