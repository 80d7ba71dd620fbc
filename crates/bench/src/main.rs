//! Docket beside what it stands on: what a call costs against pgbench, what an event costs against a bare echo, and what a
//! reminder costs against a bare job; and beside itself: what it costs to record traces.
#![doc = include_str!("../README.md")]

mod api;
mod backbone;
mod cell;
mod load;
mod method;
mod pgbench;
mod plot;
mod readme;
mod record;
mod reminders;
mod report;
mod script;
mod traces;
mod usage;
mod world;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

/// Measures Docket: its API, unless told otherwise, against pgbench with the same statements on the same PostgreSQL.
#[derive(Debug, Parser)]
#[command(name = "docket-bench", args_conflicts_with_subcommands = true)]
struct Command {
    #[command(subcommand)]
    suite: Option<Suite>,
    #[command(flatten)]
    api: api::Args,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Measures how fast events get out of the outbox and into their handlers, against a bare echo on the same broker.
    Backbone(backbone::Args),
    /// Measures how fast and how late reminders are given that are all due in one second, against a bare app on the same
    /// scheduler, and what they cost while none is due.
    Reminders(reminders::Args),
    /// Measures what it costs calls to be recorded, against the same calls that are not.
    Traces(traces::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command { suite, api } = Command::parse();
    let outcome = match suite {
        Some(Suite::Backbone(args)) => backbone::run(args).await,
        Some(Suite::Reminders(args)) => reminders::run(args).await,
        Some(Suite::Traces(args)) => traces::run(args).await,
        None => api::run(api).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The binary that is measured: the one beside this program when none is named.
fn program(named: Option<&Path>) -> Result<PathBuf> {
    let docket = match named {
        Some(file) => file.to_owned(),
        None => std::env::current_exe()?.with_file_name("docket"),
    };
    docket.canonicalize().with_context(|| format!("{}: no such program", docket.display()))
}

/// Reads a variable and its value.
fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn print(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to standard output")
}
