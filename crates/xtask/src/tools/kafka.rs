//! Kafka: used as it was unpacked, else brought by Maven; run by Java.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use super::version::Version;
use super::{Tool, apt};
use crate::process;

/// The oldest that the tests work with.
const OLDEST: Version = Version::release(4, 1, 0);

/// The oldest Java that runs it.
const OLDEST_JAVA: u32 = 17;

/// What names a Kafka that is unpacked.
const HOME: &str = "KAFKA_HOME";

/// The beginnings of the names of the jars that the tests run; the version follows.
const JARS: [&str; 2] = ["kafka_2.13-", "kafka-tools-"];

/// How to get what it needs.
const HOW: &str = "Install it:\n    \
    Debian, Ubuntu:  sudo apt-get install default-jre-headless maven\n    \
    Fedora, RHEL:    sudo dnf install java-21-openjdk-headless maven\n    \
    macOS:           brew install openjdk maven\n  \
    A Java that is not on PATH is named by JAVA_HOME. Maven is not needed where Kafka 4.1 or newer is unpacked\n  \
    (https://kafka.apache.org/downloads): KAFKA_HOME names its folder, or TOOL_KAFKA the folder of its jars.";

/// The folder of its jars, if one was named.
pub(super) fn find() -> Result<Option<PathBuf>> {
    let named = |variable: &str| std::env::var_os(variable).filter(|folder| !folder.is_empty());
    let variable = Tool::Kafka.variable();
    if let Some(folder) = named(variable) {
        let folder = std::path::absolute(folder).with_context(|| format!("{variable} is no path"))?;
        return match accepts(&folder) {
            Ok(()) => Ok(Some(folder)),
            Err(why) => bail!("{variable} names {}, which {why}", folder.display()),
        };
    }
    let Some(home) = named(HOME) else { return Ok(None) };
    let libs = std::path::absolute(home).with_context(|| format!("{HOME} is no path"))?.join("libs");
    match accepts(&libs) {
        Ok(()) => Ok(Some(libs)),
        Err(why) => {
            eprintln!("{} is not used: it {why}.", libs.display());
            Ok(None)
        }
    }
}

/// Whether a folder has its jars, and new enough ones.
pub(super) fn accepts(folder: &Path) -> Result<(), String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    for jar in JARS {
        let mut versions = names.iter().filter_map(|name| name.strip_prefix(jar)?.strip_suffix(".jar"));
        match versions.find_map(Version::parse) {
            Some(version) if version >= OLDEST => {}
            Some(version) => return Err(format!("is version {version}; {OLDEST} or newer is needed")),
            None => return Err(format!("does not have the jar {jar}<version>.jar")),
        }
    }
    Ok(())
}

/// The packages to be installed before it can run, and be brought if it is `missing`; says what to do where that is not
/// possible. Changes nothing.
pub(super) fn prerequisites(missing: bool) -> Result<Vec<&'static str>> {
    let mut packages = Vec::new();
    let mut wrong = Vec::new();
    if let Err(why) = java() {
        packages.push("default-jre-headless");
        wrong.push(why);
    }
    if missing && process::on_path("mvn").is_none() {
        packages.push("maven");
        wrong.push("Maven, which brings Kafka, is not on PATH".to_owned());
    }
    if !packages.is_empty() && !apt::can_install() {
        bail!("the tests need Kafka, and something is missing for it: {}.\n  {HOW}", wrong.join("; "));
    }
    Ok(packages)
}

/// Installs what [`prerequisites`] has named.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    apt::install(packages)
        .with_context(|| format!("{} cannot be installed.\n  {HOW}", packages.join(", ")))?;
    let java = java();
    ensure!(java.is_ok(), "after the installation: {}.\n  {HOW}", java.err().unwrap_or_default());
    Ok(())
}

/// Whether there is a Java that runs it.
fn java() -> Result<(), String> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let program = match home {
        Some(home) => Path::new(&home).join("bin").join("java"),
        None => process::on_path("java").ok_or("java is not on PATH")?,
    };
    let answer = process::answer(Command::new(&program).arg("-version")).unwrap_or_default();
    match release(&answer) {
        Some(release) if release >= OLDEST_JAVA => Ok(()),
        Some(release) => {
            Err(format!("{} is Java {release}; {OLDEST_JAVA} or newer is needed", program.display()))
        }
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
    fn jars_are_taken_when_they_are_there_and_new_enough() {
        let judged = |jars: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            for jar in jars {
                fs::write(folder.path().join(jar), "").unwrap();
            }
            accepts(folder.path())
        };
        assert_eq!(
            judged(&["kafka_2.13-4.1.1.jar", "kafka-tools-4.1.1.jar", "kafka-tools-api-4.1.1.jar"]),
            Ok(())
        );
        assert_eq!(judged(&["kafka_2.13-5.0.0.jar", "kafka-tools-5.0.0.jar"]), Ok(()));
        let why = judged(&["kafka_2.13-3.9.0.jar", "kafka-tools-3.9.0.jar"]).unwrap_err();
        assert_eq!(why, "is version 3.9.0; 4.1.0 or newer is needed");
        let why = judged(&["kafka_2.13-4.1.1.jar", "kafka-tools-api-4.1.1.jar"]).unwrap_err();
        assert!(why.contains("kafka-tools-<version>.jar"), "{why}");
        assert!(accepts(Path::new("/nonexistent")).unwrap_err().contains("does not have the jar"));
    }

    #[test]
    fn release_of_java_is_read() {
        let check = |says: &str, expect| assert_eq!(release(says), expect, "{says}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime Environment", Some(17));
        check("openjdk version \"21\" 2023-09-19", Some(21));
        check("java version \"1.8.0_392\"", Some(1));
        check("The operation couldn't be completed. Unable to locate a Java Runtime.", None);
    }
}
