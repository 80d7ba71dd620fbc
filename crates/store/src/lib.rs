//! Keeps tasks, their events and what became of them.
#![doc = include_str!("../README.md")]

mod address;
mod among;
mod announce;
pub mod audit;
mod backlog;
mod change;
pub mod create;
mod database;
pub mod dead_letters;
mod entity;
mod error;
mod file;
mod get;
pub mod idempotency;
pub mod inbox;
mod lane;
mod metrics;
pub mod notification;
mod open;
pub mod outbox;
pub mod page;
mod patience;
mod ping;
#[cfg(test)]
mod plans;
mod postgres;
pub mod published;
mod purge;
mod quota;
pub mod refill;
pub mod relay;
pub mod reminders;
mod row;
mod spans;
mod statements;
pub mod tasks;
mod text;
mod transaction;
pub mod verify;

pub use address::url_of;
pub use backlog::Backlog;
pub use database::{Config, Store, Stores};
pub use docket_migration::{Schema, State as StepState, Step};
pub use error::Error;
pub use file::Lock;
pub use open::OpenTask;
pub use statements::Statements;
pub use transaction::{Conflict, Tx};

use docket_domain::Instant;

/// Microseconds since 1970 in UTC: how a column keeps an instant.
fn micros(instant: Instant) -> i64 {
    instant.timestamp_micros()
}

fn instant(micros: i64) -> Result<Instant, Error> {
    Instant::from_timestamp_micros(micros)
        .ok_or_else(|| Error::corrupt("time", format!("{micros} is no time")))
}

/// Whether an insert that does nothing on a conflict did something.
fn inserted(outcome: sea_orm::TryInsertResult<u64>) -> bool {
    matches!(outcome, sea_orm::TryInsertResult::Inserted(rows) if rows > 0)
}
