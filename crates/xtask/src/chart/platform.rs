//! What `deploy/platform` puts into a cluster besides Docket, held against the same schemas and rules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::manifest::{self, Manifest};
use super::{rules, schema};
use crate::workspace;

/// Whose resources have no schema here: Strimzi publishes its definitions with its releases alone, and no module that could be
/// pinned has them. `cargo xtask up` applies them with strict validation, which refuses fields that the cluster does not know.
const UNKNOWN: &str = "kafka.strimzi.io/";

/// Checks all manifests of the platform.
pub(super) fn check(kubeconform: &Path, annotations: &[String], schemas: &Path) -> Result<()> {
    let mut manifests = Vec::new();
    for file in files(&workspace::root().join("deploy/platform"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        manifests.extend(manifest::read(&text).with_context(|| format!("{}", file.display()))?);
    }
    let mut faults = rules::faults(&manifests, annotations);
    let of_strimzi = |manifest: &&Manifest| {
        manifest.0["apiVersion"].as_str().is_some_and(|version| version.starts_with(UNKNOWN))
    };
    // JSON is YAML.
    let known: Vec<String> =
        manifests.iter().filter(|one| !of_strimzi(one)).map(|one| one.0.to_string()).collect();
    if let Err(error) = schema::conform(kubeconform, &known.join("\n---\n"), schemas) {
        faults.push(format!("{error:#}"));
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("\n      ")) }
}

/// The files of manifests: all but values for charts of others.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else if name.ends_with(".yaml") && !name.ends_with(".values.yaml") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "there is no manifest in {}", folder.display());
    Ok(files)
}
