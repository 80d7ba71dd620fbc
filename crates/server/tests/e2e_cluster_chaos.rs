//! Chaos in the cluster of kubectl's current context: every fault that it knows strikes once, and nothing is lost, doubled or
//! out of order, nor is any call refused but as it is documented.

use std::path::PathBuf;

use docket_chaos::Report;
use docket_chaos::cluster::{Options, run};

/// Where a failed run leaves its logs.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/chaos");

/// What changes the release.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/chart");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "release ring: needs a cluster"]
async fn every_fault_of_a_cluster_leaves_nothing_wrong() {
    let defaults = Options::new(20_261_122);
    let options = Options {
        replicas: Some(2),
        chart: CHART.into(),
        helm: std::env::var_os("TOOL_HELM").map_or(defaults.helm.clone(), PathBuf::from),
        folder: FOLDER.into(),
        ..defaults
    };
    let faults = options.faults.len();
    let report = run(options).await.unwrap_or_else(|error| panic!("{error:#}"));
    eprintln!("{report}");
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.struck.len(), faults, "{report}");
    assert!(report.notes.iter().all(|note| !note.contains("was not judged")), "{report}");
    // Clients worked through all of them, and were told that what they changed is there.
    assert!(report.struck.iter().all(|struck| during(&report, &struck.fault) > 0), "{report}");
    let changes = ["Create", "Update", "Complete", "Reopen", "Delete"];
    let kept = |method: &str| report.calls.get(method).and_then(|outcomes| outcomes.get("ok"));
    assert!(changes.iter().all(|method| kept(method).is_some_and(|count| *count > 0)), "{report}");
}

/// How many calls there were while a fault struck.
fn during(report: &Report, fault: &str) -> u64 {
    report.acts.iter().filter(|act| act.name == fault).map(|act| act.calls).sum()
}
