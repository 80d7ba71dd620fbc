//! The gRPC shell: status, identity, deadlines, health, reflection, drain.
#![doc = include_str!("../README.md")]

pub mod auth;
mod body;
pub mod caller;
mod connection;
mod deadline;
mod ending;
pub mod fault;
mod form;
pub mod health;
pub mod limit;
mod metrics;
pub mod page;
pub mod reflection;
pub mod secret;
pub mod server;
pub mod shell;
pub mod status;
pub mod tls;
pub mod trace;
mod watched;

pub use auth::{Authenticator, Config as AuthConfig, ServiceToken, Signer};
pub use caller::{Caller, Port};
pub use fault::{Fault, Internal, InvalidFields, InvalidPageToken, Unavailable};
pub use health::{Ask, Health};
pub use limit::{Config as LimitsConfig, Jitter, Limits};
pub use secret::Secret;
pub use server::{Config as ServerConfig, Server};
pub use shell::{Shell, ShellLayer};
pub use status::{OrStatus, to_status};
pub use tls::{Config as TlsConfig, Tls};
