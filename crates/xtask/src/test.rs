//! Runs the tests in rings, after setting up what each needs.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{process, workspace};

/// What `test` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Runs the unit ring alone: needs nothing but Rust.
    #[arg(long)]
    unit: bool,
    /// What each test program gets: a part of a test's name, say.
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    // Before the first test runs, so that nobody waits for minutes to hear that something is missing.
    let plan = if args.unit { None } else { Some(Plan::new(&Tool::TEST)?) };

    heading(start, "unit ring");
    let mut unit = workspace::cargo();
    unit.args(["test", "--workspace"]);
    process::run(unit.arg("--").args(&args.rest)).context("the unit ring failed")?;

    let Some(plan) = plan else {
        heading(start, "the unit ring passed");
        return Ok(());
    };

    heading(start, "tools of the default ring");
    let tools = plan.carry_out()?;
    let mut default = workspace::cargo();
    for tool in Tool::TEST {
        eprintln!("    {}", tools.of(tool)?.display());
        default.env(tool.variable(), tools.of(tool)?);
    }

    heading(start, "default ring, against a real sidecar, PostgreSQL and Kafka");
    // Of the whole workspace, so that its features are those of the unit ring and nothing else is compiled twice.
    default.args(["test", "--workspace", "--features", &workspace::default_ring()?, "--test", "e2e_*"]);
    process::run(default.arg("--").args(&args.rest)).context("the default ring failed")?;
    heading(start, "the unit ring and the default ring passed");
    Ok(())
}
