//! However often an event is delivered, and to however many replicas, its effect happens once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1::Task;
use docket_proto::v1::recurrence::Pattern;
use docket_store::outbox::PendingEvent;
use docket_testkit::callback::{Answer, Callback, TopicEvent};
use docket_testkit::{Stack, Storage, User, repeating};
use futures::future::join_all;
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
    async fn start(storage: Storage) -> Self {
        let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
        let alice = stack.user("alice");
        stack.pause_sidecars();
        let task =
            alice.create(repeating("Water the plants", Pattern::Weekly, "2027-03-01T18:00:00Z", "UTC")).await;
        let created = waiting_event(&stack).await;
        stack.resume_sidecars();
        stack.settled().await;
        stack.pause_sidecars();
        alice.complete(&task).await;
        let completed = waiting_event(&stack).await;
        stack.resume_sidecars();
        alice.successor_of(&task).await;
        stack.settled().await;
        alice.expect_story(&task, &["created", "completed"]).await;
        Self { stack, alice, task, created, completed }
    }
}

/// Every replica's sidecar, three times.
fn three_times(stack: &Stack) -> impl Iterator<Item = Callback> {
    std::iter::repeat_with(|| stack.sidecars()).take(3).flatten()
}

/// Delivers each event three times to every replica, all at the same time.
async fn deliver_at_once(stack: &Stack, events: &[Value]) {
    let sidecars: Vec<_> = three_times(stack).collect();
    let deliveries = events.iter().flat_map(|event| {
        let event = TopicEvent::raw("pubsub", "task-events", event.to_string());
        sidecars.iter().map(move |sidecar| sidecar.topic_event(event.clone()))
    });
    for answer in join_all(deliveries).await {
        assert_eq!(answer.unwrap(), Answer::Success);
    }
}

/// The first event of each task that is on its way, as the sidecar gets it.
async fn waiting_events(stack: &Stack) -> Vec<Value> {
    stack.waiting_on("task-events").await.into_iter().map(delivered).collect()
}

/// The only event that is on its way.
async fn waiting_event(stack: &Stack) -> Value {
    let mut events = waiting_events(stack).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

fn delivered(event: PendingEvent) -> Value {
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

async fn redelivered_events_change_nothing(storage: Storage) {
    let finished = Finished::start(storage).await;
    let Finished { stack, alice, task, created, completed } = &finished;
    let (story, tasks) = (alice.story_of(task).await, alice.all_tasks().await);
    for event in [created, completed] {
        for sidecar in three_times(stack) {
            let event = TopicEvent::raw("pubsub", "task-events", event.to_string());
            assert_eq!(sidecar.topic_event(event).await.unwrap(), Answer::Success);
        }
        deliver_at_once(stack, std::slice::from_ref(event)).await;
    }
    stack.settled().await;
    assert_eq!(alice.story_of(task).await, story);
    assert_eq!(alice.all_tasks().await, tasks);
}

/// The first delivery races with the others: none of them finds an effect to look at.
async fn event_that_arrives_many_times_at_once_has_one_effect(storage: Storage) {
    let finished = Finished::start(storage).await;
    let Finished { stack, alice, task, completed, .. } = &finished;
    let (story, tasks) = (alice.story_of(task).await, alice.all_tasks().await);
    let id = uuid::Uuid::new_v4().to_string();
    let mut unseen = completed.clone();
    unseen["id"] = json!(id);
    unseen["data"]["idempotency_key"] = json!(id);
    deliver_at_once(stack, &[unseen]).await;

    stack.settled().await;
    let entries = alice.story_of(task).await;
    assert_eq!(entries.iter().filter(|entry| entry.event_id == id).count(), 1);
    assert_eq!(entries.len(), story.len() + 1);
    assert_eq!(alice.all_tasks().await, tasks, "the completion has its successor already");
}

/// No handler has seen the completions: every delivery, the sidecars' own among them, may be the one with the effect.
async fn completion_that_arrives_many_times_at_once_has_one_next_occurrence(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let chores =
        (0..5).map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-03-01T18:00:00Z", "UTC"));
    let chores = alice.create_all(chores).await;
    stack.settled().await;
    stack.pause_sidecars();
    alice.complete_all(&chores).await;
    let completions = waiting_events(&stack).await;
    assert_eq!(completions.len(), chores.len(), "{completions:?}");
    stack.resume_sidecars();
    deliver_at_once(&stack, &completions).await;

    for chore in &chores {
        let successor = alice.successor_of(chore).await;
        alice.expect_story(&successor, &["created"]).await;
    }
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

docket_testkit::on_each_database!(
    redelivered_events_change_nothing,
    event_that_arrives_many_times_at_once_has_one_effect,
    completion_that_arrives_many_times_at_once_has_one_next_occurrence
);

docket_testkit::with_two_replicas!(
    redelivered_events_change_nothing,
    event_that_arrives_many_times_at_once_has_one_effect,
    completion_that_arrives_many_times_at_once_has_one_next_occurrence
);
