//! Every reason for which the API refuses a call, as `error_reason.proto` documents it.

use std::collections::BTreeMap;

use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{once, repeating};
use http::uri::PathAndQuery;
use pbjson_types::FieldMask;
use tonic::client::Grpc;
use tonic::codegen::http;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::audit::deliver;
use crate::dead_letters as letters;
use crate::harness::{Api, Caller, due_at, fields_at_fault, refused_at_last, told, uuid};

const DOCUMENT: &str = include_str!("../../../../proto/docket/v1/error_reason.proto");

/// The reasons that no caller can bring about at will. The tests of the crate `rpc` produce all but the first.
const NOT_AT_WILL: [(&str, &str); 7] = [
    ("CONFLICT", "a transaction that ran into others again and again; SQLite's writers queue instead"),
    ("CONCURRENCY_LIMITED", "a user with too many calls under way"),
    ("OVERLOADED", "a server with too many calls under way"),
    ("UNSUPPORTED_COMPRESSION", "a client whose library compresses as no other does"),
    ("UNAVAILABLE", "a server that is stopping"),
    ("DEADLINE_EXCEEDED", "a call that takes longer than it may"),
    ("INTERNAL", "a server that is broken"),
];

/// What the comment of a reason promises: code, and keys of the metadata.
fn documented() -> BTreeMap<String, (String, Vec<String>)> {
    let mut reasons = BTreeMap::new();
    let mut comment = String::new();
    for line in DOCUMENT.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("//") {
            comment.push_str(text);
            continue;
        }
        let comment = std::mem::take(&mut comment);
        let reason = line.strip_prefix("ERROR_REASON_").and_then(|reason| reason.split_once(" = "));
        let Some((name, _)) = reason.filter(|(name, _)| *name != "UNSPECIFIED") else { continue };
        let code = comment.trim().split_once('.').unwrap().0.to_owned();
        let keys = comment.split_once("Metadata:").unwrap_or_else(|| panic!("{name}: {comment}")).1;
        let mut keys: Vec<String> = keys.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        keys.sort();
        reasons.insert(name.to_owned(), (code, keys));
    }
    reasons
}

/// `NotFound` as `NOT_FOUND`.
fn code_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

/// Calls a method that the contract does not have.
async fn unknown_method(caller: &Caller, path: &'static str) -> Status {
    let mut client = Grpc::new(tonic::service::interceptor::InterceptedService::new(
        caller.channel.clone(),
        caller.clone(),
    ));
    client.ready().await.unwrap();
    let codec = ProstCodec::<(), ()>::default();
    client.unary(Request::new(()), PathAndQuery::from_static(path), codec).await.unwrap_err()
}

/// One refusal for every reason that can be brought about.
async fn refusals(api: &Api) -> Vec<Status> {
    let alice = api.user("alice");
    let caller = |token: &str| api.public().bearer(token);
    let user_token = api.token("alice", &[]);
    let mut tasks = alice.tasks();
    let get = |task_id: &str| v1::GetTaskRequest { task_id: task_id.to_owned() };
    let complete =
        |task_id: &str| v1::CompleteTaskRequest { task_id: task_id.to_owned(), ..Default::default() };
    let reopen = |task_id: &str| v1::ReopenTaskRequest { task_id: task_id.to_owned(), ..Default::default() };
    let create = |task: v1::Task| v1::CreateTaskRequest { task: Some(task), ..Default::default() };

    let mut all = vec![
        tasks.get_task(get("7")).await.unwrap_err(),
        tasks
            .list_tasks(v1::ListTasksRequest { page_token: "x".to_owned(), ..Default::default() })
            .await
            .unwrap_err(),
        api.public().tasks().get_task(get(&uuid())).await.unwrap_err(),
        caller("x").tasks().get_task(get(&uuid())).await.unwrap_err(),
        api.app()
            .bearer(&user_token)
            .tasks()
            .list_series_gaps(v1::ListSeriesGapsRequest::default())
            .await
            .unwrap_err(),
        tasks.list_series_gaps(v1::ListSeriesGapsRequest::default()).await.unwrap_err(),
        tasks.get_task(get(&uuid())).await.unwrap_err(),
        unknown_method(&caller(&user_token), "/docket.v1.TaskService/NoSuchMethod").await,
        unknown_method(&caller(&user_token), "/docket.v1.NoSuchService/GetTask").await,
        unknown_method(&caller(&user_token), "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent").await,
    ];

    let task = alice.create(once("Buy milk")).await;
    let id = task.task_id.as_str();
    let taken = v1::Task { task_id: id.to_owned(), ..once("Other") };
    all.push(tasks.create_task(create(taken)).await.unwrap_err());
    let request_id = uuid();
    let named = v1::CreateTaskRequest { request_id, ..create(once("First")) };
    tasks.create_task(named.clone()).await.unwrap();
    let reused = v1::CreateTaskRequest { task: Some(once("Second")), ..named };
    all.push(tasks.create_task(reused).await.unwrap_err());
    let stale = v1::CompleteTaskRequest { etag: "v0".to_owned(), ..complete(id) };
    all.push(tasks.complete_task(stale).await.unwrap_err());
    all.push(tasks.reopen_task(reopen(id)).await.unwrap_err());
    tasks.delete_task(v1::DeleteTaskRequest { task_id: id.to_owned(), ..Default::default() }).await.unwrap();
    all.push(tasks.complete_task(complete(id)).await.unwrap_err());

    all.extend(refusals_of_reminders(api).await);
    let mut admin = api.admin("carol").letters();
    let replay = |id| v1::ReplayDeadLettersRequest { dead_letter_ids: vec![id], ..Default::default() };
    let elsewhere = letters::Event { topic: "painted-events", ..letters::painted(1) };
    for id in [uuid(), letters::bury(api, elsewhere).await, letters::discarded(api).await] {
        all.push(admin.replay_dead_letters(replay(id)).await.unwrap_err());
    }
    let renamed = letters::Event { handler: "journal", ..letters::painted(1) };
    let for_nobody = v1::ReplayDeadLettersRequest {
        only_failed_handler: true,
        ..replay(letters::bury(api, renamed).await)
    };
    all.push(admin.replay_dead_letters(for_nobody).await.unwrap_err());

    let chore = |due: &str| repeating("Feed the cat", Pattern::Daily, due, "UTC");
    let task = alice.create(chore("2027-02-01T07:00:00Z")).await;
    let completed = alice.complete(&task).await;
    let next = |version| v1::CreateTaskRequest {
        occurrence_of: Some(OccurrenceOf { task_id: task.task_id.clone(), version }),
        ..create(chore("2027-02-02T07:00:00Z"))
    };
    let mut service = api.service().acting_for("alice").tasks();
    all.push(service.create_task(next(7)).await.unwrap_err());
    let successor = service.create_task(next(completed.version)).await.unwrap().into_inner();
    alice.complete(&successor).await;
    all.push(tasks.reopen_task(reopen(&task.task_id)).await.unwrap_err());
    all
}

/// Those of reminders, and of ways to tell of them.
async fn refusals_of_reminders(api: &Api) -> Vec<Status> {
    let task = api.user("alice").create(due_at("Pay the rent", "2027-03-01T09:00:00Z")).await;
    api.user("alice").complete(&task).await;
    deliver(api, 1).await;
    let mut reminders = api.caller("alice").reminders();
    let dismiss = |task_id: String| v1::DismissReminderRequest { task_id, number: 1, ..Default::default() };
    let mut all = Vec::new();
    for task_id in [uuid(), task.task_id] {
        all.push(reminders.dismiss_reminder(dismiss(task_id)).await.unwrap_err());
    }
    // A server with a way that needs an address, and without another one.
    let api = Api::start_with(|config| {
        config.notification.email.kind = docket_notification::EmailKind::Smtp;
        config.notification.email.from = "docket@example.com".to_owned();
        config.notification.push.kind = Some(docket_notification::PushKind::Off);
    })
    .await;
    let mut notifications = api.caller("alice").notifications();
    for channel in [v1::reminder::Channel::Email, v1::reminder::Channel::Push] {
        let request = v1::SendTestNotificationRequest { channel: channel.into(), ..Default::default() };
        all.push(notifications.send_test_notification(request).await.unwrap_err());
    }
    all
}

/// The refusals of a server whose limits are so low that the second call meets them.
async fn refusals_by_limits() -> Vec<Status> {
    let full = Api::start_with(|config| config.tasks.max_per_user = 1).await;
    full.user("alice").create(once("First")).await;
    let second = v1::CreateTaskRequest { task: Some(once("Second")), ..Default::default() };
    let busy = Api::start_with(|config| {
        config.limits.rate_per_second = 1;
        config.limits.burst = 1;
    })
    .await;
    let too_fast = refused_at_last(&busy.user("alice")).await;
    vec![full.user("alice").tasks().create_task(second).await.unwrap_err(), too_fast]
}

#[tokio::test]
async fn every_reason_is_told_as_documented() {
    let documented = documented();
    let api = Api::start().await;
    let mut missing = documented.clone();
    for status in refusals(&api).await.into_iter().chain(refusals_by_limits().await) {
        // Checks that there is one ErrorInfo, of this domain.
        told(&status);
        let info = status.get_details_error_info().unwrap();
        let (code, keys) = documented
            .get(&info.reason)
            .unwrap_or_else(|| panic!("{} is not documented: {status:?}", info.reason));
        let mut sent: Vec<&String> = info.metadata.keys().collect();
        sent.sort();
        assert_eq!(code_name(status.code()), *code, "{status:?}");
        assert_eq!(sent, keys.iter().collect::<Vec<_>>(), "{status:?}");
        assert!(!status.message().is_empty(), "{status:?}");
        missing.remove(&info.reason);
    }
    let missing: Vec<&str> = missing.keys().map(String::as_str).collect();
    let mut expect = NOT_AT_WILL.map(|(reason, _)| reason);
    expect.sort_unstable();
    assert_eq!(missing, expect, "reasons that no row brings about");
}

#[tokio::test]
async fn every_violation_is_told_at_once() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let wrong = v1::Task {
        task_id: "7".to_owned(),
        title: "x".repeat(501),
        description: "x".repeat(16_385),
        priority: 9,
        tags: vec!["a".to_owned(), String::new(), "a".to_owned()],
        due: Some(v1::task::Due::DueDate("tomorrow".to_owned())),
        time_zone: "Berlin".to_owned(),
        recurrence: Some(v1::Recurrence {
            rule: Some(v1::recurrence::Rule::Rrule("FREQ=DAILY".to_owned())),
            interval: 1_000,
            ..Default::default()
        }),
        reminders: vec![v1::Reminder { moment: None, channels: vec![0] }],
        ..Default::default()
    };
    let fields = [
        "task.description",
        "task.due_date",
        "task.priority",
        "task.recurrence.interval",
        "task.recurrence.rrule",
        "task.reminders[0]",
        "task.reminders[0].channels[0]",
        "task.tags",
        "task.tags[1]",
        "task.time_zone",
        "task.title",
    ];
    let check = |status: &Status, more: &[&str]| {
        let mut got = fields_at_fault(status);
        got.sort();
        let mut expect: Vec<&str> = fields.iter().chain(more).copied().collect();
        expect.sort_unstable();
        assert_eq!(got, expect);
    };
    let request =
        v1::CreateTaskRequest { task: Some(wrong.clone()), request_id: "7".to_owned(), ..Default::default() };
    let status = alice.tasks().create_task(request).await.unwrap_err();
    check(&status, &["request_id", "task.task_id"]);
    let request = v1::UpdateTaskRequest {
        task: Some(wrong),
        update_mask: Some(FieldMask { paths: vec!["*".to_owned(), "colour".to_owned()] }),
        request_id: "7".to_owned(),
        ..Default::default()
    };
    let status = alice.tasks().update_task(request).await.unwrap_err();
    check(&status, &["request_id", "task.task_id", "update_mask.paths[1]"]);
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_with_a_reason() {
    let api = Api::start().await;
    let task = v1::Task { description: "x".repeat(2 << 20), ..once("Large") };
    let request = v1::CreateTaskRequest { task: Some(task), ..Default::default() };
    let status = api.user("alice").tasks().create_task(request).await.unwrap_err();
    assert_eq!(fields_at_fault(&status), ["request"]);
}
