//! Who may call what: one row for each method of the contract at least, and nobody sees what is another one's.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::Pin;

use docket_proto::v1;
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::preview_occurrences_request::Source;
use docket_proto::v1::recurrence::Pattern;
use docket_rpc::auth::{ACT_AS, Config, DEAD_LETTERS_ADMIN};
use docket_rpc::{Secret, Signer};
use docket_testkit::{once, repeating};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::audit::deliver;
use crate::dead_letters as letters;
use crate::harness::{Api, Caller, now, outcome, told, uuid};

/// What a method protects, and what the argument of its row is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Protects {
    /// A task that the request names: the argument.
    Task,
    /// The id of a task that the request chooses: the argument.
    Id,
    /// The caller's own things, page by page: the argument is a page token.
    Page,
    /// What could not be handled, from all but those with the scope for it. The argument is a letter.
    Letter,
    /// All users' things, from those who are no service. The argument is a completed task of the caller's.
    Service,
}

/// What a call came to, and where it goes on.
type Said = Result<(String, String), Status>;

/// A call as somebody, with the argument of its row.
type Ask = fn(Caller, String) -> Pin<Box<dyn Future<Output = Said> + Send>>;

struct Row {
    method: &'static str,
    protects: Protects,
    ask: Ask,
}

async fn said<A: Debug>(call: impl Future<Output = Result<Response<A>, Status>>) -> Said {
    call.await.map(|answer| (format!("{:?}", answer.into_inner()), String::new()))
}

/// A row: the method, what it protects, and the call.
macro_rules! row {
    ($service:ident, $method:literal, $protects:ident, $call:ident($argument:ident) $request:expr) => {
        Row {
            method: $method,
            protects: Protects::$protects,
            ask: |caller, $argument| Box::pin(async move { said(caller.$service().$call($request)).await }),
        }
    };
}

fn chore() -> v1::Task {
    repeating("Feed the cat", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")
}

fn next_chore() -> v1::Task {
    repeating("Feed the cat", Pattern::Daily, "2027-02-02T07:00:00Z", "UTC")
}

fn rows() -> Vec<Row> {
    vec![
        row!(tasks, "docket.v1.TaskService/GetTask", Task, get_task(task_id) v1::GetTaskRequest { task_id }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, ..once("Mine now") }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, etag: "v1".to_owned(), ..once("Mine now") }),
            request_id: uuid(),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/UpdateTask", Task, update_task(task_id) v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id, etag: "v0".to_owned(), ..once("Mine now") }),
            validate_only: true,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/DeleteTask", Task, delete_task(task_id) v1::DeleteTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/DeleteTask", Task, delete_task(task_id) v1::DeleteTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/CompleteTask", Task, complete_task(task_id) v1::CompleteTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CompleteTask", Task, complete_task(task_id) v1::CompleteTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/ReopenTask", Task, reopen_task(task_id) v1::ReopenTaskRequest {
            task_id,
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/ReopenTask", Task, reopen_task(task_id) v1::ReopenTaskRequest {
            task_id,
            etag: "v0".to_owned(),
            request_id: uuid(),
        }),
        row!(tasks, "docket.v1.TaskService/PreviewOccurrences", Task,
        preview_occurrences(task_id) v1::PreviewOccurrencesRequest {
            source: Some(Source::TaskId(task_id)),
            page_size: 3,
        }),
        row!(audit, "docket.v1.AuditService/ListAuditEntries", Task,
            list_audit_entries(task_id) v1::ListAuditEntriesRequest { task_id, ..Default::default() }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Id, create_task(task_id) v1::CreateTaskRequest {
            task: Some(v1::Task { task_id, ..once("Bob's own") }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Id, create_task(task_id) v1::CreateTaskRequest {
            task: Some(v1::Task { task_id, ..chore() }),
            request_id: uuid(),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/CreateTask", Service, create_task(task_id) v1::CreateTaskRequest {
            task: Some(next_chore()),
            occurrence_of: Some(OccurrenceOf { task_id, version: 2 }),
            ..Default::default()
        }),
        row!(tasks, "docket.v1.TaskService/ListSeriesGaps", Service,
            list_series_gaps(_task_id) v1::ListSeriesGapsRequest::default()),
        row!(letters, "docket.v1.DeadLetterService/ListDeadLetters", Letter,
            list_dead_letters(_letter) v1::ListDeadLettersRequest::default()),
        row!(letters, "docket.v1.DeadLetterService/GetDeadLetter", Letter,
            get_dead_letter(dead_letter_id) v1::GetDeadLetterRequest { dead_letter_id }),
        row!(letters, "docket.v1.DeadLetterService/ReplayDeadLetters", Letter,
        replay_dead_letters(letter) v1::ReplayDeadLettersRequest {
            dead_letter_ids: vec![letter],
            validate_only: true,
            ..Default::default()
        }),
        row!(letters, "docket.v1.DeadLetterService/ReplayDeadLetters", Letter,
        replay_dead_letters(_letter) v1::ReplayDeadLettersRequest {
            filter: Some(v1::DeadLetterFilter::default()),
            ..Default::default()
        }),
        row!(letters, "docket.v1.DeadLetterService/DiscardDeadLetters", Letter,
        discard_dead_letters(letter) v1::DiscardDeadLettersRequest {
            dead_letter_ids: vec![letter],
            reason: "mine now".to_owned(),
            ..Default::default()
        }),
        Row {
            method: "docket.v1.TaskService/ListTasks",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListTasksRequest {
                    page_size: 1,
                    page_token,
                    show_deleted: true,
                    ..Default::default()
                };
                Box::pin(async move {
                    let page = caller.tasks().list_tasks(request).await?.into_inner();
                    Ok((format!("{:?}", page.tasks), page.next_page_token))
                })
            },
        },
        Row {
            method: "docket.v1.AuditService/ListAuditEntries",
            protects: Protects::Page,
            ask: |caller, page_token| {
                let request = v1::ListAuditEntriesRequest { page_size: 1, page_token, ..Default::default() };
                Box::pin(async move {
                    let page = caller.audit().list_audit_entries(request).await?.into_inner();
                    Ok((format!("{:?}", page.entries), page.next_page_token))
                })
            },
        },
    ]
}

#[test]
fn every_method_of_the_contract_has_a_row() {
    let descriptors = FileDescriptorSet::decode(docket_proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = descriptors.file.iter().flat_map(|file| file.service.iter().map(move |one| (file, one)));
    let methods: BTreeSet<String> = services
        .flat_map(|(file, service)| {
            let name = |method: &str| format!("{}.{}/{method}", file.package(), service.name());
            service.method.iter().map(move |method| name(method.name()))
        })
        .collect();
    let rows: BTreeSet<String> = rows().iter().map(|row| row.method.to_owned()).collect();
    assert_eq!(rows, methods);
}

#[tokio::test]
async fn nobody_calls_without_a_good_token() {
    let api = Api::start().await;
    let other = Secret::new("another-secret-of-thirty-two-bytes-").unwrap();
    let forged = Signer::new(&Config::default(), &other).issue(
        &"alice".parse().unwrap(),
        &[ACT_AS],
        std::time::Duration::from_secs(60),
        now(),
    );
    for row in rows() {
        for (port, caller) in [("public", api.public()), ("app", api.app())] {
            let check = async |caller: Caller, expect: &str| {
                let said = (row.ask)(caller, uuid()).await;
                assert_eq!(outcome(&said), expect, "{} on the {port} port", row.method);
            };
            check(caller.clone(), "Unauthenticated MISSING_TOKEN").await;
            check(caller.clone().acting_for("alice"), "Unauthenticated MISSING_TOKEN").await;
            check(caller.clone().bearer(&forged), "Unauthenticated INVALID_TOKEN detail=signature").await;
            check(
                caller.bearer(&forged).acting_for("alice"),
                "Unauthenticated INVALID_TOKEN detail=signature",
            )
            .await;
        }
    }
}

#[tokio::test]
async fn nobody_acts_for_others_but_a_service_on_the_app_port() {
    let api = Api::start().await;
    let (user, service) = (api.token("bob", &[]), api.token("bob", &[ACT_AS]));
    for row in rows() {
        let check = async |caller: Caller, expect: &str| {
            let said = (row.ask)(caller.acting_for("alice"), uuid()).await;
            assert_eq!(outcome(&said), expect, "{}", row.method);
        };
        let internal = format!("PermissionDenied INTERNAL_METHOD method={}", row.method);
        check(api.public().bearer(&user), &internal).await;
        check(api.public().bearer(&service), &internal).await;
        check(api.app().bearer(&user), "PermissionDenied MISSING_SCOPE scope=tasks:act-as").await;
    }
}

/// Everything that a refusal says, with the id that was asked for taken out.
fn everything(status: &Status, id: &str) -> String {
    let details = status.get_error_details_vec();
    format!("{:?} {:?} {details:?}", status.code(), status.message()).replace(id, "ID")
}

/// Bob, by every way in which he may call.
fn bob(api: &Api) -> [(&'static str, Caller); 3] {
    let token = api.token("bob", &[]);
    [
        ("public port", api.public().bearer(&token)),
        ("app port", api.app().bearer(&token)),
        ("through a service", api.service().acting_for("bob")),
    ]
}

/// Alice with an open, a completed and a deleted task, of which the audit log knows.
async fn tasks_of_alice(api: &Api) -> Vec<v1::Task> {
    let alice = api.user("alice");
    let open = alice.create(chore()).await;
    let completed = alice.create(once("Alice did this")).await;
    let completed = alice.complete(&completed).await;
    let deleted = alice.create(once("Alice forgot this")).await;
    let request = v1::DeleteTaskRequest { task_id: deleted.task_id, ..Default::default() };
    let deleted = alice.tasks().delete_task(request).await.unwrap().into_inner();
    deliver(api, 1).await;
    vec![open, completed, deleted]
}

#[tokio::test]
async fn a_task_of_somebody_else_is_as_one_that_does_not_exist() {
    let api = Api::start().await;
    let theirs = tasks_of_alice(&api).await;
    for row in rows().iter().filter(|row| row.protects == Protects::Task) {
        for (way, bob) in bob(&api) {
            let nobodys = uuid();
            let unknown = (row.ask)(bob.clone(), nobodys.clone()).await.expect_err(row.method);
            for task in &theirs {
                let id = &task.task_id;
                let foreign = (row.ask)(bob.clone(), id.clone()).await.expect_err(row.method);
                assert_eq!(told(&foreign), format!("NotFound TASK_NOT_FOUND task_id={id}"), "{way}");
                let (foreign, unknown) = (everything(&foreign, id), everything(&unknown, &nobodys));
                assert_eq!(foreign, unknown, "{}, {way}", row.method);
            }
        }
    }
    let alice = api.user("alice");
    for task in theirs {
        let request = v1::GetTaskRequest { task_id: task.task_id.clone() };
        assert_eq!(alice.tasks().get_task(request).await.unwrap().into_inner(), task, "untouched");
    }
}

#[tokio::test]
async fn a_chosen_id_that_is_taken_tells_nothing_of_its_task() {
    let api = Api::start().await;
    let theirs = tasks_of_alice(&api).await;
    for row in rows().iter().filter(|row| row.protects == Protects::Id) {
        for (way, bob) in bob(&api) {
            let own = uuid();
            (row.ask)(bob.clone(), own.clone()).await.unwrap();
            let taken_by_bob = (row.ask)(bob.clone(), own.clone()).await.expect_err(row.method);
            for task in &theirs {
                let id = &task.task_id;
                let taken = (row.ask)(bob.clone(), id.clone()).await.expect_err(row.method);
                assert_eq!(told(&taken), format!("AlreadyExists TASK_ID_TAKEN task_id={id}"), "{way}");
                assert_eq!(everything(&taken, id), everything(&taken_by_bob, &own), "{way}");
            }
        }
    }
}

#[tokio::test]
async fn a_listing_holds_nothing_of_somebody_else() {
    let api = Api::start().await;
    let theirs = tasks_of_alice(&api).await;
    let secrets: Vec<&str> = theirs
        .iter()
        .flat_map(|task| [task.task_id.as_str(), task.title.as_str()])
        .chain(["user_id: \"alice\""])
        .collect();
    let alice = api.public().bearer(&api.token("alice", &[]));
    api.user("bob").create(once("Bob does that")).await;
    deliver(&api, 1).await;
    for row in rows().iter().filter(|row| row.protects == Protects::Page) {
        let (text, her_token) = (row.ask)(alice.clone(), String::new()).await.unwrap();
        assert!(text.contains("alice") && !her_token.is_empty(), "{}: {text}", row.method);
        for (way, bob) in bob(&api) {
            let (text, more) = (row.ask)(bob.clone(), String::new()).await.unwrap();
            let leak = secrets.iter().find(|secret| text.contains(**secret));
            assert_eq!(leak, None, "{} by the {way}: {text}", row.method);
            assert!(text.contains("Bob does that") && more.is_empty(), "{}, {way}: {text}", row.method);
            let said = (row.ask)(bob, her_token.clone()).await;
            assert_eq!(outcome(&said), "InvalidArgument INVALID_PAGE_TOKEN", "{}, {way}", row.method);
        }
    }
}

#[tokio::test]
async fn what_is_for_services_is_for_nobody_else() {
    let api = Api::start().await;
    let bob = api.user("bob");
    let completed = bob.create(chore()).await;
    let completed = bob.complete(&completed).await;
    let (user, service) = (api.token("bob", &[]), api.token("bob", &[ACT_AS]));
    let check = async |row: &Row, caller: Caller, expect: &str| {
        let said = (row.ask)(caller, completed.task_id.clone()).await;
        assert_eq!(outcome(&said), expect, "{}", row.method);
    };
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.protects == Protects::Service).collect();
    for row in &rows {
        let internal = format!("PermissionDenied INTERNAL_METHOD method={}", row.method);
        check(row, api.public().bearer(&user), &internal).await;
        check(row, api.public().bearer(&service), &internal).await;
        check(row, api.app().bearer(&user), "PermissionDenied MISSING_SCOPE scope=tasks:act-as").await;
    }
    assert_eq!(bob.all_tasks().await, std::slice::from_ref(&completed), "nothing was created");
    for row in &rows {
        check(row, api.service().acting_for("bob"), "OK").await;
    }
    assert_eq!(bob.all_tasks().await.len(), 2, "the service's occurrence");
}

#[tokio::test]
async fn nobody_learns_of_letters_but_those_who_look_after_them() {
    let api = Api::start().await;
    let letter = letters::bury(&api, letters::painted(1)).await;
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.protects == Protects::Letter).collect();
    let (user, service) = (api.token("bob", &[]), api.token("bob", &[ACT_AS]));
    let callers = [
        api.public().bearer(&user),
        api.public().bearer(&service),
        api.app().bearer(&user),
        api.app().bearer(&service),
        api.service().acting_for("alice"),
    ];
    for row in &rows {
        for caller in &callers {
            for id in [letter.clone(), uuid(), "7".to_owned()] {
                let said = (row.ask)(caller.clone(), id).await;
                let expect = "PermissionDenied MISSING_SCOPE scope=deadletters:admin";
                assert_eq!(outcome(&said), expect, "{}", row.method);
            }
        }
    }
    let kept = letters::get(&api, &letter).await;
    assert_eq!((kept.state(), kept.actions.len()), (v1::dead_letter::State::Open, 0), "untouched");

    let admin = api.token("carol", &[DEAD_LETTERS_ADMIN]);
    for row in &rows {
        for caller in [api.public().bearer(&admin), api.app().bearer(&admin)] {
            let letter = letters::bury(&api, letters::painted(1)).await;
            let said = (row.ask)(caller, letter).await;
            assert_eq!(outcome(&said), "OK", "{}", row.method);
        }
    }
}

#[tokio::test]
async fn a_service_reaches_no_task_of_another_user_than_the_one_it_names() {
    let api = Api::start().await;
    let theirs = tasks_of_alice(&api).await;
    let mallory = api.service().acting_for("mallory");
    for row in rows().iter().filter(|row| row.method.ends_with("/CreateTask")) {
        if row.protects == Protects::Service {
            for task in &theirs {
                let said = (row.ask)(mallory.clone(), task.task_id.clone()).await;
                assert_eq!(outcome(&said), format!("NotFound TASK_NOT_FOUND task_id={}", task.task_id));
            }
        }
    }
    // One that names nobody has no tasks at all.
    let of_users =
        |row: &&Row| row.method != "docket.v1.TaskService/ListSeriesGaps" && row.protects != Protects::Letter;
    for row in rows().iter().filter(of_users) {
        let said = (row.ask)(api.service(), uuid()).await;
        assert_eq!(outcome(&said), "InvalidArgument INVALID_FIELDS", "{}", row.method);
    }
}
