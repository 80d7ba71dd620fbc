//! Helm, for one release.

use std::path::PathBuf;

use tokio::process::Command;

use super::command::{Error, Said, run};
use super::{Kubectl, LIMIT, LONG_PATIENCE};
use crate::PATIENCE;

/// What others have changed, replicas by `kubectl scale` or a Secret, is the release's again: Helm 4 refuses to touch it
/// without this.
const OVER_OTHERS: &str = "--force-conflicts";

/// Helm, for one release of Docket's chart.
#[derive(Clone, Debug)]
pub struct Helm {
    /// kubectl for its cluster.
    pub kubectl: Kubectl,
    /// The program.
    pub program: PathBuf,
    /// The chart, for what installs or changes the release.
    pub chart: PathBuf,
    /// The namespace of the release.
    pub namespace: String,
    /// Its name there.
    pub release: String,
}

impl Helm {
    /// The selector of all that is of the release.
    pub fn selector(&self) -> String {
        format!("--selector=app.kubernetes.io/name=docket,app.kubernetes.io/instance={}", self.release)
    }

    /// Which revision is deployed.
    pub async fn revision(&self) -> Result<u64, Error> {
        let arguments = ["status", &self.release, "--output=json"];
        let status = run(self.command(&arguments), b"", PATIENCE).await?.json()?;
        status["version"].as_u64().ok_or_else(|| Error::Answer {
            command: format!("helm {}", arguments.join(" ")),
            wrong: "answers no version".to_owned(),
        })
    }

    /// What Helm prints: of `get`, the `manifest` or the `values` of the release, say.
    pub async fn text(&self, arguments: &[&str]) -> Result<String, Error> {
        run(self.command(arguments), b"", PATIENCE).await?.answer()
    }

    /// Installs the release with these arguments, however that ends.
    pub async fn install(&self, arguments: &[&str]) -> Result<Said, Error> {
        let mut command = self.command(&["install", &self.release]);
        command.arg(&self.chart).args(arguments);
        run(command, b"", LONG_PATIENCE).await
    }

    /// Upgrades the release with these arguments, and waits until everything is ready.
    pub async fn upgrade(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = self.command(&["upgrade", &self.release]);
        command.arg(&self.chart).args(["--wait", "--timeout", LIMIT, OVER_OTHERS]).args(arguments);
        run(command, b"", LONG_PATIENCE).await?.answer().map(drop)
    }

    /// Takes the release back to a revision, and waits until everything is ready.
    pub async fn roll_back(&self, revision: u64) -> Result<(), Error> {
        let revision = revision.to_string();
        let arguments = ["rollback", &self.release, &revision, "--wait", "--timeout", LIMIT, OVER_OTHERS];
        run(self.command(&arguments), b"", LONG_PATIENCE).await?.answer().map(drop)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--kube-context", self.kubectl.context(), "--namespace", &self.namespace]);
        command.args(arguments);
        command
    }
}
