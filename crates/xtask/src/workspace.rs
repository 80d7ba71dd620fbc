//! Where things are.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

/// The feature that a package's tests of the default ring need.
pub(crate) const DEFAULT_RING: &str = "e2e";

/// How the names of those tests begin.
pub(crate) const DEFAULT_RING_NAMES: &str = "e2e_";

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The cargo that started this program, to be called in the workspace.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
    cargo.current_dir(root());
    // What cargo told this program about its own package is nothing to a cargo that it starts, and makes some build
    // scripts run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The packages of the workspace, as cargo describes them.
pub(crate) fn packages() -> Result<Vec<Value>> {
    match metadata()?["packages"].take() {
        Value::Array(packages) => Ok(packages),
        _ => bail!("cargo metadata names no packages"),
    }
}

/// Where cargo puts what it builds for development.
pub(crate) fn built() -> Result<PathBuf> {
    Ok(target()?.join("debug"))
}

/// Where cargo puts what it builds for production.
pub(crate) fn released() -> Result<PathBuf> {
    Ok(target()?.join("release"))
}

fn target() -> Result<PathBuf> {
    let metadata = metadata()?;
    let target = metadata["target_directory"].as_str().context("cargo metadata names no target directory")?;
    Ok(PathBuf::from(target))
}

fn metadata() -> Result<Value> {
    let mut cargo = cargo();
    cargo.args(["metadata", "--no-deps", "--format-version=1", "--offline"]);
    let output = cargo.output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("cargo metadata answers no JSON")
}

/// The features that switch the default ring on: `<package>/e2e` of every package that has one.
pub(crate) fn default_ring() -> Result<String> {
    let packages = packages()?;
    let with = packages.iter().filter(|package| package["features"].get(DEFAULT_RING).is_some());
    let features = with.filter_map(|package| Some(format!("{}/{DEFAULT_RING}", package["name"].as_str()?)));
    Ok(features.collect::<Vec<_>>().join(","))
}

/// The integration tests of the default ring, by name.
pub(crate) fn default_ring_tests() -> Result<BTreeSet<String>> {
    let packages = packages()?;
    let targets = packages.iter().flat_map(|package| package["targets"].as_array().into_iter().flatten());
    let names = targets
        .filter(|target| target["kind"] == json!(["test"]))
        .filter_map(|target| target["name"].as_str());
    Ok(names.filter(|name| name.starts_with(DEFAULT_RING_NAMES)).map(str::to_owned).collect())
}

/// The folder of what was built and can be built again.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match set {
        Some(cache) => cache,
        None => home().context("neither XDG_CACHE_HOME nor HOME says where a cache may be")?.join(".cache"),
    };
    Ok(cache.join("docket").join("tools"))
}

/// The user's folder.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ring_is_of_all_packages_that_have_one() {
        let features = default_ring().unwrap();
        let features: Vec<&str> = features.split(',').collect();
        for expect in ["docket-server/e2e", "docket-testkit/e2e"] {
            assert!(features.contains(&expect), "{features:?}");
        }
        assert!(!features.contains(&"docket-domain/e2e"), "{features:?}");
    }

    #[test]
    fn tests_of_the_default_ring_are_found_by_name() {
        let tests = default_ring_tests().unwrap();
        for expect in ["e2e_flow", "e2e_kafka", "e2e_cluster"] {
            assert!(tests.contains(expect), "{tests:?}");
        }
        assert!(!tests.contains("api"), "{tests:?}");
    }
}
