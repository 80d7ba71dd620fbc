//! Tests of the domain through its public interface.
#![expect(clippy::unwrap_used, reason = "Clippy lets tests unwrap, but not the helpers that they share")]

mod recurrence;
mod support;
mod task;
mod zones;
