//! Passwords: made once, kept in the cluster and nowhere else.
//!
//! They come from the kernel's random numbers, reach the API server through a pipe, and are never written to a disk, shown, or
//! put into arguments, which every process of the machine can read.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::platform::sum;
use crate::random;

/// Makes a login with a password of its own, unless it is there.
pub(super) fn login(kubectl: &Kubectl, namespace: &str, name: &str, user: &str) -> Result<()> {
    if kubectl.find(&["secret", name, "--namespace", namespace])?.is_some() {
        return Ok(());
    }
    let values = json!({"username": user, "password": random::hex(24)?});
    kubectl.apply(&secret(namespace, name, "kubernetes.io/basic-auth", &values).to_string())
}

/// The password of a login.
pub(super) fn password(kubectl: &Kubectl, namespace: &str, name: &str) -> Result<String> {
    value(kubectl, namespace, name, "password")
}

/// One value of a Secret.
pub(super) fn value(kubectl: &Kubectl, namespace: &str, name: &str, key: &str) -> Result<String> {
    // The index, because a key may have dots.
    let template = format!("--output=go-template={{{{index .data \"{key}\" | base64decode}}}}");
    let value = kubectl.text(&["get", "secret", name, "--namespace", namespace, &template]);
    value.with_context(|| format!("the Secret {name} in {namespace} has no {key}"))
}

/// Makes a Secret, or gives it these values. Answers a sum of them, by which somebody who read them can see that they changed.
pub(super) fn set(kubectl: &Kubectl, namespace: &str, name: &str, values: &Value) -> Result<String> {
    let secret = secret(namespace, name, "Opaque", values).to_string();
    kubectl.apply(&secret)?;
    Ok(sum(&secret))
}

fn secret(namespace: &str, name: &str, kind: &str, values: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            // CloudNativePG looks again at the password of a role when its Secret with this label has changed.
            "labels": {"app.kubernetes.io/part-of": "docket", "cnpg.io/reload": "true"},
        },
        "type": kind,
        "stringData": values,
    })
}
