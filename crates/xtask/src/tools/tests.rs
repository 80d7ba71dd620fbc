//! Which installed programs are taken.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// Makes a program.
pub(super) fn script(file: &Path, text: &str) {
    // Copied by another process: a file that this one writes stays open in whatever another test starts meanwhile,
    // and a program that is open for writing cannot be run.
    let draft = file.with_extension("draft");
    fs::write(&draft, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Command::new("cp").arg("-p").arg(&draft).arg(file).status().unwrap().success());
}

/// What is said about a program that answers `says`.
fn judged(tool: Tool, says: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(tool.name());
    let inside: String = dapr::methods().map(|method| format!("# {method}\n")).collect();
    script(&file, &format!("{inside}echo '{says}' >&2\nexit 1"));
    tool.accepts(&file)
}

#[test]
fn installed_programs_are_taken_when_new_enough() {
    let old = "1.18.3 or newer is needed";
    let check = |tool, says: &str, expect: Result<(), &str>| match (judged(tool, says), expect) {
        (Ok(()), Ok(())) => {}
        (Err(why), Err(expect)) => assert!(why.contains(expect), "{why}"),
        (got, _) => panic!("{says:?}: {got:?}"),
    };
    check(Tool::Daprd, "1.18.3", Ok(()));
    check(Tool::Daprd, "1.19.0-rc.1", Ok(()));
    check(Tool::Daprd, "1.18.2", Err(old));
    check(Tool::Daprd, "1.18.3-rc.2", Err(old));
    check(Tool::Daprd, "edge", Err(old));
    check(
        Tool::Scheduler,
        "time=\"05.58\" msg=\"Starting Dapr Scheduler Service -- version 1.18.4 -- commit \"",
        Ok(()),
    );
    check(Tool::Scheduler, "Error: unknown flag: --trust-anchors-file", Err(old));
    check(Tool::Grpcurl, "grpcurl dev build <no version set>", Ok(()));
    check(Tool::Buf, "1.2.0", Err("is version 1.2.0"));
    check(Tool::Promtool, "promtool, version 2.53.0 (branch: HEAD, revision: 4c35b92)", Ok(()));
    check(Tool::Promtool, "1.2.0", Err("is not promtool"));
    check(Tool::Helm, "v4.3.1+g0123abc", Ok(()));
    check(Tool::Helm, "v3.22.0+g0123abc", Err("4.0.0 or newer is needed"));
    check(Tool::HelmUnittest, "Usage: helm unittest [flags] CHART", Ok(()));
    check(Tool::HelmUnittest, "1.1.2", Err("is not helm-unittest"));
    check(Tool::Kubeconform, "v0.8.0", Ok(()));
    check(Tool::Kubeconform, "v0.6.7", Err("is version 0.6.7"));
    check(Tool::Jaeger, "jaeger version v2.13.0", Ok(()));
    check(Tool::Jaeger, "jaeger version v1.62.0", Err("is version 1.62.0"));
}

#[test]
fn sidecar_is_taken_with_all_components_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("daprd");
    script(&file, "echo 1.18.3");
    assert_eq!(Tool::Daprd.accepts(&file), Err("was built without bindings.smtp".to_owned()));
}

#[test]
fn what_is_no_program_is_not_taken() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(Tool::Daprd.accepts(file.path()), Err("is not a program".to_owned()));
}
