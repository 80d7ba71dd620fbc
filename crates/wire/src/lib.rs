//! Between the contract and the domain: conversions, validation, the event codec.
#![doc = include_str!("../README.md")]

pub mod answer;
pub mod event;
mod filter;
mod object;
pub mod preferences_event;
pub mod reminder_event;
pub mod request;
mod value;
mod violations;

pub use object::ObjectText;
pub use value::timestamp;
pub use violations::{InvalidFields, Violation, Violations};
