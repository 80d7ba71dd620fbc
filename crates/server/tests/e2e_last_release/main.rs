//! The last release beside this one: on the schema of this one, replaced by it target by target while clients write, put back
//! in its place, and replaced again. With events, outboxes, dead letters and alarms of both under way.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
// For the types of futures of clients inside those of a fleet.
#![recursion_limit = "256"]

mod before;
mod person;
mod site;
mod turns;

use docket_domain::source::Clock as _;
use docket_domain::{Instant, TimeDelta};
use docket_server::source::SystemClock;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// So many seconds from now.
fn ahead(seconds: i64) -> Instant {
    SystemClock.now() + TimeDelta::seconds(seconds)
}
