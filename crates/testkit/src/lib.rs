//! Real processes for tests: PostgreSQL, Kafka, a mail server, a collector of traces, daprd, scheduler, docket.
#![doc = include_str!("../README.md")]

pub mod callback;
mod channels;
mod chart;
mod client;
pub mod collector;
mod components;
mod daprd;
mod discretion;
mod docket;
mod figures;
mod fleet;
mod gateway;
mod guard;
pub mod history;
mod hooks;
pub mod http;
mod java;
pub mod kafka;
pub mod kubernetes;
mod load;
pub mod mail;
mod port;
pub mod postgres;
mod process;
mod proxy;
pub mod publish;
mod replicas;
mod scheduler;
mod stack;
mod storage;
mod user;
mod wait;

pub use chart::chart;
pub use client::{Audit, Bearer, Notification, Reminders, Tasks};
pub use collector::Collector;
pub use components::{Connection, components};
pub use daprd::{Daprd, DaprdBuilder};
pub use discretion::keep_secret;
pub use docket::{Docket, DocketBuilder};
pub use figures::{Figures, Sample};
pub use fleet::{Fleet, FleetBuilder, Links, Member, Release, Role, Underway, groups};
pub use gateway::Gateway;
pub use hooks::{Answer, Hook, Hooks};
pub use kafka::Kafka;
pub use load::{Chore, Load};
pub use mail::Mail;
pub use nix::sys::signal::Signal;
pub use port::Port;
pub use postgres::{Database, Postgres, Shutdown};
pub use process::{Account, Process, Program};
pub use proxy::{End, Loss, Proxy, Way};
pub use replicas::{Replicas, ReplicasBuilder, expect_shares};
pub use scheduler::{Scheduler, SchedulerBuilder};
pub use stack::{Stack, StackBuilder};
pub use storage::{Opened, Storage};
pub use user::{Servers, User, at, due, once, repeating};
pub use wait::wait_for;

use std::path::PathBuf;
use std::time::Duration;

/// How long a program may take to start or to stop. Generous: a slow machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The program that an environment variable names.
fn tool(variable: &str) -> PathBuf {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else {
        panic!("{variable} is not set: these tests need real programs; run them with `cargo xtask test`");
    };
    // Absolute, since every process runs in a folder of its own.
    path.canonicalize().unwrap_or_else(|error| panic!("{variable} names {}: {error}", path.display()))
}
