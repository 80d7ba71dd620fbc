//! One trace from the client's call to the last thing that it sets going, as a real collector has it that is reached through
//! the sidecars alone; and nothing of it is anybody's burden, least of all when the collector is away.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
mod completion;
mod idle;
mod outage;
mod reminder;
mod site;
mod variables;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");
