//! Reminders arrive, once, whatever fails around their moment: with a real sidecar, scheduler, mail server and receiver of
//! HTTP requests, on a file with the sidecar's own broker, and on PostgreSQL and Kafka.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad;
mod batch;
mod behind;
mod calendar;
mod changes;
mod channels;
mod crash;
mod fleet;
mod lateness;
mod lost_jobs;
mod outage;
mod person;
mod races;
mod refill;
mod shapes;
mod unknown;
mod world;

use std::time::Duration;

use docket_domain::Instant;
use docket_domain::source::Clock as _;
use docket_server::source::SystemClock;
use docket_testkit::wait_for;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn now() -> Instant {
    SystemClock.now()
}

/// Waits for a moment: what a test does has one.
async fn until(moment: Instant) {
    let limit = (moment - now()).to_std().unwrap_or_default() + Duration::from_secs(10);
    wait_for("a moment", limit, async || match moment - now() {
        left if left.num_microseconds() > Some(0) => Err(format!("in {left}")),
        _ => Ok(()),
    })
    .await;
}
