//! Feeds random input to everything that reads input, for as long as one likes.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{process, workspace};

/// What `fuzz` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What is fed; everything, one after the other, when nothing is named.
    targets: Vec<Target>,
    /// How long each is fed, in seconds.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// What reads input: a program of `crates/fuzz`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Target {
    /// Requests: decoding and validation.
    Request,
    /// Tokens of pages.
    #[value(name = "page_token")]
    PageToken,
    /// Events.
    Event,
    /// Rules, zones and instants.
    Recurrence,
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::PageToken => "page_token",
            Self::Event => "event",
            Self::Recurrence => "recurrence",
        }
    }

    /// How much input is worth trying.
    const fn longest(self) -> &'static str {
        match self {
            Self::Request | Self::Event => "-max_len=4096",
            Self::PageToken => "-max_len=1024",
            Self::Recurrence => "-max_len=256",
        }
    }
}

/// Builds and feeds.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let plan = Plan::new(&[Tool::CargoFuzz])?;
    heading(start, "tools");
    let tools = plan.carry_out()?;
    let targets = if args.targets.is_empty() { Target::value_variants() } else { args.targets.as_slice() };
    for target in targets {
        let name = target.name();
        heading(start, name);
        let mut fuzz = Command::new(tools.of(Tool::CargoFuzz)?);
        // Without the address sanitizer: there is no unsafe code to be watched, and every run is several times faster.
        fuzz.args(["fuzz", "run", "--fuzz-dir", "crates/fuzz", "--sanitizer", "none", name, "--"]);
        fuzz.arg(format!("-max_total_time={}", args.seconds)).args(["-timeout=10", target.longest()]);
        process::run(fuzz.current_dir(workspace::root()))
            .with_context(|| format!("{name} found something, or could not be built"))?;
    }
    heading(start, "nothing was found");
    Ok(())
}
