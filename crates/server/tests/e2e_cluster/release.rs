//! The release of the chart, and Helm, which changes it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::kubectl::{self, DOCKET, Said};

/// How long a change of the release may take.
const LIMIT: &str = "10m";

/// The chart of this tree.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("deploy/chart")
}

/// Helm, however it ends.
pub(crate) async fn attempt(arguments: &[&str]) -> Said {
    let program = std::env::var_os("TOOL_HELM").unwrap_or_else(|| OsString::from("helm"));
    kubectl::run(program.to_str().unwrap(), arguments, b"").await
}

/// What Helm answers.
pub(crate) async fn helm(arguments: &[&str]) -> String {
    let said = attempt(arguments).await;
    assert!(said.well, "helm {arguments:?}: {}", said.errors);
    said.text()
}

/// The values with which Docket was installed, as operators keep them in a file of theirs.
#[derive(Debug)]
pub(crate) struct Values(NamedTempFile);

impl Values {
    /// Those of the release as it is.
    pub(crate) async fn of_docket() -> Self {
        let values = helm(&["get", "values", "docket", "--namespace", DOCKET, "--output=json"]).await;
        let file = NamedTempFile::with_suffix(".json").unwrap();
        std::fs::write(file.path(), values).unwrap();
        Self(file)
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }

    /// Upgrades the release to these values, but for `changes`, and waits until it is ready.
    pub(crate) async fn upgrade(&self, changes: &[&str]) {
        let chart = chart();
        let mut arguments = vec!["upgrade", "docket", chart.to_str().unwrap(), "--namespace", DOCKET];
        // What was changed by hand, as by `kubectl scale`, becomes what the values say again.
        arguments.extend(["--values", self.path(), "--force-conflicts", "--wait", "--timeout", LIMIT]);
        arguments.extend(changes.iter().flat_map(|change| ["--set", change]));
        helm(&arguments).await;
        kubectl::steady().await;
    }
}
