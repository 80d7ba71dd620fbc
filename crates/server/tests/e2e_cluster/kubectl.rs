//! kubectl, for the cluster of the current context.

use std::process::{Output, Stdio};
use std::time::Duration;

use docket_testkit::wait_for;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// The namespace of Docket.
pub(crate) const DOCKET: &str = "docket";
/// The namespace of PostgreSQL and Kafka.
pub(crate) const DATA: &str = "docket-data";
/// The namespace of Dapr's control plane.
pub(crate) const DAPR: &str = "dapr-system";

/// How long one command may take: longer than what waits for a roll-out.
const LIMIT: Duration = Duration::from_secs(900);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Said {
    /// Whether it went well.
    pub(crate) well: bool,
    /// What it answered.
    pub(crate) output: Vec<u8>,
    /// What it complained of.
    pub(crate) errors: String,
}

impl Said {
    /// The answer as a text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

/// Runs a program with this input.
pub(crate) async fn run(program: &str, arguments: &[&str], input: &[u8]) -> Said {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut pipe = child.stdin.take().expect("it was asked for");
    let input = input.to_vec();
    // Beside the reading, because a pipe takes only so much. A program that does not read on says itself why.
    let writer = tokio::spawn(async move { drop(pipe.write_all(&input).await) });
    let ended = timeout(LIMIT, child.wait_with_output()).await;
    let Ok(ended) = ended else { panic!("{program} {arguments:?}: not within {LIMIT:?}") };
    let Output { status, stdout, stderr } = ended.unwrap();
    writer.await.unwrap();
    Said { well: status.success(), output: stdout, errors: String::from_utf8_lossy(&stderr).into_owned() }
}

/// kubectl, however it ends.
pub(crate) async fn attempt(arguments: &[&str]) -> Said {
    run("kubectl", arguments, b"").await
}

/// What kubectl answers.
pub(crate) async fn text(arguments: &[&str]) -> String {
    let said = attempt(arguments).await;
    assert!(said.well, "kubectl {arguments:?}: {}", said.errors);
    said.text()
}

/// An answer in JSON.
pub(crate) async fn get(arguments: &[&str]) -> Value {
    let all: Vec<&str> = ["get", "--output=json"].iter().chain(arguments).copied().collect();
    let answer = text(&all).await;
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("kubectl {all:?}: {error}: {answer}"))
}

/// The items of a list.
pub(crate) async fn list(arguments: &[&str]) -> Vec<Value> {
    get(arguments).await["items"].as_array().cloned().unwrap_or_default()
}

/// Makes what is described, or changes what is there so that it is that.
pub(crate) async fn apply(manifest: &Value) {
    let said = run("kubectl", &["apply", "--filename=-"], manifest.to_string().as_bytes()).await;
    assert!(said.well, "{}: {}", manifest["kind"], said.errors);
}

/// One value of a Secret.
pub(crate) async fn secret(namespace: &str, name: &str, key: &str) -> String {
    // The index, because a key may have a dash.
    let template = format!("--output=go-template={{{{index .data \"{key}\" | base64decode}}}}");
    text(&["get", "secret", name, "--namespace", namespace, &template]).await
}

/// Waits until all pods of a Deployment are those that it asks for, and ready.
pub(crate) async fn rolled_out(namespace: &str, deployment: &str) {
    let name = format!("deployment/{deployment}");
    text(&["rollout", "status", &name, "--namespace", namespace, "--timeout=300s"]).await;
}

/// Waits until the pods of Docket that are on their way out have gone: ways that are opened now lead to those that stay.
pub(crate) async fn steady() {
    let all = ["pods", "--namespace", DOCKET, "--selector=app.kubernetes.io/instance=docket"];
    wait_for("old pods to go", Duration::from_secs(180), async || {
        let pods = list(&all).await;
        let going = pods.iter().filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null()).count();
        if going == 0 { Ok(()) } else { Err(format!("{going} of {}", pods.len())) }
    })
    .await;
}

/// What removes these when the test is over, however it ends: arguments of `kubectl delete`.
#[derive(Debug)]
pub(crate) struct Removes(pub(crate) Vec<String>);

impl Drop for Removes {
    fn drop(&mut self) {
        let mut kubectl = std::process::Command::new("kubectl");
        kubectl.args(["delete", "--ignore-not-found", "--wait=false"]).args(&self.0).stdin(Stdio::null());
        let said = kubectl.output().unwrap();
        if !said.status.success() {
            eprintln!("kubectl delete {:?}: {}", self.0, String::from_utf8_lossy(&said.stderr));
        }
    }
}
