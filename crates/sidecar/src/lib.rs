//! The only crate that knows Dapr: client, callback router, CloudEvents envelope.
#![doc = include_str!("../README.md")]

mod callback;
mod client;
mod config;
mod envelope;
mod fault;
mod guard;
mod handler;
mod invocation;
mod router;

pub use callback::add_callbacks;
pub use client::{Client, Error, InvalidAppId, Message, NotTaken};
pub use config::{ApiToken, Bulk, Config, InvalidConfig, Retry};
pub use envelope::{CloudEvent, Delivery, EnvelopeError, Trace};
pub use guard::Guard;
pub use handler::{BoxError, DeadLetter, DeadLetters, ENVELOPE, HandlerError, TopicHandler};
pub use invocation::InvocationChannel;
pub use router::{DuplicateHandler, Handled, Jitter, Router};
