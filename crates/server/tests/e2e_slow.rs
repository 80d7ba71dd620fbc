//! A handler that hangs holds back its own tasks, and nobody else's.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{PATIENCE, Stack, Storage, once, repeating, wait_for};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

async fn what_waits_for_a_handler_that_hangs_does_not_stop_the_others(storage: Storage) {
    const STUCK: usize = 6;
    const TASKS: usize = 3;
    const ATTEMPTS: usize = 3;
    // Nobody answers under this name, and to find that out takes the sidecar longer than a handler may take. All of the
    // handler's attempts together take longer than a call to the sidecar may take.
    let stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_RECURRENCE__TASKS_APP_ID", "nobody")
        .env("DOCKET_DAPR__HANDLER_TIMEOUT_MS", "300")
        .env("DOCKET_DAPR__DEADLINE_MS", "600")
        // Longer than the test: an event that is sent again was not sent again for want of a receipt.
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "300000")
        .start()
        .await;
    let alice = stack.user("alice");
    let chores =
        (0..STUCK).map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "UTC"));
    let chores = alice.create_all(chores).await;
    stack.settled().await;
    alice.complete_all(&chores).await;

    let bob = stack.user("bob");
    for n in 0..TASKS {
        let task = bob.create(once(&format!("Task {n}"))).await;
        bob.expect_story(&task, &["created"]).await;
    }
    let left = wait_for("the outbox to hold the completions alone", PATIENCE, async || {
        let left = stack.waiting_events().await;
        if left == STUCK as u64 { Ok(left) } else { Err(format!("{left} events")) }
    })
    .await;
    assert_eq!(left, STUCK as u64, "they wait, and are not lost");
    // Calls ended without an answer, and what they carried was delivered all the same: nothing was sent twice meanwhile.
    let failures = stack.docket.log_text().matches("event not handled").count();
    assert!(failures <= STUCK * ATTEMPTS, "{failures} failed attempts: some events were delivered again");
}

docket_testkit::on_each_database!(what_waits_for_a_handler_that_hangs_does_not_stop_the_others);
