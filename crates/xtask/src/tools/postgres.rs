//! PostgreSQL: found where systems put it, else installed by the system's own package manager.
//!
//! Its tests start servers of their own from its programs, so only those are wanted: no server, no data.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::folders::{matching, number};
use super::{Tool, apt};
use crate::process;

/// The oldest that Docket works with.
const OLDEST: u32 = 15;

/// What a folder of its programs must have for the tests.
const SERVER: [&str; 2] = ["postgres", "initdb"];

/// Where systems keep programs that are not on the search path; a star stands for a name.
const FOLDERS: [&str; 6] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
];

/// Keeps Debian's packages from making a server of their own and starting it.
const NO_SERVER: &str = "/etc/postgresql-common/createcluster.d/docket-xtask.conf";

/// How to get it.
const HOW: &str = "Install it:\n    \
    Debian, Ubuntu:  sudo apt-get install postgresql\n    \
    Fedora, RHEL:    sudo dnf install postgresql-server postgresql-contrib\n    \
    macOS:           brew install postgresql@17\n  \
    It need not run: the tests start servers of their own. Newer versions: https://www.postgresql.org/download/\n  \
    One that is installed elsewhere is named by TOOL_POSTGRES, the folder of its programs.";

/// The folder of its programs.
pub(super) fn find() -> Result<Option<PathBuf>> {
    let variable = Tool::Postgres.variable();
    if let Some(folder) = std::env::var_os(variable).filter(|folder| !folder.is_empty()).map(PathBuf::from) {
        let folder = std::path::absolute(&folder).with_context(|| format!("{variable} is no path"))?;
        return match accepts(&folder) {
            Ok(()) => Ok(Some(folder)),
            Err(why) => bail!("{variable} names {}, which {why}", folder.display()),
        };
    }
    let mut seen = Vec::new();
    for folder in candidates() {
        if seen.contains(&folder) {
            continue;
        }
        match accepts(&folder) {
            Ok(()) => return Ok(Some(folder)),
            Err(why) => eprintln!("{} is not used: it {why}.", folder.display()),
        }
        seen.push(folder);
    }
    Ok(None)
}

/// A program that comes with it.
pub(super) fn beside(folder: &Path, name: &str) -> Result<PathBuf> {
    let file = folder.join(name);
    if process::is_program(&file) {
        return Ok(file);
    }
    bail!(
        "{} has no {name}; some systems have it in a package of its own (postgresql-contrib)",
        folder.display()
    )
}

/// Makes sure that it can be installed, or says what is missing and how to get it. Changes nothing.
pub(super) fn check_prerequisites() -> Result<()> {
    if apt::can_install() {
        return Ok(());
    }
    bail!("PostgreSQL {OLDEST} or newer is needed for the tests, and is not installed.\n  {HOW}")
}

/// Installs it, without a server of the system's.
pub(super) fn install() -> Result<PathBuf> {
    let config = Path::new(NO_SERVER);
    let folder = config.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(config, "create_main_cluster = false\n")
        .with_context(|| format!("cannot write {}", config.display()))?;
    let installed = apt::install(&["postgresql"]);
    fs::remove_file(config).with_context(|| format!("cannot remove {}", config.display()))?;
    installed.with_context(|| format!("PostgreSQL cannot be installed.\n  {HOW}"))?;
    find()?.with_context(|| format!("this system's PostgreSQL is older than {OLDEST}.\n  {HOW}"))
}

/// The folders to look into, the likeliest first.
fn candidates() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    // What is on the search path may be a link; the rest is beside what it points to.
    let linked = process::on_path("postgres").and_then(|file| file.canonicalize().ok());
    folders.extend(linked.and_then(|file| Some(file.parent()?.to_owned())));
    let said = process::on_path("pg_config")
        .and_then(|program| process::answer(Command::new(program).arg("--bindir")))
        .map(|folder| PathBuf::from(folder.trim()));
    // Some packages have it without a server.
    folders.extend(said.filter(|folder| is_server(folder)));
    for pattern in FOLDERS {
        folders.extend(matching(pattern).into_iter().filter(|folder| is_server(folder)));
    }
    folders
}

fn is_server(folder: &Path) -> bool {
    SERVER.iter().all(|program| process::is_program(&folder.join(program)))
}

/// Whether the programs of a folder are a server, and new enough.
fn accepts(folder: &Path) -> Result<(), String> {
    if !is_server(folder) {
        return Err(format!("does not have the programs {}", SERVER.join(" and ")));
    }
    let answer = process::answer(Command::new(folder.join("postgres")).arg("--version"));
    match answer.as_deref().unwrap_or_default().split_once("(PostgreSQL)") {
        Some((_, version)) if number(version) >= Some(OLDEST) => Ok(()),
        Some((_, version)) => Err(format!("is version {}; {OLDEST} or newer is needed", version.trim())),
        None => Err(format!("does not say a version; {OLDEST} or newer is needed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::tests::script;

    /// What is said about a folder whose `postgres` answers `says`.
    fn judged(says: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        for program in SERVER {
            script(&folder.path().join(program), &format!("echo '{says}'"));
        }
        accepts(folder.path())
    }

    #[test]
    fn servers_are_taken_when_new_enough() {
        let check = |says: &str, expect: Result<(), &str>| match (judged(says), expect) {
            (Ok(()), Ok(())) => {}
            (Err(why), Err(expect)) => assert!(why.contains(expect), "{why}"),
            (got, _) => panic!("{says:?}: {got:?}"),
        };
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Ok(()));
        check("postgres (PostgreSQL) 18beta1", Ok(()));
        check("postgres (PostgreSQL) 14.20 (Homebrew)", Err("is version 14.20 (Homebrew); 15 or newer"));
        check("postgres (PostgreSQL) 9.6.24", Err("is version 9.6.24"));
        check("command not found", Err("does not say a version"));
        assert!(accepts(Path::new("/nonexistent")).unwrap_err().contains("postgres and initdb"));
    }
}
