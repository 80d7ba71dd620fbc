//! Runs the tests in rings, after setting up what each needs.

use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::progress::heading;
use crate::tools::{Paths, Plan, Tool};
use crate::{cluster, process, workspace};

/// How the names of the tests of the release ring begin that need Docket on a Kubernetes.
const OF_CLUSTER: &str = "e2e_cluster";

/// What those tests use besides kubectl.
const FOR_CLUSTER: [Tool; 1] = [Tool::Helm];

/// What the others use that those of the default ring do not.
const FOR_RELEASE: [Tool; 1] = [Tool::LastRelease];

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
    /// Runs the part of the release ring that needs a cluster, alone or after the rest: brings the platform up in it, as
    /// `cargo xtask up` does, and tries it; then come the tests, which upgrade Docket and restart what it stands on; then it
    /// is tried again.
    #[arg(long, conflicts_with = "unit")]
    cluster: bool,
    /// The settings of `up`, for `--cluster`: DATABASE=plain always, CLUSTER=existing perhaps.
    #[arg(requires = "cluster", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// What each test program gets: a part of a test's name, say.
    #[arg(last = true, value_name = "ARGS")]
    rest: Vec<String>,
}

/// What is real in the tests beyond the unit ring.
const REAL: &str = "against real sidecars, PostgreSQL, Kafka, a mail server and a collector";

/// Runs the tests.
pub(crate) fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    // Before the first test runs, so that nobody waits for minutes to hear that something is missing.
    if args.cluster {
        cluster::require_for_tests(&args.settings)?;
    }
    let plan = Plan::new(&needed(args))?;
    if !args.release_ring && !args.cluster {
        heading(start, "unit ring");
        let mut unit = workspace::cargo();
        unit.args(["test", "--workspace", "--"]);
        process::run(unit.args(&args.rest)).context("the unit ring failed")?;
    }
    if args.unit {
        heading(start, "the unit ring passed");
        return Ok(());
    }

    heading(start, "tools");
    let tools = plan.carry_out()?;
    let ring = |targets: &[String]| ring(args, &tools, targets);
    if !args.release_ring && !args.cluster {
        heading(start, &format!("default ring, {REAL}"));
        ring(&["e2e_*".to_owned()]).context("the default ring failed")?;
        heading(start, "the unit ring and the default ring passed");
        return Ok(());
    }

    let (on_cluster, elsewhere): (Vec<_>, Vec<_>) =
        workspace::default_ring_tests()?.into_iter().partition(|name| name.starts_with(OF_CLUSTER));
    if args.release_ring {
        heading(start, &format!("release ring, {REAL}"));
        ring(&elsewhere).context("the release ring failed")?;
    }
    if !args.cluster {
        let left = on_cluster.join(", ");
        heading(start, &format!("the release ring passed, without {left}: not run, for want of --cluster"));
        return Ok(());
    }
    heading(start, "release ring: a platform on Kubernetes");
    cluster::bring_up(&args.settings).context("the platform does not come up")?;
    ring(&on_cluster).context("the part of the release ring that needs a cluster failed")?;
    heading(start, "release ring: the platform after the tests");
    cluster::smoke(&args.settings).context("the platform does not work after the tests")?;
    heading(start, "the release ring passed");
    Ok(())
}

/// The tools without which nothing begins.
fn needed(args: &Args) -> Vec<Tool> {
    let rings: &[Tool] = if args.unit || (args.cluster && !args.release_ring) { &[] } else { &Tool::TEST };
    let release: &[Tool] = if args.release_ring { &FOR_RELEASE } else { &[] };
    let cluster: &[Tool] = if args.cluster { &FOR_CLUSTER } else { &[] };
    [rings, release, cluster].concat()
}

/// Runs these integration tests of the workspace; of the release ring, those that are ignored otherwise.
fn ring(args: &Args, tools: &Paths, targets: &[String]) -> Result<()> {
    let mut tests = workspace::cargo();
    for tool in needed(args) {
        eprintln!("    {}", tools.of(tool)?.display());
        tests.env(tool.variable(), tools.of(tool)?);
    }
    // Of the whole workspace, so that its features are those of the unit ring and nothing else is compiled twice.
    tests.args(["test", "--workspace", "--features", &workspace::default_ring()?]);
    tests.args(targets.iter().flat_map(|target| ["--test", target])).arg("--");
    if args.release_ring || args.cluster {
        // One after another: they time what an outage does, or change the one cluster.
        tests.args(["--ignored", "--test-threads=1", "--nocapture"]);
    }
    process::run(tests.args(&args.rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_its_tools() {
        let needs = |unit, release_ring, cluster| {
            needed(&Args { unit, release_ring, cluster, settings: Vec::new(), rest: Vec::new() })
        };
        assert_eq!(needs(true, false, false), []);
        assert_eq!(needs(false, false, false), Tool::TEST);
        assert_eq!(needs(false, true, false), [Tool::TEST.as_slice(), &FOR_RELEASE].concat());
        assert_eq!(needs(false, false, true), FOR_CLUSTER);
        assert_eq!(needs(false, true, true), [Tool::TEST.as_slice(), &FOR_RELEASE, &FOR_CLUSTER].concat());
    }
}
