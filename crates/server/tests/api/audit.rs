//! What the audit log tells of the tasks, once their events have been delivered.

use docket_proto::v1;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{User, once};
use pbjson_types::Timestamp;
use serde_json::{Value, json};

use crate::harness::{Api, fields_at_fault, now, outcome, uuid};

const TOPIC: &str = "task-events";

/// Plays the sidecar: takes every event out of the outbox, and delivers it so many times.
pub(crate) async fn deliver(api: &Api, times: usize) {
    let (store, sidecar) = (api.store().await, api.sidecar());
    let part = store.relay_join(uuid::Uuid::now_v7(), docket_testkit::PATIENCE).await.unwrap();
    loop {
        let heads = store.outbox_heads(&[TOPIC.to_owned()], 0, 100).await.unwrap();
        if heads.is_empty() {
            return;
        }
        for head in &heads {
            let mut event = json!({
                "specversion": "1.0",
                "id": head.republish_of.unwrap_or(head.id).to_string(),
                "source": head.source,
                "type": head.event_type,
                "subject": head.key,
                "time": head.time.to_rfc3339(),
                "datacontenttype": "application/json",
                "data": serde_json::from_slice::<Value>(&head.payload).unwrap(),
            });
            if let Some(trace) = &head.trace {
                event["traceparent"] = Value::from(trace.parent.as_str());
            }
            let mut sidecar = sidecar.clone();
            if head.is_replay() {
                sidecar = sidecar.with("docket-replay", &head.id.to_string());
                sidecar = sidecar.with("docket-handler", head.handler.as_deref().unwrap_or_default());
            }
            for _ in 0..times {
                let event = TopicEvent::raw("pubsub", TOPIC, event.to_string());
                assert_eq!(sidecar.topic_event(event).await.unwrap(), Answer::Success);
            }
        }
        let delivered: Vec<_> = heads.iter().map(|head| head.id).collect();
        assert!(store.outbox_remove(&part, &delivered).await.unwrap());
    }
}

async fn entries(user: &User, request: v1::ListAuditEntriesRequest) -> Vec<v1::AuditEntry> {
    let mut request = v1::ListAuditEntriesRequest { page_size: 2, ..request };
    let mut all = Vec::new();
    loop {
        let page = user.audit().list_audit_entries(request.clone()).await.unwrap().into_inner();
        assert!(page.entries.len() <= 2);
        all.extend(page.entries);
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

/// Created, renamed, completed, reopened, deleted: five versions.
async fn eventful(user: &User) -> v1::Task {
    let task = user.create(v1::Task { tags: vec!["home".to_owned()], ..once("Buy milk") }).await;
    let mut tasks = user.tasks();
    let id = || task.task_id.clone();
    let renamed = v1::Task { task_id: id(), ..once("Buy oat milk") };
    tasks.update_task(v1::UpdateTaskRequest { task: Some(renamed), ..Default::default() }).await.unwrap();
    user.complete(&task).await;
    tasks.reopen_task(v1::ReopenTaskRequest { task_id: id(), ..Default::default() }).await.unwrap();
    tasks.delete_task(v1::DeleteTaskRequest { task_id: id(), ..Default::default() }).await.unwrap();
    task
}

fn text(fields: Option<&pbjson_types::Struct>) -> Value {
    fields.map_or(Value::Null, |fields| serde_json::to_value(fields).unwrap())
}

#[tokio::test]
async fn an_event_is_one_entry_however_often_it_comes() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = eventful(&alice).await;
    deliver(&api, 3).await;
    deliver(&api, 3).await;

    let story = alice.expect_story(&task, &["created", "updated", "completed", "reopened", "deleted"]).await;
    for entry in &story {
        assert_eq!((entry.task_id.as_str(), entry.user_id.as_str()), (task.task_id.as_str(), "alice"));
    }
    let (created, updated, completed) = (&story[0], &story[1], &story[2]);
    assert_eq!(created.before, None, "there was nothing before a creation");
    assert_eq!(text(created.after.as_ref())["title"], "Buy milk");
    let before = text(updated.before.as_ref());
    let fields: Vec<&String> = before.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["title", "update_time"], "only what changed");
    assert_eq!(before["title"], "Buy milk");
    assert_eq!(text(updated.after.as_ref())["title"], "Buy oat milk");
    assert_eq!(text(updated.after.as_ref())["tags"], json!(["home"]), "all of it");
    assert_eq!(text(completed.after.as_ref())["status"], "TASK_STATUS_COMPLETED");
}

#[tokio::test]
async fn an_entry_names_the_trace_of_its_call() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let mut request =
        tonic::Request::new(v1::CreateTaskRequest { task: Some(once("Traced")), ..Default::default() });
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    let traced = alice.tasks().create_task(request).await.unwrap().into_inner();
    let other = alice.create(once("Not traced")).await;
    deliver(&api, 1).await;
    assert_eq!(alice.story_of(&traced).await[0].trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(alice.story_of(&other).await[0].trace_id, "");
}

#[tokio::test]
async fn a_listing_is_what_was_asked_for_in_order() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let before = now();
    let first = eventful(&alice).await;
    let between = now();
    let second = eventful(&alice).await;
    deliver(&api, 1).await;

    let all = entries(&alice, v1::ListAuditEntriesRequest::default()).await;
    let key = |entry: &v1::AuditEntry| {
        let time = entry.event_time.as_ref().unwrap();
        (time.seconds, time.nanos, entry.task_version)
    };
    assert_eq!(all.len(), 10);
    assert!(all.is_sorted_by_key(key), "{:?}", all.iter().map(key).collect::<Vec<_>>());

    let default = v1::ListAuditEntriesRequest::default;
    let time = |instant| Some(Timestamp::from(instant));
    let event_types = |types: &[&str]| types.iter().map(|name| format!("com.todo.task.{name}")).collect();
    let of_both = |versions: &[i64]| -> Vec<(String, i64)> {
        let of = |task: &v1::Task| versions.iter().map(|version| (task.task_id.clone(), *version)).collect();
        [of(&first), of(&second)].into_iter().flat_map(|one: Vec<_>| one).collect()
    };
    let whole = |task: &v1::Task| -> Vec<(String, i64)> {
        (1..=5).map(|version| (task.task_id.clone(), version)).collect()
    };
    let id = |task: &v1::Task| task.task_id.clone();
    let table = [
        ("all", default(), of_both(&[1, 2, 3, 4, 5])),
        ("of a task", v1::ListAuditEntriesRequest { task_id: id(&second), ..default() }, whole(&second)),
        (
            "of types",
            v1::ListAuditEntriesRequest { event_types: event_types(&["completed", "created"]), ..default() },
            of_both(&[1, 3]),
        ),
        ("before", v1::ListAuditEntriesRequest { end_time: time(between), ..default() }, whole(&first)),
        ("since", v1::ListAuditEntriesRequest { start_time: time(between), ..default() }, whole(&second)),
        (
            "within, of a task, of a type",
            v1::ListAuditEntriesRequest {
                task_id: id(&first),
                event_types: event_types(&["deleted"]),
                start_time: time(before),
                end_time: time(between),
                ..default()
            },
            vec![(id(&first), 5)],
        ),
        (
            "nothing of a known task",
            v1::ListAuditEntriesRequest { task_id: id(&first), start_time: time(between), ..default() },
            vec![],
        ),
        ("before all", v1::ListAuditEntriesRequest { end_time: time(before), ..default() }, vec![]),
    ];
    for (name, request, expect) in table {
        let got: Vec<_> = entries(&alice, request).await;
        let got: Vec<_> = got.into_iter().map(|entry| (entry.task_id, entry.task_version)).collect();
        assert_eq!(got, expect, "{name}");
    }
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let api = Api::start().await;
    let alice = api.user("alice");
    alice.create(once("Known to the store, not to the log")).await;
    let default = v1::ListAuditEntriesRequest::default;
    let unknown = uuid();
    let answer = alice
        .audit()
        .list_audit_entries(v1::ListAuditEntriesRequest { task_id: unknown.clone(), ..default() })
        .await;
    assert_eq!(outcome(&answer), format!("NotFound TASK_NOT_FOUND task_id={unknown}"));

    let time = Some(Timestamp::from(now()));
    let request = v1::ListAuditEntriesRequest {
        page_size: -1,
        task_id: "7".to_owned(),
        event_types: vec!["com.todo.task.created".to_owned(), "created".to_owned()],
        start_time: time,
        end_time: time,
        ..default()
    };
    let status = alice.audit().list_audit_entries(request).await.unwrap_err();
    assert_eq!(fields_at_fault(&status), ["page_size", "task_id", "event_types[1]", "end_time"]);
}
