//! What can never be handled is kept with its reason, and does not stand in the way of anything else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_store::outbox::PendingEvent;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{PATIENCE, Stack, Storage, repeating, wait_for};
use futures::future::join_all;
use serde_json::{Value, json};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

async fn an_event_that_cannot_be_handled_is_kept_and_the_others_go_on(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let (id, subject) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    let strange = json!({
        "specversion": "1.0",
        "id": id,
        "source": "docket/tasks",
        "type": "com.todo.task.painted",
        "subject": subject,
        "time": "2027-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {},
    })
    .to_string();
    let garbage = b"\xff not an event".to_vec();
    // Delivered again and again, as a broker does that lost the answer, and to all replicas at the same time.
    for _ in 0..3 {
        for bytes in [strange.clone().into_bytes(), garbage.clone()] {
            let event = TopicEvent::raw("pubsub", "task-events", bytes);
            let sidecars = stack.sidecars();
            let answers = sidecars.iter().map(|sidecar| sidecar.topic_event(event.clone()));
            for answer in join_all(answers).await {
                assert_eq!(answer.unwrap(), Answer::Success, "acknowledged, because it is kept");
            }
        }
    }

    // One letter for each handler that gave up, and one for what never reached a handler. The first of a key is shown: on
    // PostgreSQL each handler has an outbox of its own.
    let shown = if matches!(storage, Storage::Sqlite) { 2 } else { 3 };
    let letters = wait_for("the letters", PATIENCE, async || {
        let letters = stack.waiting_on("task-events-dlq").await;
        if letters.len() == shown { Ok(letters) } else { Err(format!("{letters:?}")) }
    })
    .await;
    assert_eq!(stack.waiting_events().await, 3, "letters in all, however often the events came");
    let data = |letter: &PendingEvent| -> Value { serde_json::from_slice(&letter.payload).unwrap() };
    let unknown = letters.iter().map(data).find(|data| data["event_id"] == id.to_string()).unwrap();
    assert_eq!(unknown["topic"], "task-events");
    assert_eq!(unknown["reason"], "unknown event type com.todo.task.painted");
    assert_eq!(unknown["original"], strange, "byte for byte");
    let unreadable = letters.iter().map(data).find(|data| data["handler"] == "envelope").unwrap();
    assert_eq!(unreadable["original_base64"], "/yBub3QgYW4gZXZlbnQ=");

    let alice = stack.user("alice");
    let chore = alice.create(repeating("Sweep", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    alice.complete(&chore).await;
    alice.successor_of(&chore).await;
    alice.expect_followed_once(std::slice::from_ref(&chore)).await;
    alice.expect_story(&chore, &["created", "completed"]).await;
}

docket_testkit::on_each_database!(an_event_that_cannot_be_handled_is_kept_and_the_others_go_on);
docket_testkit::with_two_replicas!(an_event_that_cannot_be_handled_is_kept_and_the_others_go_on);
