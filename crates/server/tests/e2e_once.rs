//! However often an event is delivered, its effect happens once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1::Task;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{Stack, User, repeating};
use serde_json::{Value, json};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A completed task of which everything has happened that should, with the events of its creation and its completion.
struct Finished {
    stack: Stack,
    alice: User,
    task: Task,
    created: Value,
    completed: Value,
}

impl Finished {
    async fn start() -> Self {
        let mut stack = Stack::builder(Path::new(DOCKET)).start().await;
        let alice = stack.user("alice");
        stack.daprd().pause();
        let task =
            alice.create(repeating("Water the plants", Pattern::Weekly, "2027-03-01T18:00:00Z", "UTC")).await;
        let created = waiting_event(&stack).await;
        stack.daprd().resume();
        stack.settled().await;
        stack.daprd().pause();
        alice.complete(&task).await;
        let completed = waiting_event(&stack).await;
        stack.daprd().resume();
        alice.successor_of(&task).await;
        stack.settled().await;
        alice.expect_story(&task, &["created", "completed"]).await;
        Self { stack, alice, task, created, completed }
    }

    async fn deliver_three_times_at_once(&self, event: &Value) {
        let sidecar = self.stack.sidecar();
        let deliver = || sidecar.topic_event(TopicEvent::raw("pubsub", "task-events", event.to_string()));
        let answers = tokio::join!(deliver(), deliver(), deliver());
        for answer in [answers.0, answers.1, answers.2] {
            assert_eq!(answer.unwrap(), Answer::Success);
        }
    }
}

/// The only event that is on its way, as the sidecar gets it.
async fn waiting_event(stack: &Stack) -> Value {
    let store = stack.docket.store().await;
    let mut events = store.outbox_heads(&["task-events".to_owned()], 0, 10).await.unwrap();
    assert_eq!(events.len(), 1, "{events:?}");
    let event = events.remove(0);
    store.close().await.unwrap();
    json!({
        "specversion": "1.0",
        "id": event.id.to_string(),
        "source": event.source,
        "type": event.event_type,
        "subject": event.key,
        "time": event.time,
        "datacontenttype": "application/json",
        "data": serde_json::from_slice::<Value>(&event.payload).unwrap(),
    })
}

#[tokio::test]
async fn redelivered_events_change_nothing() {
    let finished = Finished::start().await;
    let Finished { stack, alice, task, created, completed } = &finished;
    let (story, tasks) = (alice.story_of(task).await, alice.all_tasks().await);
    for event in [created, completed] {
        for _ in 0..3 {
            let event = TopicEvent::raw("pubsub", "task-events", event.to_string());
            assert_eq!(stack.sidecar().topic_event(event).await.unwrap(), Answer::Success);
        }
        finished.deliver_three_times_at_once(event).await;
    }
    stack.settled().await;
    assert_eq!(alice.story_of(task).await, story);
    assert_eq!(alice.all_tasks().await, tasks);
}

/// The first delivery races with the second and the third: none of them finds an effect to look at.
#[tokio::test]
async fn event_that_arrives_three_times_at_once_has_one_effect() {
    let finished = Finished::start().await;
    let Finished { stack, alice, task, completed, .. } = &finished;
    let (story, tasks) = (alice.story_of(task).await, alice.all_tasks().await);
    let id = uuid::Uuid::new_v4().to_string();
    let mut unseen = completed.clone();
    unseen["id"] = json!(id);
    unseen["data"]["idempotency_key"] = json!(id);
    finished.deliver_three_times_at_once(&unseen).await;

    stack.settled().await;
    let entries = alice.story_of(task).await;
    assert_eq!(entries.iter().filter(|entry| entry.event_id == id).count(), 1);
    assert_eq!(entries.len(), story.len() + 1);
    assert_eq!(alice.all_tasks().await, tasks, "the completion has its successor already");
}
