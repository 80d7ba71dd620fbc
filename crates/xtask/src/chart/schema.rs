//! Schemas of resources in JSON, made of what Kubernetes publishes and of definitions of custom resources, so strict that a
//! field nobody knows is an error.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use super::modules::Modules;
use super::render::succeed;
use crate::tools::strimzi::FILES;

/// What Kubernetes says about its own resources, below its module.
const OPENAPI: &str = "api/openapi-spec/swagger.json";

/// The resources of Kubernetes that the chart and the platform may have, by group, version and kind.
const KINDS: [(&str, &str, &str); 14] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "Namespace"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "ServiceAccount"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "StatefulSet"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler"),
    ("batch", "v1", "Job"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
];

/// Writes a schema for each resource that the chart may have.
pub(super) fn write(modules: &Modules, strimzi: &Path, into: &Path) -> Result<()> {
    let file = modules.kubernetes.join(OPENAPI);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let openapi: Value = serde_json::from_str(&text).with_context(|| format!("{}", file.display()))?;
    for (group, version, kind) in KINDS {
        let schema = of_kubernetes(&openapi["definitions"], group, version, kind)
            .with_context(|| format!("Kubernetes knows no {group} {version} {kind}"))?;
        save(into, group, version, kind, &schema)?;
    }
    for file in definitions(modules, strimzi) {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let options = serde_saphyr::options! { budget: None };
        let definition: Value = serde_saphyr::from_str_with_options(&text, options)
            .with_context(|| format!("{}", file.display()))?;
        for (group, version, kind, schema) in of_definition(&definition) {
            save(into, &group, &version, &kind, &schema)?;
        }
    }
    Ok(())
}

/// The definitions of custom resources.
fn definitions(modules: &Modules, strimzi: &Path) -> Vec<PathBuf> {
    let of = |folder: &Path, path: &str, names: &[&str]| -> Vec<PathBuf> {
        names.iter().map(|name| folder.join(path).join(name)).collect()
    };
    [
        of(&modules.dapr, "charts/dapr/crds", &["components.yaml", "configuration.yaml", "resiliency.yaml"]),
        of(
            &modules.keda,
            "config/crd/bases",
            &["keda.sh_scaledobjects.yaml", "keda.sh_triggerauthentications.yaml"],
        ),
        of(&modules.gateway, "config/crd/standard", &["gateway.networking.k8s.io_grpcroutes.yaml"]),
        of(
            &modules.prometheus,
            "example/prometheus-operator-crd",
            &["monitoring.coreos.com_podmonitors.yaml", "monitoring.coreos.com_prometheusrules.yaml"],
        ),
        of(
            &modules.cnpg,
            "config/crd/bases",
            &["postgresql.cnpg.io_clusters.yaml", "postgresql.cnpg.io_databases.yaml"],
        ),
        of(strimzi, "", &FILES),
    ]
    .concat()
}

fn save(into: &Path, group: &str, version: &str, kind: &str, schema: &Value) -> Result<()> {
    // kubeconform calls the group so that has no name.
    let group = if group.is_empty() { version } else { group };
    let file = into.join(format!("{group}_{version}_{}.json", kind.to_lowercase()));
    fs::write(&file, schema.to_string()).with_context(|| format!("cannot write {}", file.display()))
}

/// One resource of Kubernetes, with all definitions that it refers to.
fn of_kubernetes(definitions: &Value, group: &str, version: &str, kind: &str) -> Option<Value> {
    let wanted = json!({"group": group, "kind": kind, "version": version});
    let is_wanted = |definition: &Value| {
        let names = definition["x-kubernetes-group-version-kind"].as_array();
        names.is_some_and(|names| names.contains(&wanted))
    };
    let (name, _) = definitions.as_object()?.iter().find(|(_, definition)| is_wanted(definition))?;
    let mut found = Map::new();
    let mut open = vec![name.clone()];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let mut definition = definitions.get(&name)?.clone();
        references(&definition, &mut open);
        strict(&mut definition);
        found.insert(name, definition);
    }
    Some(json!({"$ref": format!("#/definitions/{name}"), "definitions": found}))
}

/// The names of all definitions that this one refers to.
fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str);
            names.extend(name.and_then(|name| name.strip_prefix("#/definitions/")).map(ToOwned::to_owned));
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, names)),
        _ => {}
    }
}

/// All versions of a custom resource: group, version, kind, schema.
fn of_definition(definition: &Value) -> Vec<(String, String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &definition["spec"];
    let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .map(|version| {
            let mut schema = version["schema"]["openAPIV3Schema"].clone();
            // Kubernetes knows these without being told.
            for field in ["apiVersion", "kind"] {
                schema["properties"][field] = json!({"type": "string"});
            }
            schema["properties"]["metadata"] = json!({"type": "object"});
            strict(&mut schema);
            (group.clone(), text(&version["name"]), kind.clone(), schema)
        })
        .collect()
}

/// Refuses fields that are not named, wherever some are; and puts into the words of JSON schemas what Kubernetes has words
/// of its own for.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let named = fields.get("properties").is_some_and(Value::is_object);
            let open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if named && !open && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            let number_too = fields.get("format") == Some(&json!("int-or-string"))
                || fields.get("x-kubernetes-int-or-string") == Some(&json!(true));
            if number_too {
                fields.remove("format");
                fields.insert("type".to_owned(), json!(["integer", "string"]));
            }
            for (name, value) in fields.iter_mut() {
                match name.as_str() {
                    // The names in it are those of fields, whatever they are called.
                    "properties" | "definitions" => {
                        value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(strict);
                    }
                    // What says only which of the fields go together names no others.
                    "anyOf" | "allOf" | "oneOf" | "not" | "default" | "enum" | "example" => {}
                    _ => strict(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Holds manifests against the schemas.
pub(super) fn conform(kubeconform: &Path, manifests: &str, schemas: &Path) -> Result<()> {
    let file = schemas.join("manifests.yaml");
    fs::write(&file, manifests).with_context(|| format!("cannot write {}", file.display()))?;
    let location = schemas.join("{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json");
    let mut command = Command::new(kubeconform);
    command.args(["-strict", "-summary", "-schema-location"]).arg(location).arg(&file);
    let said = succeed(&mut command, "kubeconform")?;
    // One that finds nothing to look at is content, too.
    ensure!(!said.contains("Valid: 0,") && said.contains("Skipped: 0"), "kubeconform: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused_where_fields_are_named() {
        let mut schema = json!({
            "properties": {
                "spec": {"properties": {"format": {"type": "string"}, "port": {"format": "int-or-string", "type": "string"}}},
                "data": {"additionalProperties": {"type": "string"}, "type": "object"},
                "free": {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": true},
                "properties": {"type": "object"},
            },
        });
        strict(&mut schema);
        assert_eq!(schema["additionalProperties"], json!(false));
        let of = |at: &str| schema.pointer(at).cloned().unwrap_or_default();
        assert_eq!(of("/properties/spec/additionalProperties"), json!(false));
        assert_eq!(of("/properties/spec/properties/port"), json!({"type": ["integer", "string"]}));
        assert_eq!(of("/properties/spec/properties/format"), json!({"type": "string"}));
        assert_eq!(of("/properties/data/additionalProperties"), json!({"type": "string"}));
        assert_eq!(of("/properties/free/additionalProperties"), Value::Null);
        assert_eq!(of("/properties/properties"), json!({"type": "object"}));
    }

    #[test]
    fn resource_comes_with_what_it_refers_to_and_nothing_else() {
        let definitions = json!({
            "io.Pod": {
                "properties": {"spec": {"$ref": "#/definitions/io.Spec"}},
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}],
            },
            "io.Spec": {"properties": {"self": {"items": {"$ref": "#/definitions/io.Spec"}}}},
            "io.Other": {"properties": {}},
        });
        let schema = of_kubernetes(&definitions, "", "v1", "Pod").unwrap();
        assert_eq!(schema["$ref"], "#/definitions/io.Pod");
        let names: Vec<_> = schema["definitions"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["io.Pod", "io.Spec"]);
        assert_eq!(of_kubernetes(&definitions, "", "v1", "Pods"), None);
    }

    #[test]
    fn custom_resource_has_what_every_resource_has() {
        let definition = json!({"spec": {"group": "dapr.io", "names": {"kind": "Component"}, "versions": [
            {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"properties": {"spec": {"type": "object"}}}}},
        ]}});
        let [(group, version, kind, schema)] = &of_definition(&definition)[..] else { panic!("not one") };
        assert_eq!((group.as_str(), version.as_str(), kind.as_str()), ("dapr.io", "v1alpha1", "Component"));
        assert_eq!(schema["properties"]["metadata"], json!({"type": "object"}));
        assert_eq!(schema["additionalProperties"], json!(false));
    }
}
