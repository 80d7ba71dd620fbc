//! The only crate that knows Dapr: client, callback router, CloudEvents envelope.
#![doc = include_str!("../README.md")]

mod batch;
mod bindings;
mod callback;
mod client;
mod config;
mod drain;
mod envelope;
mod fault;
mod guard;
mod handler;
mod incoming;
mod invocation;
mod jobs;
mod metadata;
mod metrics;
mod process;
mod router;
mod stretch;
mod subscriber;
mod trace;

pub use bindings::{BindingAnswer, BindingCall};
pub use callback::add_callbacks;
pub use client::{Client, Error, InvalidAppId, Message, NotTaken};
pub use config::{ApiToken, Bulk, Config, InvalidConfig, Retry};
pub use drain::Drain;
pub use envelope::{CloudEvent, Delivery, EnvelopeError, Trace};
pub use guard::Guard;
pub use handler::{
    BindingHandler, BoxError, DeadLetter, DeadLetters, ENVELOPE, HandlerError, JobHandler, TopicHandler,
};
pub use incoming::causes;
pub use invocation::InvocationChannel;
pub use jobs::Job;
pub use metadata::{Metadata, REPLAY, REPLAY_HANDLER, Replay};
pub use router::{DuplicateHandler, Handled, Jitter, Router};
