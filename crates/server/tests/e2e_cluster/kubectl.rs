//! kubectl for the tests of a cluster: what fails, fails the test.

use std::time::Duration;

use docket_testkit::kubernetes::{Error, Forward, Kubectl, Removes, Said};
use docket_testkit::wait_for;
use serde_json::Value;
use tokio::sync::OnceCell;

/// The namespace of Docket.
pub(crate) const DOCKET: &str = "docket";
/// The namespace of PostgreSQL and Kafka.
pub(crate) const DATA: &str = "docket-data";
/// The namespace of Dapr's control plane.
pub(crate) const DAPR: &str = "dapr-system";

/// For the context that was the current one at first, so that no test is led elsewhere by a change of it.
static KUBECTL: OnceCell<Kubectl> = OnceCell::const_new();

/// kubectl for the cluster of these tests.
pub(crate) async fn kubectl() -> &'static Kubectl {
    KUBECTL.get_or_init(async || expect(Kubectl::current().await)).await
}

/// What went well.
#[track_caller]
pub(crate) fn expect<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// kubectl with this input, however it ends.
pub(crate) async fn attempt(arguments: &[&str], input: &[u8]) -> Said {
    expect(kubectl().await.attempt(arguments, input).await)
}

/// What kubectl answers.
pub(crate) async fn text(arguments: &[&str]) -> String {
    expect(kubectl().await.text(arguments).await)
}

/// Waits as long as kubectl does.
pub(crate) async fn wait(arguments: &[&str]) {
    expect(kubectl().await.wait(arguments).await);
}

/// An answer in JSON.
pub(crate) async fn get(arguments: &[&str]) -> Value {
    expect(kubectl().await.get(arguments).await)
}

/// The items of a list.
pub(crate) async fn list(arguments: &[&str]) -> Vec<Value> {
    expect(kubectl().await.list(arguments).await)
}

/// Makes what is described, or changes what is there so that it is that.
pub(crate) async fn apply(manifest: &Value) {
    expect(kubectl().await.apply(manifest).await);
}

/// One value of a Secret.
pub(crate) async fn secret(namespace: &str, name: &str, key: &str) -> String {
    expect(kubectl().await.secret(namespace, name, key).await)
}

/// What removes these when the test is over, however it ends: arguments of `kubectl delete`.
pub(crate) async fn removes(arguments: Vec<String>) -> Removes {
    kubectl().await.removes(arguments)
}

/// Opens ways to these ports of a Deployment's pod.
pub(crate) async fn forward(namespace: &str, deployment: &str, ports: &[u16]) -> Forward {
    let forward = Forward::to(kubectl().await, namespace, &format!("deployment/{deployment}"), ports);
    expect(forward.open().await);
    forward
}

/// Waits until all pods of a Deployment are those that it asks for, and ready.
pub(crate) async fn rolled_out(namespace: &str, deployment: &str) {
    wait(&["rollout", "status", &format!("deployment/{deployment}"), "--namespace", namespace]).await;
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
