//! Builds what is broken and what breaks it, as for the tests, and lets it loose. With `--cluster` on what runs in a Kubernetes
//! already.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{process, workspace};

/// What `chaos` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What the run gets: `--seed 7`, `--minutes 10`, `--fault kill-broker`; `--help` for all of them. `--cluster` strikes the
    /// Docket that runs in the Kubernetes of kubectl's current context.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// Runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let cluster = args.rest.iter().any(|word| word == "--cluster");
    let wanted: &[Tool] = if cluster { &[Tool::Helm] } else { &Tool::TEST };
    let plan = Plan::new(wanted)?;

    heading(start, "tools");
    let tools = plan.carry_out()?;

    heading(start, if cluster { "builds" } else { "builds, with failpoints" });
    let mut build = workspace::cargo();
    // Of the whole workspace, so that what the tests have built is not built again.
    build.args(["build", "--workspace", "--features", &workspace::default_ring()?, "--bin", "docket-chaos"]);
    if !cluster {
        build.args(["--bin", "docket"]);
    }
    process::run(&mut build)?;

    heading(start, "chaos");
    // It finds the other binary beside its own.
    let mut chaos = Command::new(workspace::built()?.join("docket-chaos"));
    chaos.current_dir(workspace::root());
    for &tool in wanted {
        eprintln!("    {}", tools.of(tool)?.display());
        chaos.env(tool.variable(), tools.of(tool)?);
    }
    process::run(chaos.args(&args.rest)).context("something was wrong")
}
