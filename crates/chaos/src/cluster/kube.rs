//! kubectl and Helm, for one cluster and one release.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use docket_testkit::{Port, Program};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::options::Options;

/// How long what only asks may take, and what waits for pods.
const PATIENCE: Duration = Duration::from_secs(30);
const LONG_PATIENCE: Duration = Duration::from_secs(660);

/// How long Helm and kubectl themselves wait for pods: less, so that they say what was missing.
const LIMIT: &str = "600s";

/// What kubectl has changed, replicas or a Secret, is the release's again: Helm 4 refuses to touch it without this.
const OVER_OTHERS: &str = "--force-conflicts";

/// kubectl and Helm.
#[derive(Clone, Debug)]
pub(super) struct Kube {
    context: String,
    helm: PathBuf,
    pub(super) namespace: String,
    pub(super) release: String,
    chart: PathBuf,
    /// Whether the release was changed through this.
    changed: Arc<AtomicBool>,
}

impl Kube {
    /// For the cluster of the current context, also when that changes later.
    pub(super) async fn current(options: &Options) -> Result<Self> {
        let mut command = Command::new("kubectl");
        command.args(["config", "current-context"]);
        let context = run(command, PATIENCE).await.context("kubectl has no current context")?;
        Ok(Self {
            context: context.trim().to_owned(),
            helm: options.helm.clone(),
            namespace: options.namespace.clone(),
            release: options.release.clone(),
            chart: options.chart.clone(),
            changed: Arc::default(),
        })
    }

    /// The context.
    pub(super) fn context(&self) -> &str {
        &self.context
    }

    /// What kubectl prints.
    pub(super) async fn text(&self, arguments: &[&str]) -> Result<String> {
        run(self.kubectl(arguments), PATIENCE).await
    }

    /// The same of what waits for pods.
    pub(super) async fn wait(&self, arguments: &[&str]) -> Result<String> {
        let limit = format!("--timeout={LIMIT}");
        let mut command = self.kubectl(arguments);
        command.arg(limit);
        run(command, LONG_PATIENCE).await
    }

    /// What kubectl finds, as JSON.
    pub(super) async fn get(&self, arguments: &[&str]) -> Result<Value> {
        let mut command = self.kubectl(&["get", "--output=json"]);
        command.args(arguments);
        serde_json::from_str(&run(command, PATIENCE).await?).context("kubectl answers no JSON")
    }

    /// A value of a Secret. It is nowhere but in the answer.
    pub(super) async fn secret(&self, name: &str, key: &str) -> Result<String> {
        // The index, because a key may have dots.
        let template = format!("--output=go-template={{{{index .data \"{key}\" | base64decode}}}}");
        let value = self.text(&["get", "secret", name, "--namespace", &self.namespace, &template]).await;
        value.with_context(|| format!("the Secret {name} in {} has no {key}", self.namespace))
    }

    /// The selector of all that is Docket's.
    pub(super) fn selector(&self) -> String {
        format!("--selector=app.kubernetes.io/name=docket,app.kubernetes.io/instance={}", self.release)
    }

    /// Which revision of the release is deployed.
    pub(super) async fn revision(&self) -> Result<u64> {
        let text = run(self.helm_command(&["status", &self.release, "--output=json"]), PATIENCE).await?;
        let status: Value = serde_json::from_str(&text).context("helm answers no JSON")?;
        status["version"].as_u64().with_context(|| format!("the release {} has no revision", self.release))
    }

    /// Whether it was changed through this, and not by somebody else.
    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// Changes values of the release, `key=JSON` each, and waits until everything is ready.
    pub(super) async fn upgrade(&self, values: &[String]) -> Result<()> {
        self.changed.store(true, Ordering::SeqCst);
        let mut command =
            self.helm_command(&["upgrade", &self.release, "--reset-then-reuse-values", "--wait"]);
        command.arg(&self.chart).args(["--timeout", LIMIT, OVER_OTHERS]);
        command.args(values.iter().map(|value| format!("--set-json={value}")));
        run(command, LONG_PATIENCE).await.map(drop)
    }

    /// Takes the release back to a revision, and waits until everything is ready.
    pub(super) async fn roll_back(&self, revision: u64) -> Result<()> {
        let revision = revision.to_string();
        let mut command = self.helm_command(&["rollback", &self.release, &revision, "--wait"]);
        command.args(["--timeout", LIMIT, OVER_OTHERS]);
        run(command, LONG_PATIENCE).await.map(drop)
    }

    /// What leads a port of this machine to one of a pod's or a Service's.
    pub(super) fn forward(&self, namespace: &str, target: &str, remote: u16) -> Program {
        let port = Port::reserve();
        let mut program = Program::new("kubectl", "kubectl");
        let context = format!("--context={}", self.context);
        let ports = format!("{}:{remote}", port.number());
        let arguments =
            [&context, "port-forward", "--namespace", namespace, "--address=127.0.0.1", target, &ports];
        program.arguments = arguments.map(str::to_owned).into();
        program
            .environment
            .extend(std::env::var("KUBECONFIG").ok().map(|file| ("KUBECONFIG".to_owned(), file)));
        program.ports.push(port);
        program
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg(format!("--context={}", self.context)).args(arguments);
        command
    }

    fn helm_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        command.args(["--kube-context", &self.context, "--namespace", &self.namespace]).args(arguments);
        command
    }
}

/// What it prints; its complaint when it fails.
async fn run(mut command: Command, limit: Duration) -> Result<String> {
    let said = format!("{:?}", command.as_std());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(limit, command.output()).await.with_context(|| format!("{said}: not within {limit:?}"))?;
    let output = output.with_context(|| format!("{said} cannot be run"))?;
    if !output.status.success() {
        bail!("{said}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
