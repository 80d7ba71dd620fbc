//! Builds what is measured and what measures it, as for production, and starts the measurement.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{process, workspace};

/// What `bench` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What the measurement gets: `--quick`, `--write`, `--rounds 5`, `--call get`; `--help` for all of them. First
    /// `backbone` for the way of the events, `reminders` for those that are due at once, or `traces` for what it costs to
    /// record them, instead of the calls of the API.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Measures.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let used = match args.rest.first() {
        Some(suite) if suite == "backbone" => &Tool::BACKBONE[..],
        Some(suite) if suite == "reminders" => &Tool::REMINDERS[..],
        Some(suite) if suite == "traces" => &Tool::TRACES[..],
        _ => &Tool::BENCH[..],
    };
    let plan = Plan::new(used)?;

    heading(start, "tools");
    let tools = plan.carry_out()?;
    let mut bench = workspace::cargo();
    for tool in used {
        eprintln!("    {}", tools.of(*tool)?.display());
        bench.env(tool.variable(), tools.of(*tool)?);
    }

    heading(start, "release builds");
    // Apart from each other, so that what the bench needs of a dependency is not built into Docket.
    let mut docket = workspace::cargo();
    process::run(docket.args(["build", "--release", "--package", "docket-server", "--bin", "docket"]))?;
    let mut build = workspace::cargo();
    process::run(build.args(["build", "--release", "--package", "docket-bench"]))?;

    heading(start, "measurement");
    // It finds the other binary beside its own.
    bench.args(["run", "--quiet", "--release", "--package", "docket-bench", "--"]);
    process::run(bench.args(&args.rest)).context("the measurement failed")
}
