//! Everything about the code that needs no test of its behaviour.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::progress::heading;
use crate::tools::{Plan, Tool};
use crate::{monitoring, process, tidy, workspace};

/// Runs all checks, also after one has failed, and says which did.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let plan = Plan::new(&[Tool::Buf, Tool::CargoDeny, Tool::Promtool])?;
    let mut failed = Vec::new();
    let mut check = |name: &'static str, check: &mut dyn FnMut() -> Result<()>| {
        heading(start, name);
        if let Err(error) = check() {
            eprintln!("    failed: {error:#}");
            failed.push(name);
        }
    };

    check("layout", &mut layout);
    check("format", &mut || process::run(workspace::cargo().args(["fmt", "--all", "--check"])));
    check("lints", &mut || {
        let lints = ["--all-targets", "--", "-D", "warnings"];
        process::run(workspace::cargo().args(["clippy", "--workspace"]).args(lints))?;
        let features = workspace::default_ring()?;
        process::run(workspace::cargo().args(["clippy", "--workspace", "--features", &features]).args(lints))
    });
    let tools = plan.carry_out()?;
    let (buf, deny) = (tools.of(Tool::Buf)?, tools.of(Tool::CargoDeny)?);
    let promtool = tools.of(Tool::Promtool)?;
    check("contract", &mut || {
        process::run(Command::new(buf).args(["lint", "proto"]).current_dir(workspace::root()))
    });
    check("monitoring", &mut || monitoring::check(promtool));
    check("dependencies", &mut || {
        // Advisories are left to the workflow: they change while the code does not.
        let what = ["--workspace", "check", "bans", "licenses", "sources"];
        process::run(Command::new(deny).args(what).current_dir(workspace::root()))
    });

    if failed.is_empty() {
        heading(start, "all checks passed");
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn layout() -> Result<()> {
    let wrong = tidy::violations()?;
    for violation in &wrong {
        eprintln!("    {violation}");
    }
    if wrong.is_empty() { Ok(()) } else { bail!("{} places are not as they should be", wrong.len()) }
}
