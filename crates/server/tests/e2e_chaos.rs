//! Chaos with a fixed seed, for ninety seconds: whatever breaks, nothing is lost, doubled, out of order or shown to the wrong one,
//! and everything is in order again soon.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use docket_chaos::Options;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// Where a failed run leaves its logs.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/chaos");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ninety_seconds_of_chaos_leave_nothing_wrong() {
    let options = Options {
        folder: FOLDER.into(),
        ..Options::new(20_261_121, Duration::from_secs(90), Path::new(DOCKET).into())
    };
    let report = Box::pin(docket_chaos::run(options)).await.unwrap();
    assert!(report.is_clean(), "{report}");
    // It was no calm run: faults of several kinds, poison that was really planted, changes whose outcome nobody knew.
    let kinds: BTreeSet<String> = report.struck.iter().map(|struck| format!("{:?}", struck.fault)).collect();
    assert!(kinds.len() > 3, "{report}");
    let unknown =
        |outcomes: &BTreeMap<String, u64>| outcomes.keys().any(|outcome| outcome.starts_with("unknown"));
    let changes = ["Create", "Update", "Complete", "Reopen", "Delete"];
    assert!(changes.iter().any(|method| report.calls.get(*method).is_some_and(unknown)), "{report}");
    for method in ["Create", "Update", "Complete", "Reopen", "Delete", "Read", "Story"] {
        let acknowledged = report.calls.get(method).and_then(|outcomes| outcomes.get("ok"));
        assert!(acknowledged.is_some_and(|count| *count > 0), "{method}: {report}");
    }
}
