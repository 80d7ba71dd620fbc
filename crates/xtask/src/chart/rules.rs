//! What must hold for every manifest, whatever the values: images are pinned, nothing secret is written out, pods keep to
//! the restricted Pod Security Standard, and Dapr knows every annotation.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::manifest::{Container, Manifest};

/// Where Dapr's injector names the annotations that it reads.
const ANNOTATIONS: &str = "pkg/injector/annotations/annotations.go";

/// How the names of variables end whose values must come from a Secret.
const SECRETS: [&str; 6] = ["PASSWORD", "TOKEN", "SECRET", "KEY", "URL", "BROKERS"];

/// The Secrets that the chart makes.
const MADE: [&str; 3] = ["docket-api-token", "docket-app-token", "docket-auth"];

/// The annotations that Dapr reads, from its source.
pub(super) fn annotations(dapr: &Path) -> Result<Vec<String>> {
    let file = dapr.join(ANNOTATIONS);
    let source = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let names: Vec<String> = source
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|text| text.starts_with("dapr.io/"))
        .map(ToOwned::to_owned)
        .collect();
    ensure!(names.len() > 40, "{} names too few annotations", file.display());
    Ok(names)
}

/// Everything that is wrong, a line each.
pub(super) fn faults(manifests: &[Manifest], annotations: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut titles = BTreeSet::new();
    for manifest in manifests {
        let title = manifest.title();
        let mut found = Vec::new();
        for container in manifest.containers() {
            found.extend(image(container.value["image"].as_str().unwrap_or_default()));
            found.extend(literals(&container));
            found.extend(unrestricted(&container));
        }
        if let Some(pod) = manifest.pod() {
            found.extend(unrestricted_pod(&pod["spec"]));
            found.extend(unknown_annotations(pod, annotations));
        }
        found.extend(secret(manifest));
        faults.extend(found.into_iter().map(|fault| format!("{title}: {fault}")));
        if !titles.insert(title.clone()) {
            faults.push(format!("{title}: is there twice"));
        }
    }
    faults.extend(leaks(manifests));
    faults
}

/// An image without a version, or with one that moves.
fn image(image: &str) -> Option<String> {
    let name = image.rsplit('/').next().unwrap_or_default();
    if name.contains("@sha256:") {
        return None;
    }
    match name.split_once(':') {
        Some((_, tag)) if tag != "latest" && !tag.is_empty() => None,
        _ => Some(format!("image {image:?} is not pinned to a version")),
    }
}

/// Variables whose names say that they are secret, with values for everybody to read.
fn literals(container: &Container<'_>) -> Vec<String> {
    let variables = container.value["env"].as_array().into_iter().flatten();
    let secret = |variable: &&Value| {
        let name = variable["name"].as_str().unwrap_or_default();
        SECRETS.iter().any(|end| name.ends_with(end)) && variable.get("valueFrom").is_none()
    };
    variables.filter(secret).map(|variable| format!("{} must come from a Secret", variable["name"])).collect()
}

/// What a container may do that it need not.
fn unrestricted(container: &Container<'_>) -> Vec<String> {
    let context = &container.value["securityContext"];
    let wanted = [
        ("allowPrivilegeEscalation", json!(false)),
        ("readOnlyRootFilesystem", json!(true)),
        ("capabilities", json!({"drop": ["ALL"]})),
    ];
    let wrong = wanted.iter().filter(|(key, value)| context[*key] != *value);
    let mut faults: Vec<String> =
        wrong.map(|(key, value)| format!("securityContext.{key} must be {value}")).collect();
    if container.value["resources"]["limits"]["memory"].is_null() {
        faults.push("resources.limits.memory is missing".to_owned());
    }
    faults
}

/// The same of a pod.
fn unrestricted_pod(spec: &Value) -> Vec<String> {
    let wanted = [
        ("/securityContext/runAsNonRoot", json!(true)),
        ("/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        ("/automountServiceAccountToken", json!(false)),
    ];
    let wrong = wanted.iter().filter(|(at, value)| spec.pointer(at) != Some(value));
    let mut faults: Vec<String> = wrong.map(|(at, value)| format!("spec{at} must be {value}")).collect();
    // Each Service of the namespace would be variables in it, some of which Docket would take for its own.
    if spec["containers"][0]["name"] == "docket" && spec["enableServiceLinks"] != json!(false) {
        faults.push("spec/enableServiceLinks must be false".to_owned());
    }
    for forbidden in ["hostNetwork", "hostPID", "hostIPC"] {
        if spec[forbidden] == json!(true) {
            faults.push(format!("spec/{forbidden} must not be"));
        }
    }
    faults
}

/// What Dapr would pass over in silence.
fn unknown_annotations(pod: &Value, known: &[String]) -> Vec<String> {
    let annotations = pod["metadata"]["annotations"].as_object();
    let names = annotations.into_iter().flat_map(|annotations| annotations.keys());
    let unknown = names.filter(|name| name.starts_with("dapr.io/") && !known.contains(name));
    unknown.map(|name| format!("Dapr knows no annotation {name}")).collect()
}

/// A Secret that the chart should not have made.
fn secret(manifest: &Manifest) -> Option<String> {
    let foreign = manifest.kind() == "Secret" && !MADE.contains(&manifest.name());
    foreign.then(|| "secrets belong into Secrets that others make".to_owned())
}

/// Values of Secrets that are somewhere else, too.
fn leaks(manifests: &[Manifest]) -> Vec<String> {
    let (secrets, others): (Vec<_>, Vec<_>) =
        manifests.iter().partition(|manifest| manifest.kind() == "Secret");
    let values = |manifest: &Manifest| -> Vec<String> {
        let data = manifest.0["data"].as_object();
        let values = data.into_iter().flat_map(|data| data.values());
        values.filter_map(|value| value.as_str().map(ToOwned::to_owned)).collect()
    };
    let mut faults = Vec::new();
    for secret in secrets {
        for value in values(secret) {
            let plain = BASE64_STANDARD.decode(&value).unwrap_or_default();
            let plain = String::from_utf8_lossy(&plain);
            // As it is, and as it is written in a Secret: without its padding, where it may be a part of a longer text.
            let shown = |text: &str| text.contains(value.trim_end_matches('=')) || text.contains(&*plain);
            let told = others.iter().filter(|other| shown(&other.0.to_string()));
            faults
                .extend(told.map(|other| format!("{}: shows what is in {}", other.title(), secret.title())));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Deployment without a fault.
    fn good() -> Value {
        json!({
            "kind": "Deployment", "metadata": {"name": "docket-tasks"},
            "spec": {"template": {
                "metadata": {"annotations": {"dapr.io/enabled": "true", "checksum/config": "x"}},
                "spec": {
                    "automountServiceAccountToken": false, "enableServiceLinks": false,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{
                        "name": "docket",
                        "image": "docket:0.4.0",
                        "env": [
                            {"name": "DOCKET_AUTH__SECRET", "valueFrom": {"secretKeyRef": {}}},
                            {"name": "DOCKET_CONFIG", "value": "/etc/docket/docket.toml"},
                        ],
                        "resources": {"limits": {"memory": "512Mi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]},
                        },
                    }],
                },
            }},
        })
    }

    fn judged(manifests: &[Value]) -> Vec<String> {
        let manifests: Vec<Manifest> = manifests.iter().cloned().map(Manifest).collect();
        faults(&manifests, &["dapr.io/enabled".to_owned()])
    }

    #[test]
    fn each_breach_is_told() {
        assert_eq!(judged(&[good()]), Vec::<String>::new());
        let check = |at: &str, value: Value, expect: &str| {
            let mut bad = good();
            *bad.pointer_mut(at).unwrap() = value;
            let told = judged(&[bad]);
            assert!(told.len() == 1 && told[0].contains(expect), "{at}: {told:?}");
        };
        let pod = "/spec/template/spec";
        let container = "/spec/template/spec/containers/0";
        for image in ["docket", "docket:latest", "registry.example:5000/docket", "docket:"] {
            check(&format!("{container}/image"), json!(image), "is not pinned");
        }
        check(&format!("{container}/env/0"), json!({"name": "A_TOKEN", "value": "x"}), "from a Secret");
        check(&format!("{container}/resources/limits"), json!({}), "limits.memory");
        check(&format!("{container}/securityContext/readOnlyRootFilesystem"), json!(false), "must be true");
        check(&format!("{container}/securityContext/capabilities"), json!({"drop": []}), "ALL");
        check(&format!("{pod}/automountServiceAccountToken"), json!(true), "must be false");
        check(&format!("{pod}/enableServiceLinks"), json!(null), "must be false");
        check(&format!("{pod}/securityContext/runAsNonRoot"), json!(null), "must be true");
        check(
            "/spec/template/metadata/annotations",
            json!({"dapr.io/app-helth": "true"}),
            "knows no annotation dapr.io/app-helth",
        );
    }

    #[test]
    fn pinned_images_pass() {
        for image in ["docket:0.4.0", "registry.example:5000/docket:1", "ghcr.io/a/docket@sha256:00"] {
            assert_eq!(super::image(image), None, "{image}");
        }
    }

    #[test]
    fn secrets_are_told_wherever_they_are() {
        let secret = |name: &str| json!({"kind": "Secret", "metadata": {"name": name}, "data": {"token": "c2VjcmV0MQ=="}});
        let config =
            |text: &str| json!({"kind": "ConfigMap", "metadata": {"name": "docket"}, "data": {"a": text}});
        assert_eq!(judged(&[secret("docket-auth"), config("quiet")]), Vec::<String>::new());
        assert!(judged(&[secret("docket-kafka")])[0].contains("that others make"));
        for shown in ["token c2VjcmV0MQ==", "token = secret1"] {
            let told = judged(&[secret("docket-auth"), config(shown)]);
            assert!(told[0].contains("ConfigMap docket: shows what is in Secret docket-auth"), "{told:?}");
        }
        assert!(judged(&[config("x"), config("x")])[0].contains("is there twice"));
    }
}
