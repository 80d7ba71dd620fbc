//! Kafka: used as it was unpacked, else brought by Maven; run by Java.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::version::Version;
use super::{Tool, jars};

/// The oldest that the tests work with.
const OLDEST: Version = Version::release(4, 1, 0);

/// What names a Kafka that is unpacked.
const HOME: &str = "KAFKA_HOME";

/// The beginnings of the names of the jars that the tests run; the version follows.
const JARS: [&str; 2] = ["kafka_2.13-", "kafka-tools-"];

/// The folder of its jars, if one was named.
pub(super) fn find() -> Result<Option<PathBuf>> {
    if let Some(folder) = jars::named(Tool::Kafka)? {
        return Ok(Some(folder));
    }
    let Some(home) = std::env::var_os(HOME).filter(|folder| !folder.is_empty()) else { return Ok(None) };
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
    jars::accepts(folder, &JARS, OLDEST)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
}
