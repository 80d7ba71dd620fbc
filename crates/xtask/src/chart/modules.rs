//! What Kubernetes, Dapr and others say about their resources, from their Go modules: each at one version, with its checksum.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::render::succeed;
use crate::{process, workspace};

/// Where the versions are pinned.
const PINS: &str = "crates/xtask/tools/schemas/modules.json";

/// A module, as it is pinned.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    name: String,
    module: String,
    version: String,
    /// As `go.sum` has it.
    sum: String,
}

/// The folders of the modules.
#[derive(Debug)]
pub(super) struct Modules {
    pub(super) kubernetes: PathBuf,
    pub(super) dapr: PathBuf,
    pub(super) keda: PathBuf,
    pub(super) gateway: PathBuf,
    pub(super) prometheus: PathBuf,
    pub(super) cnpg: PathBuf,
}

/// Has Go bring the modules into its own cache, unless they are there.
pub(super) fn bring() -> Result<Modules> {
    let pins = pins()?;
    ensure!(
        process::on_path("go").is_some(),
        "go is not on PATH: it brings what Kubernetes, Dapr and others say about their resources; get it from https://go.dev/dl/"
    );
    // No module is around it, so that each has the version that is asked for.
    let here = tempfile::tempdir().context("no folder to call Go in")?;
    let mut folders = BTreeMap::new();
    for pin in &pins {
        let mut go = Command::new("go");
        go.current_dir(here.path()).env("GOFLAGS", "").env("GOWORK", "off");
        // The checksum is looked at here.
        go.env("GONOSUMDB", &pin.module);
        go.args(["mod", "download", "-json", &format!("{}@{}", pin.module, pin.version)]);
        let said = succeed(&mut go, &format!("go mod download {}", pin.module))?;
        let said: Value = serde_json::from_str(&said).context("go answers no JSON")?;
        ensure!(
            said["Sum"] == pin.sum.as_str(),
            "{} {} is another one than it was: {} in place of {}",
            pin.module,
            pin.version,
            said["Sum"],
            pin.sum
        );
        let folder = said["Dir"].as_str().with_context(|| format!("go has no folder of {}", pin.module))?;
        folders.insert(pin.name.as_str(), PathBuf::from(folder));
    }
    let mut of = |name| folders.remove(name).with_context(|| format!("{PINS} does not pin {name}"));
    Ok(Modules {
        kubernetes: of("kubernetes")?,
        dapr: of("dapr")?,
        keda: of("keda")?,
        gateway: of("gateway")?,
        prometheus: of("prometheus")?,
        cnpg: of("cnpg")?,
    })
}

fn pins() -> Result<Vec<Pin>> {
    let file = workspace::root().join(PINS);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Components are checked against the Dapr with which they are run.
    #[test]
    fn dapr_is_the_one_of_the_tests() {
        let module = workspace::root().join("crates/xtask/tools/dapr/go.mod");
        let module = fs::read_to_string(module).unwrap();
        let pins = pins().unwrap();
        let dapr = pins.iter().find(|pin| pin.name == "dapr").unwrap();
        assert!(module.contains(&format!("{} {}\n", dapr.module, dapr.version)), "{dapr:?}");
    }
}
