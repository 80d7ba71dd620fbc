//! The sidecar dies with events in its memory: receipts bring them back, and their effect happens once.

use std::path::Path;

use docket_proto::v1::Task;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{PATIENCE, Stack, StackBuilder, Storage, repeating, wait_for};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn impatient(storage: &Storage) -> StackBuilder {
    Stack::builder(Path::new(DOCKET)).storage(storage).env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
}

fn chores(count: usize) -> impl Iterator<Item = Task> {
    (0..count).map(|n| repeating(&format!("Chore {n}"), Pattern::Weekly, "2027-02-01T07:00:00Z", "UTC"))
}

/// How many of these events are in the outbox at least; a replica beside this one may have brought most of them.
fn left_of(count: usize, storage: &Storage) -> u64 {
    if storage.is_replicated() { 1 } else { count as u64 }
}

/// The sidecar is stopped before it can read what it is sent, and dies with it.
async fn events_that_died_with_the_sidecar_come_back(storage: Storage) {
    let mut stack = impatient(&storage).start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(20)).await;
    stack.settled().await;

    stack.daprd().pause();
    alice.complete_all(&chores).await;
    stack.docket.wait_for_log("the relay pauses").await;
    stack.daprd().kill();
    let waiting = stack.waiting_events().await;
    assert!(waiting >= left_of(20, &storage), "{waiting} events were under way");

    stack.daprd().restart().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

/// Stopped three times in the middle of the traffic, wherever that is, and killed there.
async fn sidecar_killed_in_full_flow_loses_and_doubles_nothing(storage: Storage) {
    const WAVE: usize = 40;
    let mut stack = impatient(&storage).start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(3 * WAVE)).await;
    stack.settled().await;

    for (wave, part) in chores.chunks(WAVE).enumerate() {
        let (early, late) = part.split_at(WAVE / 2);
        let before = chores.len() + wave * WAVE;
        let stop = async {
            wait_for("the first of the wave's occurrences", PATIENCE, async || {
                let tasks = alice.all_tasks().await.len();
                if tasks > before { Ok(()) } else { Err(format!("{tasks} tasks")) }
            })
            .await;
            stack.daprd().pause();
        };
        tokio::join!(alice.complete_all(early), stop);
        alice.complete_all(late).await;
        let waiting = stack.waiting_events().await;
        assert!(waiting >= left_of(late.len(), &storage), "{waiting} events were under way");
        stack.daprd().kill();
        stack.daprd().restart().await;
        stack.settled().await;
    }
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

docket_testkit::on_each_database!(
    events_that_died_with_the_sidecar_come_back,
    sidecar_killed_in_full_flow_loses_and_doubles_nothing
);

docket_testkit::with_two_replicas!(
    events_that_died_with_the_sidecar_come_back,
    sidecar_killed_in_full_flow_loses_and_doubles_nothing
);
