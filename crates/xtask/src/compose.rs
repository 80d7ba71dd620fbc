//! What runs without Kubernetes, held against Compose itself, and what no file of a deployment may have in it.

mod files;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::workspace;

/// The file of services, and what it is told from outside.
const SERVICES: &str = "deploy/compose.yaml";
const EXAMPLE: &str = "deploy/compose/env.example";

/// Each profile, and how many services it adds to those that always run.
const PROFILES: [(&str, usize); 5] =
    [("single", 2), ("split", 12), ("observe", 2), ("console", 1), ("actors", 1)];

/// A value that no one is given: enough for Compose to read its file.
const MADE_UP: &str = "made-up";

/// Has Compose read its file, for each profile and for all of them, and looks at what is written below `deploy` and
/// `components`.
pub(crate) fn check(compose: &Path) -> Result<()> {
    let wrong = files::violations()?;
    for violation in &wrong {
        eprintln!("    {violation}");
    }
    ensure!(wrong.is_empty(), "{} places are not as they should be", wrong.len());

    let always = services(compose, &[])?;
    let mut all = always.clone();
    for (profile, count) in PROFILES {
        let with = services(compose, &[profile])?;
        let added: BTreeSet<String> = with.difference(&always).cloned().collect();
        ensure!(added.len() == count, "the profile {profile} adds {added:?}, and not {count} services");
        eprintln!("    {profile}: {} services", with.len());
        all.extend(added);
    }
    let known = PROFILES.map(|(profile, _)| profile);
    ensure!(services(compose, &known)? == all, "a profile is missing here");
    told_what_to_do_first(compose)
}

/// The services of these profiles, once Compose has taken all of the file.
fn services(compose: &Path, profiles: &[&str]) -> Result<BTreeSet<String>> {
    let said = config(compose, MADE_UP, profiles, &["--services"])?;
    Ok(said.lines().map(str::to_owned).collect())
}

/// Without the secrets nothing starts, and it is said how they are made.
fn told_what_to_do_first(compose: &Path) -> Result<()> {
    match config(compose, "", &["single"], &["--quiet"]) {
        Ok(_) => bail!("{SERVICES} starts without secrets"),
        Err(error) if error.to_string().contains("secrets.sh") => Ok(()),
        Err(error) => Err(error.context("without secrets")),
    }
}

/// What `config` says, with this value for every secret.
fn config(compose: &Path, secret: &str, profiles: &[&str], flags: &[&str]) -> Result<String> {
    let root = workspace::root();
    let folder = root.join("target/compose");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let environment = folder.join("env");
    fs::write(&environment, filled(&read(EXAMPLE)?, secret)).context("cannot write the environment")?;
    let mut command = Command::new(compose);
    // What the machine says must not change what is checked.
    command.current_dir(&root).env_clear().env("HOME", &folder);
    command.args(["--file", SERVICES]).arg("--env-file").arg(&environment);
    for profile in profiles {
        command.args(["--profile", profile]);
    }
    let output = command.arg("config").args(flags).output().context("cannot run compose")?;
    let said = String::from_utf8_lossy(&output.stderr);
    // What it only warns of is a mistake, too: a variable that is not set, say.
    let warned = said.lines().any(|line| line.contains("level=warning"));
    ensure!(output.status.success() && !warned, "profiles {profiles:?}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The example with a value for each name that has none; no profile is on by itself.
fn filled(example: &str, secret: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some(("COMPOSE_PROFILES", _)) => "COMPOSE_PROFILES=\n".to_owned(),
        Some((name, "")) => format!("{name}={secret}\n"),
        _ => format!("{line}\n"),
    };
    example.lines().map(line).collect()
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(file)).with_context(|| format!("cannot read {file}"))
}
