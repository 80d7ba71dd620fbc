//! A small client of Kafka: topics, their settings, records, and how far groups are.
#![doc = include_str!("../README.md")]

mod access;
mod call;
mod client;
mod connection;
mod error;
mod groups;
mod login;
mod records;
mod topics;

pub use access::{Access, Login, Mechanism};
pub use client::{Broker, Client};
pub use error::Error;
pub use groups::Group;
pub use kafka_protocol::ResponseError;
pub use records::{Record, Stored};
pub use topics::{NewTopic, Topic};
