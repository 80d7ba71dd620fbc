//! Java, and Maven, which brings what Java runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::{apt, folders};
use crate::process;

/// The oldest that runs all of it.
const OLDEST: u32 = 17;

/// Where systems keep one that is not on the search path; a star stands for a name.
const FOLDERS: [&str; 4] = [
    "/usr/lib/jvm/*/bin",
    "/opt/homebrew/opt/openjdk*/bin",
    "/usr/local/opt/openjdk*/bin",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin",
];

/// How to get both.
const HOW: &str = "Install it:\n    \
    Debian, Ubuntu:  sudo apt-get install default-jre-headless maven\n    \
    Fedora, RHEL:    sudo dnf install java-21-openjdk-headless maven\n    \
    macOS:           brew install openjdk maven\n  \
    A Java that is not on PATH is named by JAVA_HOME. Maven is not needed for Kafka where 4.1 or newer is unpacked\n  \
    (https://kafka.apache.org/downloads): KAFKA_HOME names its folder, or TOOL_KAFKA the folder of its jars; nor for\n  \
    the mail server where TOOL_MAIL names the folder of its jar (greenmail-standalone of Maven Central).";

/// The packages to be installed before these tools can run, and be brought if some are `missing`; says what to do where
/// that is not possible. Changes nothing.
pub(super) fn prerequisites(tools: &[&str], missing: &[&str]) -> Result<Vec<&'static str>> {
    let mut packages = Vec::new();
    let mut wrong = Vec::new();
    if tools.is_empty() {
        return Ok(packages);
    }
    if let Err(why) = found() {
        packages.push("default-jre-headless");
        wrong.push(why);
    }
    if !missing.is_empty() && process::on_path("mvn").is_none() {
        packages.push("maven");
        wrong.push(format!("Maven, which brings {}, is not on PATH", missing.join(" and ")));
    }
    if !packages.is_empty() && !apt::can_install() {
        bail!("something is missing for {}: {}.\n  {HOW}", tools.join(" and "), wrong.join("; "));
    }
    Ok(packages)
}

/// Installs what [`prerequisites`] has named.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    apt::install(packages)
        .with_context(|| format!("{} cannot be installed.\n  {HOW}", packages.join(", ")))?;
    let java = found();
    ensure!(java.is_ok(), "after the installation: {}.\n  {HOW}", java.err().unwrap_or_default());
    Ok(())
}

/// The program, if there is one that is new enough.
pub(super) fn found() -> Result<PathBuf, String> {
    let program = program().ok_or("java is not on PATH")?;
    match asked(&program) {
        Some(release) if release >= OLDEST => Ok(program),
        Some(release) => Err(format!("{} is Java {release}; {OLDEST} or newer is needed", program.display())),
        None => Err(format!("{} does not say that it is a Java", program.display())),
    }
}

/// The program that is at least of this release: the one that runs all else, or one that is not on the search path.
pub(super) fn since(oldest: u32) -> Option<PathBuf> {
    let others = FOLDERS.iter().flat_map(|pattern| folders::matching(pattern));
    first(program().into_iter().chain(others.map(|folder| folder.join("java"))), oldest)
}

fn first(mut programs: impl Iterator<Item = PathBuf>, oldest: u32) -> Option<PathBuf> {
    programs.find(|program| asked(program) >= Some(oldest))
}

/// The one that `JAVA_HOME` names, else that of the search path.
fn program() -> Option<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    home.map(|home| Path::new(&home).join("bin").join("java")).or_else(|| process::on_path("java"))
}

/// The release that a program says it is.
fn asked(program: &Path) -> Option<u32> {
    release(&process::answer(Command::new(program).arg("-version"))?)
}

/// The release of Java that one says it is: `17` of `openjdk version "17.0.15" 2025-04-15`, `1` of `"1.8.0_392"`.
fn release(answer: &str) -> Option<u32> {
    let (_, version) = answer.split_once("version \"")?;
    let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::tests::script;

    #[test]
    fn release_of_java_is_read() {
        let check = |says: &str, expect| assert_eq!(release(says), expect, "{says}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17));
        check("openjdk version \"21\" 2023-09-19", Some(21));
        check("java version \"1.8.0_392\"", Some(1));
        check("The operation couldn't be completed. Unable to locate a Java Runtime.", None);
    }

    #[test]
    fn first_java_that_is_new_enough_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let programs = [17, 21, 25].map(|release| {
            let program = folder.path().join(release.to_string());
            script(&program, &format!("echo 'openjdk version \"{release}.0.2\"' >&2"));
            program
        });
        let taken = |oldest| first(programs.clone().into_iter(), oldest);
        assert_eq!(taken(17), Some(programs[0].clone()));
        assert_eq!(taken(18), Some(programs[1].clone()));
        assert_eq!(taken(26), None);
        assert_eq!(first([folder.path().join("none")].into_iter(), 17), None);
    }

    #[test]
    fn nothing_of_java_needs_nothing() {
        assert_eq!(prerequisites(&[], &[]).unwrap(), Vec::<&str>::new());
    }
}
