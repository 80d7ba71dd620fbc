//! The sidecar is away: nothing is lost, and what waited leaves in order.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{Task, UpdateTaskRequest};
use docket_testkit::{Stack, once, repeating};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn chores(count: usize) -> impl Iterator<Item = Task> {
    (0..count)
        .map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "Europe/Berlin"))
}

#[tokio::test]
async fn all_that_was_completed_without_sidecar_is_followed_once() {
    let mut stack = Stack::builder(Path::new(DOCKET)).start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(200)).await;
    stack.settled().await;

    stack.daprd().kill();
    alice.complete_all(&chores).await;
    assert_eq!(alice.all_tasks().await.len(), chores.len(), "nothing follows without a sidecar");

    stack.daprd().restart().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

#[tokio::test]
async fn events_wait_while_dapr_is_off_and_leave_in_order() {
    let mut stack = Stack::builder(Path::new(DOCKET)).without_dapr().start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(20)).await;
    for chore in &chores {
        let mut task = once("Renamed");
        task.task_id.clone_from(&chore.task_id);
        let request =
            UpdateTaskRequest { task: Some(task), update_mask: Some(title()), ..Default::default() };
        alice.tasks().update_task(request).await.unwrap();
    }
    alice.complete_all(&chores).await;
    assert_eq!(stack.waiting_events().await, 3 * 20);
    assert_eq!(alice.all_tasks().await.len(), chores.len());
    assert_eq!(alice.story_of(&chores[0]).await, []);

    stack.switch_on_dapr().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        let story = alice.expect_story(chore, &["created", "updated", "completed"]).await;
        let recorded =
            |entry: &docket_proto::v1::AuditEntry| entry.record_time.map(|time| (time.seconds, time.nanos));
        assert!(story.is_sorted_by_key(recorded), "stored out of order: {story:?}");
    }
}

fn title() -> pbjson_types::FieldMask {
    pbjson_types::FieldMask { paths: vec!["title".to_owned()] }
}
