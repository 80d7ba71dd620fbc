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
    /// Runs the release ring alone: tests like those of the default ring that take minutes each, ignored by it with this
    /// reason.
    #[arg(long, conflicts_with = "unit")]
    release_ring: bool,
    /// What each test program gets: a part of a test's name, say.
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    // Before the first test runs, so that nobody waits for minutes to hear that something is missing.
    let plan = if args.unit { None } else { Some(Plan::new(&Tool::TEST)?) };

    if !args.release_ring {
        heading(start, "unit ring");
        let mut unit = workspace::cargo();
        unit.args(["test", "--workspace"]);
        process::run(unit.arg("--").args(&args.rest)).context("the unit ring failed")?;
    }

    let Some(plan) = plan else {
        heading(start, "the unit ring passed");
        return Ok(());
    };

    let ring = if args.release_ring { "release ring" } else { "default ring" };
    heading(start, &format!("tools of the {ring}"));
    let tools = plan.carry_out()?;
    let mut tests = workspace::cargo();
    for tool in Tool::TEST {
        eprintln!("    {}", tools.of(tool)?.display());
        tests.env(tool.variable(), tools.of(tool)?);
    }

    heading(
        start,
        &format!("{ring}, against real sidecars, PostgreSQL, Kafka, a mail server and a collector"),
    );
    // Of the whole workspace, so that its features are those of the unit ring and nothing else is compiled twice.
    tests.args(["test", "--workspace", "--features", &workspace::default_ring()?, "--test", "e2e_*", "--"]);
    if args.release_ring {
        // One after another: they time what an outage does.
        tests.args(["--ignored", "--test-threads=1", "--nocapture"]);
    }
    process::run(tests.args(&args.rest)).with_context(|| format!("the {ring} failed"))?;
    let passed = if args.release_ring { "the release ring" } else { "the unit ring and the default ring" };
    heading(start, &format!("{passed} passed"));
    Ok(())
}
