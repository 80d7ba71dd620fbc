//! Helm, for one cluster.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::call;
use super::kubectl::Kubectl;
use super::versions::Pin;
use super::watch;

/// How long a release may take to be ready. Images are brought meanwhile.
const LIMIT: &str = "10m0s";

/// Helm with the context of a cluster.
#[derive(Clone, Debug)]
pub(super) struct Helm {
    program: PathBuf,
    context: String,
}

/// What is to be installed.
#[derive(Debug)]
pub(super) struct Release<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
    pub(super) chart: Chart<'a>,
    /// Files with values; later ones win.
    pub(super) files: Vec<PathBuf>,
    /// Single values; they win over the files.
    pub(super) values: Vec<(&'a str, Value)>,
}

/// Where the chart is.
#[derive(Debug)]
pub(super) enum Chart<'a> {
    /// On this machine.
    Folder(PathBuf),
    /// In a repository.
    Pinned(&'a Pin),
}

impl Helm {
    /// For the cluster of this kubectl.
    pub(super) fn new(program: PathBuf, kubectl: &Kubectl) -> Self {
        Self { program, context: kubectl.context().to_owned() }
    }

    /// Installs it, or brings it to what is asked for, and waits until all of it is ready.
    pub(super) fn install(&self, kubectl: &Kubectl, release: &Release<'_>) -> Result<()> {
        self.repair(release)?;
        let mut command = self.command(release.namespace);
        command.args(arguments(release));
        let what = format!("release {} in {}", release.name, release.namespace);
        watch::run(kubectl, &what, &mut command, &[release.namespace]).map(drop)
    }

    /// Removes a release; one that is not there is no error.
    pub(super) fn uninstall(&self, kubectl: &Kubectl, name: &str, namespace: &str) -> Result<()> {
        let mut command = self.command(namespace);
        command.args(["uninstall", name, "--ignore-not-found", "--wait", "--timeout", LIMIT]);
        watch::run(kubectl, &format!("removing {name} from {namespace}"), &mut command, &[namespace])
            .map(drop)
    }

    /// Helm refuses to touch a release that was being changed when it was killed. Such a one is taken back.
    fn repair(&self, release: &Release<'_>) -> Result<()> {
        let mut ask = self.command(release.namespace);
        // One that is not there is an error, too.
        let Ok(text) = call::text(ask.args(["status", release.name, "--output=json"])) else { return Ok(()) };
        let status: Value = serde_json::from_str(&text).context("helm status answers no JSON")?;
        let Some(back) = way_back(&status) else { return Ok(()) };
        eprintln!("    release {} was left unfinished: helm {}", release.name, back.join(" "));
        let mut command = self.command(release.namespace);
        call::text(command.args(back).args([release.name, "--wait", "--timeout", LIMIT])).map(drop)
    }

    fn command(&self, namespace: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--kube-context", &self.context, "--namespace", namespace]);
        command
    }
}

/// How a release is taken back that somebody has left in the middle.
fn way_back(status: &Value) -> Option<&'static [&'static str]> {
    let now = status.pointer("/info/status").and_then(Value::as_str).unwrap_or_default();
    match now {
        "pending-install" => Some(&["uninstall"]),
        // What somebody has changed by hand becomes what the release says.
        "pending-upgrade" | "pending-rollback" => Some(&["rollback", "--force-conflicts"]),
        _ => None,
    }
}

fn arguments(release: &Release<'_>) -> Vec<String> {
    let mut arguments = vec!["upgrade".to_owned(), "--install".to_owned(), release.name.to_owned()];
    match &release.chart {
        Chart::Folder(folder) => arguments.push(folder.display().to_string()),
        Chart::Pinned(pin) => {
            arguments.push(pin.chart.clone());
            arguments.extend(pin.repository.iter().flat_map(|place| ["--repo".to_owned(), place.clone()]));
            arguments.extend(["--version".to_owned(), pin.version.clone()]);
        }
    }
    arguments.extend(release.files.iter().map(|file| format!("--values={}", file.display())));
    // As JSON, so that a tag that looks like a number stays a text.
    arguments.extend(release.values.iter().map(|(key, value)| format!("--set-json={key}={value}")));
    // What somebody has changed by hand becomes what the chart says.
    arguments.extend(["--force-conflicts", "--wait", "--timeout", LIMIT].map(str::to_owned));
    arguments
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pinned_chart_is_asked_for_at_its_version() {
        let pin = |chart: &str, repository: Option<&str>| Pin {
            chart: chart.to_owned(),
            repository: repository.map(str::to_owned),
            version: "1.18.3".to_owned(),
        };
        let check = |pin: &Pin, expect: &str| {
            let release = Release {
                name: "dapr",
                namespace: "dapr-system",
                chart: Chart::Pinned(pin),
                files: vec![PathBuf::from("/deploy/dapr.yaml")],
                values: vec![("global.tag", json!("1.18.3"))],
            };
            assert_eq!(arguments(&release).join(" "), expect);
        };
        let rest = "--version 1.18.3 --values=/deploy/dapr.yaml --set-json=global.tag=\"1.18.3\" --force-conflicts --wait --timeout 10m0s";
        let here = "https://charts.example";
        check(&pin("dapr", Some(here)), &format!("upgrade --install dapr dapr --repo {here} {rest}"));
        check(
            &pin("oci://charts.example/dapr", None),
            &format!("upgrade --install dapr oci://charts.example/dapr {rest}"),
        );
    }

    #[test]
    fn unfinished_release_is_taken_back() {
        let check = |now: &str, expect: &str| {
            let back = way_back(&json!({"info": {"status": now}}));
            assert_eq!(back.unwrap_or_default().join(" "), expect, "{now}");
        };
        check("deployed", "");
        check("failed", "");
        check("pending-install", "uninstall");
        check("pending-upgrade", "rollback --force-conflicts");
    }
}
