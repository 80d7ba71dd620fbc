//! Manifests of Kubernetes, as Helm prints them.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Manifest(pub(super) Value);

/// A container, and whose it is.
#[derive(Debug)]
pub(super) struct Container<'a> {
    pub(super) value: &'a Value,
}

/// Reads all of a text.
pub(super) fn read(text: &str) -> Result<Vec<Manifest>> {
    let values: Vec<Option<Value>> = serde_saphyr::from_multiple(text).context("this is no YAML")?;
    let manifests: Vec<Manifest> =
        values.into_iter().flatten().filter(|value| !value.is_null()).map(Manifest).collect();
    for manifest in &manifests {
        ensure!(!manifest.kind().is_empty() && !manifest.name().is_empty(), "no manifest: {}", manifest.0);
    }
    Ok(manifests)
}

impl Manifest {
    pub(super) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// How it is told apart from others.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }

    /// Whether it is one of Dapr's.
    pub(super) fn is_of_dapr(&self) -> bool {
        self.0["apiVersion"].as_str().is_some_and(|version| version.starts_with("dapr.io/"))
    }

    /// The template of its pods, if it makes any.
    pub(super) fn pod(&self) -> Option<&Value> {
        let template = &self.0["spec"]["template"];
        matches!(self.kind(), "Deployment" | "Job" | "StatefulSet").then_some(template)
    }

    /// All containers of its pods.
    pub(super) fn containers(&self) -> Vec<Container<'_>> {
        let Some(pod) = self.pod() else { return Vec::new() };
        let lists = ["containers", "initContainers"].map(|list| pod["spec"][list].as_array());
        lists.into_iter().flatten().flatten().map(|value| Container { value }).collect()
    }
}
