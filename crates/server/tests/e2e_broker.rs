//! With a broker that keeps what it takes, its acknowledgement alone ends an event.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{PATIENCE, Stack, Storage, repeating, wait_for};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

async fn an_acknowledged_event_leaves_the_outbox_without_receipts(storage: Storage) {
    // The handler of the audit log gives up on its first deliveries: with receipts, that would keep the events.
    let stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_OUTBOX__CONFIRM", "broker")
        .failpoint("audit-error", "3*return->off")
        .start()
        .await;
    let alice = stack.user("alice");
    let chore = alice.create(repeating("Dust", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    stack.settled().await;
    // The broker of this test forgets what it could not deliver; that is what receipts are for.
    alice.complete(&chore).await;
    alice.successor_of(&chore).await;
    alice.expect_followed_once(std::slice::from_ref(&chore)).await;
    stack.settled().await;
    let told = wait_for("the completion in the audit log", PATIENCE, async || {
        let story = alice.story_of(&chore).await;
        if story.is_empty() { Err("nothing".to_owned()) } else { Ok(story) }
    })
    .await;
    let told: Vec<i64> = told.iter().map(|entry| entry.task_version).collect();
    assert_eq!(told, [2], "the creation ended with the acknowledgement, and its handler had failed");
}

docket_testkit::on_each_database!(an_acknowledged_event_leaves_the_outbox_without_receipts);
