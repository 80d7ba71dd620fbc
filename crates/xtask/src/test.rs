//! Runs the tests in rings, after setting up what each needs.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::progress::heading;
use crate::tools::{Paths, Plan, Tool};
use crate::{process, workspace};

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
    /// Runs the part of the release ring that needs a cluster, alone or after the rest: on that of kubectl's current
    /// context, in which `cargo xtask up` has installed Docket. The tests upgrade it and restart its pods.
    #[arg(long, conflicts_with = "unit")]
    cluster: bool,
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
    let context = if args.cluster { Some(context()?) } else { None };
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
    let Some(context) = context else {
        let left = on_cluster.join(", ");
        heading(start, &format!("the release ring passed, without {left}: not run, for want of --cluster"));
        return Ok(());
    };
    heading(start, &format!("release ring, on the cluster of the context {context}"));
    ring(&on_cluster).context("the part of the release ring that needs a cluster failed")?;
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

/// The context of kubectl, whose cluster must have Docket in it.
fn context() -> Result<String> {
    const HOW: &str = "--cluster needs a Kubernetes in which `cargo xtask up` has installed Docket, as kubectl's current context";
    let kubectl = process::on_path("kubectl").with_context(|| format!("{HOW}; kubectl is not on PATH"))?;
    let ask = |arguments: &[&str]| -> Result<String> {
        let asked = Command::new(&kubectl).args(arguments).output().context("cannot run kubectl")?;
        if !asked.status.success() {
            bail!("{HOW}: {}", String::from_utf8_lossy(&asked.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
    };
    let context = ask(&["config", "current-context"])?;
    // What the tests begin with; in one Deployment there are no doors between targets to be tried.
    ask(&["get", "deployment/docket-tasks", "--namespace=docket", "--output=name", "--request-timeout=20s"])?;
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_its_tools() {
        let needs =
            |unit, release_ring, cluster| needed(&Args { unit, release_ring, cluster, rest: Vec::new() });
        assert_eq!(needs(true, false, false), []);
        assert_eq!(needs(false, false, false), Tool::TEST);
        assert_eq!(needs(false, true, false), [Tool::TEST.as_slice(), &FOR_RELEASE].concat());
        assert_eq!(needs(false, false, true), FOR_CLUSTER);
        assert_eq!(needs(false, true, true), [Tool::TEST.as_slice(), &FOR_RELEASE, &FOR_CLUSTER].concat());
    }
}
