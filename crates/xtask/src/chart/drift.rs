//! The chart's Dapr resources against `components/`: what sidecars are given in Kubernetes is what they are given elsewhere,
//! but for where secrets come from and who may have what.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::manifest::Manifest;
use super::render::NAMESPACE;

/// The folders whose files the chart has copies of, below `components/`.
pub(super) const FOLDERS: [&str; 6] = [
    "kafka/common",
    "notification/common",
    "notification/smtp",
    "notification/sendgrid",
    "notification/fcm",
    "notification/webhook",
];

/// What Kubernetes has a store of its own for.
const ELSEWHERE: [&str; 1] = ["secrets-notification.yaml"];

/// Metadata that the chart may say otherwise.
const CHOSEN: [&str; 3] = ["saslMechanism", "schedule", "url"];

/// Metadata that the chart adds: who may do what with which topic.
const ADDED: [&str; 4] = ["allowedTopics", "protectedTopics", "publishingScopes", "subscriptionScopes"];

/// The component of which there is one for each origin of webhooks.
const WEBHOOK: &str = "webhook-example";

/// What must be there where there are sidecars.
const NEEDED: [(&str, &str); 6] = [
    ("Component", "pubsub"),
    ("Component", "pubsub-dead-letters"),
    ("Component", "pubsub-reminders"),
    ("Component", "recurring-scheduler"),
    ("Configuration", "docket"),
    ("Resiliency", "docket"),
];

/// The files that the chart has copies of.
pub(super) fn sources(components: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in FOLDERS.map(|folder| components.join(folder)) {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if !path.file_name().is_some_and(|name| ELSEWHERE.iter().any(|other| name == *other)) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where the chart differs from `components/`, a line each.
pub(super) fn faults(manifests: &[Manifest], components: &Path) -> Result<Vec<String>> {
    let mut known = BTreeMap::new();
    for file in sources(components)? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let value: Value = serde_saphyr::from_str(&text).with_context(|| format!("{}", file.display()))?;
        let resource = Manifest(value);
        known.insert((resource.kind().to_owned(), resource.name().to_owned()), resource.0);
    }
    Ok(compare(manifests, &known))
}

fn compare(manifests: &[Manifest], known: &BTreeMap<(String, String), Value>) -> Vec<String> {
    let mut faults = Vec::new();
    let sidecars = manifests
        .iter()
        .filter_map(Manifest::pod)
        .any(|pod| pod.pointer("/metadata/annotations/dapr.io~1enabled").is_some());
    let there = |kind: &str, name: &str| manifests.iter().any(|one| one.kind() == kind && one.name() == name);
    let missing = NEEDED.iter().filter(|(kind, name)| sidecars != there(kind, name));
    faults.extend(missing.map(|(kind, name)| match sidecars {
        true => format!("{kind} {name}: is missing"),
        false => format!("{kind} {name}: nobody reads it without sidecars"),
    }));
    for manifest in manifests.iter().filter(|manifest| manifest.is_of_dapr()) {
        let named = |name: &str| known.get(&(manifest.kind().to_owned(), name.to_owned()));
        let is_hook = manifest.0.pointer("/spec/type") == Some(&json!("bindings.http"));
        let Some(source) = named(manifest.name()).or_else(|| named(WEBHOOK).filter(|_| is_hook)) else {
            faults.push(format!("{}: is not in components/", manifest.title()));
            continue;
        };
        let found = match manifest.kind() {
            "Component" => of_component(&manifest.0, source),
            "Resiliency" => of_resiliency(&manifest.0, source),
            _ => of_configuration(&manifest.0, source),
        };
        faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", manifest.title())));
    }
    faults
}

fn of_component(rendered: &Value, source: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for key in ["type", "version", "ignoreErrors", "initTimeout"] {
        if rendered["spec"][key] != source["spec"][key] {
            faults.push(format!("spec.{key} is another one than in components/"));
        }
    }
    let items = |value: &Value| -> BTreeMap<String, Value> {
        let items = value["spec"]["metadata"].as_array().cloned().unwrap_or_default();
        items.into_iter().map(|item| (item["name"].as_str().unwrap_or_default().to_owned(), item)).collect()
    };
    let (rendered_items, source_items) = (items(rendered), items(source));
    for (name, wanted) in &source_items {
        let Some(found) = rendered_items.get(name) else {
            faults.push(format!("{name} is missing"));
            continue;
        };
        // The name of a Secret may be chosen; its keys may not.
        let same = match wanted.get("secretKeyRef") {
            Some(wanted) => found["secretKeyRef"]["key"] == wanted["key"] && found.get("value").is_none(),
            None => found == wanted || CHOSEN.contains(&name.as_str()),
        };
        if !same {
            faults.push(format!("{name} is {found}, and {wanted} in components/"));
        }
    }
    let added = rendered_items.keys().filter(|name| !source_items.contains_key(*name));
    let strange = added.filter(|name| !ADDED.contains(&name.as_str()));
    faults.extend(strange.map(|name| format!("{name} is not in components/")));
    if source.get("auth").is_some() && rendered["auth"] != json!({"secretStore": "kubernetes"}) {
        faults.push("auth.secretStore must be kubernetes".to_owned());
    }
    faults.extend(unscoped(rendered));
    faults
}

fn of_resiliency(rendered: &Value, source: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if rendered["spec"]["policies"] != source["spec"]["policies"] {
        faults.push("spec.policies are others than in components/".to_owned());
    }
    let (rendered_targets, source_targets) = (&rendered["spec"]["targets"], &source["spec"]["targets"]);
    // One process of all targets calls nobody else.
    let single = rendered["scopes"] == json!(["docket"]);
    if rendered_targets["apps"] != source_targets["apps"] && !(single && rendered_targets["apps"].is_null()) {
        faults.push("spec.targets.apps are others than in components/".to_owned());
    }
    for (name, found) in rendered_targets["components"].as_object().into_iter().flatten() {
        let wanted = source_targets["components"].get(name).or(source_targets["components"].get(WEBHOOK));
        if Some(found) != wanted {
            faults.push(format!("spec.targets.components.{name} is another one than in components/"));
        }
    }
    for name in source_targets["components"].as_object().into_iter().flat_map(|names| names.keys()) {
        if name != WEBHOOK && rendered_targets["components"].get(name).is_none() {
            faults.push(format!("spec.targets.components.{name} is missing"));
        }
    }
    faults.extend(unscoped(rendered));
    faults
}

fn of_configuration(rendered: &Value, source: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if rendered["spec"]["tracing"] != source["spec"]["tracing"] {
        faults.push("spec.tracing is another one than in components/".to_owned());
    }
    let control = &rendered["spec"]["accessControl"];
    let mut wanted = source["spec"]["accessControl"]["policies"].clone();
    for policy in wanted.as_array_mut().into_iter().flatten() {
        policy["namespace"] = json!(NAMESPACE);
        policy["trustDomain"] = control["trustDomain"].clone();
    }
    // Without policies there are no others to keep out: one process of all targets, which calls itself.
    let closed = control["defaultAction"] == json!("deny");
    if control["policies"] != wanted && (closed || !control["policies"].is_null()) {
        faults.push("spec.accessControl.policies are others than in components/".to_owned());
    }
    faults
}

/// A resource without scopes is everybody's.
fn unscoped(rendered: &Value) -> Option<String> {
    let scoped = rendered["scopes"].as_array().is_some_and(|scopes| !scopes.is_empty());
    (!scoped).then(|| "has no scopes, and so every app of the namespace would load it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component() -> Value {
        json!({
            "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "pubsub"},
            "spec": {"type": "pubsub.kafka", "version": "v1", "metadata": [
                {"name": "brokers", "secretKeyRef": {"name": "docket-kafka", "key": "brokers"}},
                {"name": "saslMechanism", "value": "SHA-256"},
                {"name": "initialOffset", "value": "oldest"},
            ]},
            "auth": {"secretStore": "docket-secrets"},
        })
    }

    fn rendered() -> Value {
        let mut rendered = component();
        rendered["auth"] = json!({"secretStore": "kubernetes"});
        rendered["scopes"] = json!(["docket-tasks"]);
        let items = rendered.pointer_mut("/spec/metadata").unwrap().as_array_mut().unwrap();
        items[0]["secretKeyRef"]["name"] = json!("kafka-login");
        items[1]["value"] = json!("SHA-512");
        items.push(json!({"name": "allowedTopics", "value": "task-events"}));
        rendered
    }

    #[test]
    fn each_difference_of_a_component_is_told() {
        assert_eq!(of_component(&rendered(), &component()), Vec::<String>::new());
        let check = |at: &str, value: Value, expect: &str| {
            let mut bad = rendered();
            *bad.pointer_mut(at).unwrap() = value;
            let told = of_component(&bad, &component());
            assert!(told.len() == 1 && told[0].contains(expect), "{at}: {told:?}");
        };
        check("/spec/type", json!("pubsub.redis"), "spec.type");
        check("/spec/metadata/0/secretKeyRef/key", json!("broker"), "brokers is");
        check("/spec/metadata/2/value", json!("newest"), "initialOffset is");
        check("/spec/metadata/3/name", json!("alowedTopics"), "alowedTopics is not in components/");
        check("/auth/secretStore", json!("docket-secrets"), "must be kubernetes");
        check("/scopes", json!([]), "has no scopes");
        let mut short = rendered();
        short.pointer_mut("/spec/metadata").unwrap().as_array_mut().unwrap().remove(2);
        assert!(of_component(&short, &component())[0].contains("initialOffset is missing"));
    }

    #[test]
    fn resources_without_sidecars_and_sidecars_without_resources_are_told() {
        let pod = json!({"kind": "Deployment", "metadata": {"name": "docket"}, "spec": {"template": {
            "metadata": {"annotations": {"dapr.io/enabled": "true"}}, "spec": {},
        }}});
        let known = BTreeMap::from([(("Component".to_owned(), "pubsub".to_owned()), component())]);
        let told = compare(&[Manifest(pod)], &known);
        assert_eq!(told.len(), NEEDED.len(), "{told:?}");
        assert!(told.iter().all(|fault| fault.ends_with("is missing")), "{told:?}");
        let told = compare(&[Manifest(rendered())], &known);
        assert!(told.len() == 1 && told[0].contains("nobody reads it"), "{told:?}");
        let mut strange = rendered();
        strange["metadata"]["name"] = json!("statestore");
        assert!(compare(&[Manifest(strange)], &known)[0].contains("is not in components/"));
    }

    #[test]
    fn policies_of_others_are_told() {
        let policy = |namespace: &str, operation: &str| {
            json!({"spec": {"tracing": {"samplingRate": "0"}, "accessControl": {
                "defaultAction": "deny", "trustDomain": "public", "policies": [{
                    "appId": "docket-recurrence", "defaultAction": "deny", "trustDomain": "public",
                    "namespace": namespace, "operations": [{"name": operation, "action": "allow"}],
                }],
            }}})
        };
        let source = policy("default", "/docket.v1.*/*");
        assert_eq!(of_configuration(&policy(NAMESPACE, "/docket.v1.*/*"), &source), Vec::<String>::new());
        for wrong in [policy("default", "/docket.v1.*/*"), policy(NAMESPACE, "/*")] {
            assert_eq!(of_configuration(&wrong, &source).len(), 1);
        }
    }
}
