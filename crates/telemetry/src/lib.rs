//! What Docket tells of itself: traces, metrics, log lines.
#![doc = include_str!("../README.md")]

mod config;
mod context;
mod export;
mod identity;
mod levels;
mod lines;
mod meters;
mod sampler;
mod span;
mod start;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod trace_id;
mod undecided;

pub use config::{Config, Export, InvalidConfig};
pub use context::TraceContext;
pub use export::Collector;
pub use identity::Identity;
pub use levels::{InvalidLevels, Levels};
pub use lines::Format;
pub use meters::{Meters, SECONDS, no_meter};
pub use opentelemetry::KeyValue;
pub use opentelemetry::metrics as instruments;
pub use span::{BACKGROUND, begin_trace, context_of, continue_trace, current, fail, is_sampled, link};
pub use start::{Error, Handle, Lines, Telemetry};
pub use undecided::Undecided;
