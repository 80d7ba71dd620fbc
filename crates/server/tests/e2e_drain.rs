//! Docket and its sidecar are told to end at the same time, in the middle of their work: what is under way is finished and
//! published, nothing is lost, and neither waits for the other longer than it has to.

use std::path::Path;
use std::time::Duration;

use docket_testkit::{Load, Signal, Stack, Storage};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A user who has no answer by then asks again.
const GIVE_UP: Duration = Duration::from_secs(3);

/// How long the sidecar waits for docket, in seconds, unless docket says that it has ended: longer than a test takes.
const BLOCK: u32 = 600;

/// How many calls make a phase.
const SOME: u64 = 100;

async fn all_that_was_acknowledged_outlives_the_end_of_both(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "2000")
        .block_shutdown(BLOCK, 30)
        .start()
        .await;
    let users = ["alice", "bob", "carol", "dave"].map(|name| vec![stack.user(name)]);
    let load = Load::of(users.into()).giving_up_after(GIVE_UP);
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            stack.daprd().signal(Signal::SIGTERM);
            let docket = stack.docket.terminate().await;
            assert!(docket.success(), "docket ended with {docket}");
            let daprd = stack.daprd().wait_exit().await;
            assert!(daprd.success(), "daprd ended with {daprd}");
            let log = stack.daprd().log_text();
            assert!(log.contains("Blocking graceful shutdown"), "it waited for docket");
            assert!(log.contains("App reported unhealthy, entering shutdown"), "and heard that it had ended");

            stack.docket.restart().await;
            stack.daprd().restart().await;
            stack.ready().await;
            load.acknowledged(SOME).await;
        })
        .await;
    stack.settled().await;
    load.expect_all_once(&chores, 0).await;
    let log = stack.docket.log_text();
    assert!(!log.contains("is given up") && !log.contains("are given up"), "nothing was cut off: {log}");
}

docket_testkit::on_each_database!(all_that_was_acknowledged_outlives_the_end_of_both);
