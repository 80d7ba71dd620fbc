//! Who may call what: one row for each method of the contract at least, and nobody sees what is another one's.

mod rows;

use std::collections::BTreeSet;

use docket_domain::Channel;
use docket_proto::v1;
use docket_rpc::auth::{ACT_AS, Config, DEAD_LETTERS_ADMIN};
use docket_rpc::{Secret, Signer};
use docket_testkit::once;
use docket_wire::answer::unsubscribe_token;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::audit::deliver;
use crate::dead_letters as letters;
use crate::harness::{Api, Caller, due_at, now, outcome, told, uuid};
use crate::reminders::remind;
use rows::{Protects, Row, chore, rows, rows_of_users};

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
    for row in rows_of_users() {
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
    for row in rows_of_users() {
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
    let details = status.get_error_details_vec().len();
    format!("{:?} {} and {details} details", status.message(), told(status)).replace(id, "ID")
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
    let mut secrets: Vec<String> = vec!["user_id: \"alice\"".to_owned()];
    let alice = api.caller("alice");
    for title in ["Feed alice's cat", "Comb alice's cat"] {
        let task = api.user("alice").create(due_at(title, "2027-01-01T07:00:00Z")).await;
        remind(&api, "alice", &task).await;
        secrets.extend([task.task_id, task.title]);
    }
    secrets.extend(theirs.into_iter().flat_map(|task| [task.task_id, task.title]));
    let task = api.user("bob").create(due_at("Bob does that", "2027-01-01T07:00:00Z")).await;
    remind(&api, "bob", &task).await;
    deliver(&api, 1).await;
    for row in rows().iter().filter(|row| row.protects == Protects::Page) {
        let (text, her_token) = (row.ask)(alice.clone(), String::new()).await.unwrap();
        assert!(text.contains("alice") && !her_token.is_empty(), "{}: {text}", row.method);
        for (way, bob) in bob(&api) {
            let (text, more) = (row.ask)(bob.clone(), String::new()).await.unwrap();
            let leak = secrets.iter().find(|secret| text.contains(secret.as_str()));
            assert_eq!(leak, None, "{} by the {way}: {text}", row.method);
            assert!(text.contains("Bob does that") && more.is_empty(), "{}, {way}: {text}", row.method);
            let said = (row.ask)(bob, her_token.clone()).await;
            assert_eq!(outcome(&said), "InvalidArgument INVALID_PAGE_TOKEN", "{}, {way}", row.method);
        }
    }
}

#[tokio::test]
async fn a_reminder_of_somebody_else_is_as_one_that_does_not_exist() {
    let api = Api::start().await;
    let theirs = tasks_of_alice(&api).await;
    let listed = async || {
        let list = v1::ListRemindersRequest::default();
        api.caller("alice").reminders().list_reminders(list).await.unwrap().into_inner().reminders
    };
    let before = listed().await;
    assert_eq!(before.len(), 1, "that of the open task: {before:?}");
    for row in rows().iter().filter(|row| row.protects == Protects::Reminder) {
        for (way, bob) in bob(&api) {
            let nobodys = uuid();
            let unknown = (row.ask)(bob.clone(), nobodys.clone()).await.expect_err(row.method);
            for task in &theirs {
                let id = &task.task_id;
                let foreign = (row.ask)(bob.clone(), id.clone()).await.expect_err(row.method);
                let expect = format!("NotFound REMINDER_NOT_FOUND number=1 task_id={id}");
                assert_eq!(told(&foreign), expect, "{way}");
                let (foreign, unknown) = (everything(&foreign, id), everything(&unknown, &nobodys));
                assert_eq!(foreign, unknown, "{}, {way}", row.method);
            }
        }
    }
    assert_eq!(listed().await, before, "untouched");
}

#[tokio::test]
async fn of_a_task_of_somebody_else_there_is_nothing() {
    let api = Api::start().await;
    let [open, ..] = &tasks_of_alice(&api).await[..] else { panic!("alice has a task") };
    remind(&api, "alice", open).await;
    for row in rows().iter().filter(|row| row.protects == Protects::OfTask) {
        let (own, _) = (row.ask)(api.caller("alice"), open.task_id.clone()).await.unwrap();
        assert!(own.contains(&open.task_id), "{}: {own}", row.method);
        for (way, bob) in bob(&api) {
            let (unknown, _) = (row.ask)(bob.clone(), uuid()).await.unwrap();
            let (foreign, _) = (row.ask)(bob, open.task_id.clone()).await.unwrap();
            assert_eq!(foreign, unknown, "{}, {way}", row.method);
        }
    }
}

#[tokio::test]
async fn settings_are_ones_own() {
    let api = Api::start().await;
    let mut alice = api.caller("alice").notifications();
    let update = v1::UpdatePreferencesRequest {
        preferences: Some(v1::Preferences {
            email: "alice@example.com".to_owned(),
            locale: "en".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let hers = alice.update_preferences(update).await.unwrap().into_inner();
    for row in rows().iter().filter(|row| row.protects == Protects::Own) {
        for (way, bob) in bob(&api) {
            let text = match (row.ask)(bob, String::new()).await {
                Ok((text, _)) => text,
                // The second way comes too soon after the first.
                Err(status) => {
                    assert_eq!(
                        status.code(),
                        tonic::Code::ResourceExhausted,
                        "{}, {way}: {status}",
                        row.method
                    );
                    status.to_string()
                }
            };
            assert!(!text.contains("alice"), "{}, {way}: {text}", row.method);
        }
    }
    let after = alice.get_preferences(v1::GetPreferencesRequest {}).await.unwrap().into_inner();
    assert_eq!(after, hers, "untouched");
    let list = v1::ListDeliveriesRequest::default();
    assert_eq!(
        alice.list_deliveries(list).await.unwrap().into_inner().deliveries,
        [],
        "nothing of bob's test"
    );
}

#[tokio::test]
async fn who_has_the_link_of_a_message_needs_no_token() {
    let api = Api::start().await;
    let preferences = async |name: &str| {
        let get = v1::GetPreferencesRequest {};
        api.caller(name).notifications().get_preferences(get).await.unwrap().into_inner()
    };
    for name in ["alice", "bob"] {
        let update = v1::UpdatePreferencesRequest {
            preferences: Some(v1::Preferences { locale: "de".to_owned(), ..Default::default() }),
            ..Default::default()
        };
        api.caller(name).notifications().update_preferences(update).await.unwrap();
    }
    let stored = api.store().await.preferences(&"alice".parse().unwrap()).await.unwrap().unwrap();
    let token = unsubscribe_token(&stored.unsubscribe, Channel::Email);
    let (bob, forged) = (api.token("bob", &[]), format!("{}x", api.token("alice", &[])));
    for port in [api.public(), api.app()] {
        for caller in [port.clone(), port.clone().bearer(&bob), port.clone().bearer(&forged)] {
            let request = v1::UnsubscribeRequest { token: token.clone() };
            let answer = caller.notifications().unsubscribe(request).await.unwrap().into_inner();
            assert_eq!(answer.channel(), v1::reminder::Channel::Email);
            for row in rows().iter().filter(|row| row.protects == Protects::Open) {
                let said = (row.ask)(caller.clone(), String::new()).await;
                assert_eq!(outcome(&said), "InvalidArgument INVALID_FIELDS", "{}", row.method);
            }
        }
    }
    let email: i32 = v1::reminder::Channel::Email.into();
    assert_eq!(preferences("alice").await.unsubscribed_channels, [email]);
    assert_eq!(preferences("bob").await.unsubscribed_channels, [0; 0], "he had only shown his token");
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
    const OF_ALL: [&str; 3] = [
        "docket.v1.TaskService/ListSeriesGaps",
        "docket.v1.TaskService/CheckTasks",
        "docket.v1.ReminderService/CheckReminders",
    ];
    let of_users = |row: &&Row| {
        !OF_ALL.contains(&row.method) && ![Protects::Letter, Protects::Open].contains(&row.protects)
    };
    for row in rows().iter().filter(of_users) {
        let said = (row.ask)(api.service(), uuid()).await;
        assert_eq!(outcome(&said), "InvalidArgument INVALID_FIELDS", "{}", row.method);
    }
}
