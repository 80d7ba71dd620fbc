//! What is pinned: `deploy/platform/versions.toml`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::workspace;

/// All that is brought from elsewhere.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Versions {
    pub(super) kubernetes: Kubernetes,
    pub(crate) charts: Charts,
    /// By what they are for. The manifests name them themselves, and a test holds both together.
    images: BTreeMap<String, String>,
}

/// Which Kubernetes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kubernetes {
    /// The oldest that everything works with.
    pub(super) oldest: String,
    /// The image of kind's node.
    pub(super) node: String,
}

/// The charts of others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Charts {
    pub(crate) dapr: Pin,
    pub(super) strimzi: Pin,
    pub(super) cnpg: Pin,
}

/// A chart at a version.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// Its name in the repository, or the whole of an `oci://` reference.
    pub(super) chart: String,
    /// The repository; none where `chart` says it.
    pub(super) repository: Option<String>,
    pub(crate) version: String,
}

impl Versions {
    /// Reads them.
    pub(crate) fn read() -> Result<Self> {
        let file = workspace::root().join("deploy/platform/versions.toml");
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is wrong", file.display()))
    }

    /// The image for something.
    pub(crate) fn image(&self, what: &str) -> Result<&str> {
        let image = self.images.get(what).map(String::as_str);
        image.with_context(|| format!("deploy/platform/versions.toml pins no image for {what}"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::tools::dapr_is_new_enough;

    #[test]
    fn every_pin_is_one_version_and_new_enough() {
        let versions = Versions::read().unwrap();
        assert!(
            versions.kubernetes.node.contains(":v1.36.") && versions.kubernetes.node.contains("@sha256:")
        );
        assert!(dapr_is_new_enough(&versions.charts.dapr.version), "{:?}", versions.charts.dapr);
        for pin in [&versions.charts.dapr, &versions.charts.strimzi, &versions.charts.cnpg] {
            assert_eq!(pin.repository.is_none(), pin.chart.starts_with("oci://"), "{pin:?}");
        }
    }

    #[test]
    fn manifests_name_the_images_that_are_pinned() {
        let folder = workspace::root().join("deploy/platform");
        let mut named = BTreeSet::new();
        for part in [".", "plain", "strimzi", "cnpg"] {
            images(&folder.join(part), &mut named);
        }
        let pinned: BTreeSet<String> = Versions::read().unwrap().images.into_values().collect();
        assert_eq!(named, pinned);
        for image in pinned {
            let (_, tag) = image.split('@').next().unwrap().rsplit_once(':').unwrap();
            assert!(tag.starts_with(|first: char| first.is_ascii_digit()), "{image}");
        }
    }

    /// What the manifests of a folder name.
    fn images(folder: &Path, named: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter_map(|line| {
                let line = line.trim().trim_start_matches("- ");
                line.strip_prefix("image: ").or_else(|| line.strip_prefix("imageName: "))
            });
            named.extend(lines.map(str::to_owned));
        }
    }
}
