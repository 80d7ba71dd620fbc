//! That the chart belongs to the rest of the repository; needs nothing but its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{drift, folder};
use crate::workspace;

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn yaml(file: &Path) -> Value {
    serde_saphyr::from_str(&read(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn dapr_resources_are_those_of_components() {
    let (root, chart) = (workspace::root(), folder().join("dapr"));
    let sources = drift::sources(&root.join("components")).unwrap();
    assert!(sources.len() > 9, "{sources:?}");
    let mut names = BTreeSet::new();
    for source in sources {
        let name = source.file_name().unwrap().to_owned();
        let copy = chart.join(&name);
        let shown = source.strip_prefix(&root).unwrap().display();
        assert!(
            copy.exists() && read(&copy) == read(&source),
            "deploy/chart/dapr differs: cp {shown} deploy/chart/dapr/"
        );
        names.insert(name);
    }
    let copies: BTreeSet<_> = fs::read_dir(chart).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(copies, names, "a file of deploy/chart/dapr is not in components/");
}

#[test]
fn alerts_are_those_of_observability() {
    let alerts = workspace::root().join("deploy/observability/alerts.yaml");
    assert!(
        read(&alerts) == read(&folder().join("files/alerts.yaml")),
        "cp deploy/observability/alerts.yaml deploy/chart/files/"
    );
}

#[test]
fn chart_and_image_have_the_version_of_the_workspace() {
    let chart = yaml(&folder().join("Chart.yaml"));
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "Chart.yaml: {key}");
    }
}

/// Every key of values.yaml is in the schema, and the other way round: what is documented is known, and what is known is
/// documented.
#[test]
fn values_and_schema_know_the_same_keys() {
    let values = yaml(&folder().join("values.yaml"));
    let schema: Value = serde_json::from_str(&read(&folder().join("values.schema.json"))).unwrap();
    let mut faults = Vec::new();
    compare(&values, &schema, &schema, "", &mut faults);
    assert_eq!(faults, Vec::<String>::new());
}

/// Keys that are Helm's own, and those of a target that `defaults` documents.
fn documented_elsewhere(path: &str) -> bool {
    let of_pod = ["fsGroupChangePolicy", "supplementalGroups"].map(|key| format!("podSecurityContext.{key}"));
    path == "global" || of_pod.contains(&path.to_owned()) || path.starts_with("service.nodePorts.")
}

fn compare(values: &Value, schema: &Value, root: &Value, path: &str, faults: &mut Vec<String>) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let Some(properties) = schema["properties"].as_object() else { return };
    if schema["additionalProperties"] != Value::Bool(false) {
        return;
    }
    let Some(values) = values.as_object() else {
        faults.push(format!("{path} is no map"));
        return;
    };
    // Targets have what `defaults` has, where it is documented once.
    let own = path.starts_with("targets.") || path == "single";
    for key in values.keys().filter(|key| !properties.contains_key(*key)) {
        faults.push(format!("the schema does not know {path}.{key}"));
    }
    for (key, schema) in properties {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match values.get(key) {
            Some(values) if !own => compare(values, schema, root, &path, faults),
            None if !own && !documented_elsewhere(&path) => faults.push(format!("values.yaml lacks {path}")),
            _ => {}
        }
    }
}

#[test]
fn values_begin_with_what_they_are_for() {
    for file in [
        "values.yaml",
        "values-kind.yaml",
        "values-production.yaml",
        "examples/managed-kafka.yaml",
        "examples/managed-postgres.yaml",
    ] {
        assert!(read(&folder().join(file)).starts_with("# "), "{file} does not begin with what it is for");
    }
}
