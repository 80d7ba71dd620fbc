//! Keeps tasks, their events and what became of them.
#![doc = include_str!("../README.md")]

pub mod audit;
mod database;
mod entity;
mod error;
mod file;
pub mod idempotency;
pub mod inbox;
pub mod outbox;
#[cfg(test)]
mod plans;
mod row;
mod statements;
pub mod tasks;
mod text;
mod transaction;

pub use database::{Config, Store};
pub use error::Error;
pub use file::{Lock, url_of};
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
