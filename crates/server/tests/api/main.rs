//! The whole API in one process, on a database file, with a sidecar that is away: what its users see.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod audit;
mod authorization;
mod bad_input;
mod commands;
mod config;
mod dead_letters;
mod dlq;
mod errors;
mod harness;
mod health;
mod idempotency;
mod limits;
mod listing;
mod notice_repetitions;
mod observability;
mod process;
mod promql;
mod refill;
mod remind;
mod reminders;
mod replays;
mod secrets;
mod series;
mod series_orders;
mod statements;
mod tasks;
