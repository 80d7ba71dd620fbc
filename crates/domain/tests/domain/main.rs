//! Tests of the domain through its public interface.
#![expect(clippy::unwrap_used, reason = "Clippy lets tests unwrap, but not the helpers that they share")]

mod address;
mod clock;
mod recurrence;
mod reminder;
mod reminder_random;
mod support;
mod task;
mod zones;
