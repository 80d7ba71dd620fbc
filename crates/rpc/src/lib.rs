//! The gRPC shell: status, identity, deadlines, health, reflection, drain.
#![doc = include_str!("../README.md")]

pub mod auth;
mod body;
pub mod caller;
mod deadline;
pub mod fault;
pub mod health;
pub mod page;
pub mod reflection;
pub mod secret;
pub mod server;
mod sever;
pub mod shell;
pub mod status;
pub mod trace;

pub use auth::{Authenticator, Config as AuthConfig};
pub use caller::{Caller, Port};
pub use fault::{Fault, Internal, InvalidFields, InvalidPageToken, Unavailable};
pub use health::Health;
pub use secret::Secret;
pub use server::{Config as ServerConfig, Server};
pub use shell::{Shell, ShellLayer};
pub use status::{OrStatus, to_status};
pub use trace::TraceContext;
