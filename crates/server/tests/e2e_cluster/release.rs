//! The release of the chart, and its values.

use std::path::Path;

use docket_testkit::kubernetes::Helm;
use tempfile::NamedTempFile;

use crate::kubectl::{self, DOCKET, expect};

/// Helm for the release in a namespace, with the chart of this tree.
pub(crate) async fn helm(namespace: &str) -> Helm {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    Helm {
        kubectl: kubectl::kubectl().await.clone(),
        program: std::env::var_os("TOOL_HELM").unwrap_or_else(|| "helm".into()).into(),
        chart: tree.join("deploy/chart"),
        namespace: namespace.to_owned(),
        release: "docket".to_owned(),
    }
}

/// What `helm get` prints of Docket.
pub(crate) async fn get(arguments: &[&str]) -> String {
    let arguments = [&["get"], arguments].concat();
    expect(helm(DOCKET).await.text(&arguments).await)
}

/// The values with which Docket was installed, as operators keep them in a file of theirs.
#[derive(Debug)]
pub(crate) struct Values(NamedTempFile);

impl Values {
    /// Those of the release as it is.
    pub(crate) async fn of_docket() -> Self {
        let values = get(&["values", "docket", "--output=json"]).await;
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
        let mut arguments = vec!["--values", self.path()];
        arguments.extend(changes.iter().flat_map(|change| ["--set", change]));
        expect(helm(DOCKET).await.upgrade(&arguments).await);
        kubectl::steady().await;
    }
}
