//! The sidecar dies with events in its memory: receipts bring them back, and their effect happens once.

use std::path::Path;

use docket_proto::v1::Task;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{PATIENCE, Stack, StackBuilder, repeating, wait_for};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn impatient() -> StackBuilder {
    Stack::builder(Path::new(DOCKET)).env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
}

fn chores(count: usize) -> impl Iterator<Item = Task> {
    (0..count).map(|n| repeating(&format!("Chore {n}"), Pattern::Weekly, "2027-02-01T07:00:00Z", "UTC"))
}

/// The sidecar is stopped before it can read what it is sent, and dies with it.
#[tokio::test]
async fn events_that_died_with_the_sidecar_come_back() {
    let mut stack = impatient().start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(20)).await;
    stack.settled().await;

    stack.daprd().pause();
    alice.complete_all(&chores).await;
    stack.docket.wait_for_log("the relay pauses").await;
    stack.daprd().kill();
    assert_eq!(stack.waiting_events().await, 20);

    stack.daprd().restart().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

/// Stopped three times in the middle of the traffic, wherever that is, and killed there.
#[tokio::test]
async fn sidecar_killed_in_full_flow_loses_and_doubles_nothing() {
    const WAVE: usize = 40;
    let mut stack = impatient().start().await;
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
        assert!(waiting >= late.len() as u64, "{waiting} events were under way");
        stack.daprd().kill();
        stack.daprd().restart().await;
        stack.settled().await;
    }
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}
