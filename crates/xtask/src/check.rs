//! Everything about the code that needs no test of its behaviour.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::progress::heading;
use crate::tools::{Paths, Plan, Tool};
use crate::{chart, compose, monitoring, process, tidy, workspace};

/// What `check` takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// These alone; all when absent.
    #[arg(value_enum, value_name = "STEP")]
    steps: Vec<Step>,
}

/// Something that is checked, in the order in which it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
enum Step {
    /// The rules of the layout.
    Layout,
    /// How the code is written.
    Format,
    /// What clippy has to say.
    Lints,
    /// The protobuf files.
    Contract,
    /// Alert rules and dashboards.
    Monitoring,
    /// The Helm chart.
    Chart,
    /// The file of services for Compose, and what no file of a deployment may have in it.
    Compose,
    /// What the code depends on.
    Dependencies,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Layout => "layout",
            Self::Format => "format",
            Self::Lints => "lints",
            Self::Contract => "contract",
            Self::Monitoring => "monitoring",
            Self::Chart => "chart",
            Self::Compose => "compose",
            Self::Dependencies => "dependencies",
        }
    }

    /// What it needs.
    const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Layout | Self::Format | Self::Lints => &[],
            Self::Contract => &[Tool::Buf],
            Self::Monitoring => &[Tool::Promtool],
            Self::Chart => &[Tool::Helm, Tool::HelmUnittest, Tool::Kubeconform, Tool::Strimzi],
            Self::Compose => &[Tool::Compose],
            Self::Dependencies => &[Tool::CargoDeny],
        }
    }

    fn run(self, tools: &Paths) -> Result<()> {
        match self {
            Self::Layout => layout(),
            Self::Format => process::run(workspace::cargo().args(["fmt", "--all", "--check"])),
            Self::Lints => lints(),
            Self::Contract => process::run(
                Command::new(tools.of(Tool::Buf)?).args(["lint", "proto"]).current_dir(workspace::root()),
            ),
            Self::Monitoring => monitoring::check(tools.of(Tool::Promtool)?),
            Self::Chart => chart::check(&chart::Tools {
                helm: tools.of(Tool::Helm)?,
                unittest: tools.of(Tool::HelmUnittest)?,
                kubeconform: tools.of(Tool::Kubeconform)?,
                strimzi: tools.of(Tool::Strimzi)?,
            }),
            Self::Compose => compose::check(tools.of(Tool::Compose)?),
            Self::Dependencies => {
                // Advisories are left to the workflow: they change while the code does not.
                let what = ["--workspace", "check", "bans", "licenses", "sources"];
                let mut deny = Command::new(tools.of(Tool::CargoDeny)?);
                process::run(deny.args(what).current_dir(workspace::root()))
            }
        }
    }
}

/// Runs the checks, also after one has failed, and says which did.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let mut steps = if args.steps.is_empty() { Step::value_variants().to_vec() } else { args.steps.clone() };
    steps.sort();
    steps.dedup();
    let wanted: Vec<Tool> = steps.iter().flat_map(|step| step.tools()).copied().collect();
    // Before the first one runs, so that nobody waits to hear that something is missing; what has to be built is built
    // after those that need nothing.
    let mut plan = Some(Plan::new(&wanted)?);
    let mut tools = Paths::default();
    let mut failed = Vec::new();
    for step in steps {
        if !step.tools().is_empty()
            && let Some(plan) = plan.take()
        {
            tools = plan.carry_out().context("the tools of the checks")?;
        }
        heading(start, step.name());
        if let Err(error) = step.run(&tools) {
            eprintln!("    failed: {error:#}");
            failed.push(step.name());
        }
    }
    if failed.is_empty() {
        heading(start, "all checks passed");
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn lints() -> Result<()> {
    let lints = ["--all-targets", "--", "-D", "warnings"];
    process::run(workspace::cargo().args(["clippy", "--workspace"]).args(lints))?;
    let features = workspace::default_ring()?;
    process::run(workspace::cargo().args(["clippy", "--workspace", "--features", &features]).args(lints))
}

fn layout() -> Result<()> {
    let wrong = tidy::violations()?;
    for violation in &wrong {
        eprintln!("    {violation}");
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{} places are not as they should be", wrong.len()) }
}
