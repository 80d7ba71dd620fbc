//! The relay: carries events from the outbox to the broker, through the sidecar.
#![doc = include_str!("../README.md")]

mod config;
mod dead_letters;
mod line;
mod membership;
mod pending;
mod publish;
mod receipts;
mod relay;

pub use config::{Config, Confirm, Handler, Topic};
pub use dead_letters::{Burial, dead_letter_topic};
pub use relay::{Deps, Relay, Status};
