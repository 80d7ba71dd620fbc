//! The Helm chart of `deploy/`, as Helm renders it.

use std::path::Path;
use std::process::Command;

use crate::tool;

/// What `helm template` prints with these flags, for the release `docket` in the namespace `docket`.
pub fn chart(flags: &[String]) -> String {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/chart"));
    let mut helm = Command::new(tool("TOOL_HELM"));
    // Values are named from the folder of the chart.
    helm.current_dir(folder).args(["template", "docket", ".", "--namespace", "docket"]).args(flags);
    let output = helm.output().expect("helm can be run");
    assert!(output.status.success(), "{flags:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("helm writes UTF-8")
}
