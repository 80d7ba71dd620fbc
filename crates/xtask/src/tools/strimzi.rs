//! The definitions of Strimzi's resources. No module has them; Strimzi's generator makes them of the classes of the release, and
//! Maven brings both.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::java;
use crate::process;

/// The definitions, as they are called in Strimzi's releases.
pub(crate) const FILES: [&str; 4] =
    ["040-Crd-kafka.yaml", "043-Crd-kafkatopic.yaml", "044-Crd-kafkauser.yaml", "045-Crd-kafkanodepool.yaml"];

/// The oldest that runs the generator.
const OLDEST_JAVA: u32 = 21;

/// How to have them.
const HOW: &str = "Install it:\n    \
    Debian 13, Ubuntu:  sudo apt-get install openjdk-21-jre-headless maven\n    \
    Fedora, RHEL:       sudo dnf install java-21-openjdk-headless maven\n    \
    macOS:              brew install openjdk maven\n  \
    The Java need not be the one on PATH. Neither is needed where TOOL_STRIMZI names a folder that has the definitions:\n  \
    install/cluster-operator of the release (https://github.com/strimzi/strimzi-kafka-operator/releases).";

/// Whether a folder has the definitions.
pub(super) fn accepts(folder: &Path) -> Result<(), String> {
    match FILES.iter().find(|file| !folder.join(file).is_file()) {
        Some(file) => Err(format!("does not have {file}")),
        None => Ok(()),
    }
}

/// Says what is missing to make them.
pub(super) fn check_prerequisites() -> Result<()> {
    runner()?;
    ensure!(
        process::on_path("mvn").is_some(),
        "Maven, which brings the generator of Strimzi's definitions, is not on PATH.\n  {HOW}"
    );
    Ok(())
}

/// The Java that runs the generator.
pub(super) fn runner() -> Result<PathBuf> {
    java::since(OLDEST_JAVA).with_context(|| {
        format!(
            "the generator of Strimzi's definitions needs Java {OLDEST_JAVA} or newer, and none is there.\n  {HOW}"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::workspace;

    fn project() -> String {
        fs::read_to_string(workspace::root().join("crates/xtask/tools/strimzi/pom.xml")).unwrap()
    }

    #[test]
    fn folder_without_one_of_the_definitions_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        for file in FILES {
            assert_eq!(accepts(folder.path()), Err(format!("does not have {file}")));
            fs::write(folder.path().join(file), "").unwrap();
        }
        assert_eq!(accepts(folder.path()), Ok(()));
    }

    #[test]
    fn each_definition_is_made() {
        let project = project();
        for file in FILES {
            assert!(project.contains(&format!("=${{into}}/{file}</argument>")), "{file}");
        }
    }

    /// Manifests are checked against the Strimzi to which they are given.
    #[test]
    fn definitions_are_those_of_the_operator() {
        let versions = fs::read_to_string(workspace::root().join("deploy/platform/versions.toml")).unwrap();
        let versions: toml::Value = toml::from_str(&versions).unwrap();
        let operator = versions["charts"]["strimzi"]["version"].as_str().unwrap();
        assert!(project().contains(&format!("<strimzi.version>{operator}</strimzi.version>")), "{operator}");
    }
}
