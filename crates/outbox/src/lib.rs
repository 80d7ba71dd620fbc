//! The relay: carries events from the outbox to the broker, through the sidecar.
#![doc = include_str!("../README.md")]

mod config;
mod dead_letters;
mod line;
mod membership;
mod metrics;
mod pending;
mod publish;
mod receipts;
mod relay;
mod spans;

pub use config::{Config, Confirm, Handler, Topic};
pub use dead_letters::{Burial, dead_letter_topic};
pub use relay::{Deps, Parked, Relay, Status};
