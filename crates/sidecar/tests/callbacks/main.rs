//! Calls the callbacks over gRPC as a sidecar does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod batches;
mod deliveries;
mod ends;
mod harness;
mod replays;
mod telling;
