//! Java, and Maven, which brings what Java runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::apt;
use crate::process;

/// The oldest that runs all of it.
const OLDEST: u32 = 17;

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
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let program = match home {
        Some(home) => Path::new(&home).join("bin").join("java"),
        None => process::on_path("java").ok_or("java is not on PATH")?,
    };
    let answer = process::answer(Command::new(&program).arg("-version")).unwrap_or_default();
    match release(&answer) {
        Some(release) if release >= OLDEST => Ok(program),
        Some(release) => Err(format!("{} is Java {release}; {OLDEST} or newer is needed", program.display())),
        None => Err(format!("{} does not say that it is a Java", program.display())),
    }
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

    #[test]
    fn release_of_java_is_read() {
        let check = |says: &str, expect| assert_eq!(release(says), expect, "{says}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17));
        check("openjdk version \"21\" 2023-09-19", Some(21));
        check("java version \"1.8.0_392\"", Some(1));
        check("The operation couldn't be completed. Unable to locate a Java Runtime.", None);
    }

    #[test]
    fn nothing_of_java_needs_nothing() {
        assert_eq!(prerequisites(&[], &[]).unwrap(), Vec::<&str>::new());
    }
}
