//! One task: created, read, changed, completed, opened again, deleted.

use docket_proto::v1;
use docket_proto::v1::task::{Due, Priority, State};
use docket_testkit::{User, at, once, repeating};
use pbjson_types::{Duration, FieldMask};
use tonic::Status;

use crate::harness::{Api, due_at, fields_at_fault, outcome, told, uuid};

fn minutes_before(minutes: i64) -> v1::Reminder {
    let offset = Duration { seconds: minutes * 60, nanos: 0 };
    v1::Reminder { moment: Some(v1::reminder::Moment::Offset(offset)), channels: Vec::new() }
}

fn at_time(time: &str) -> v1::Reminder {
    v1::Reminder { moment: Some(v1::reminder::Moment::RemindTime(at(time))), channels: Vec::new() }
}

fn milk() -> v1::Task {
    v1::Task {
        description: "Two litres".to_owned(),
        priority: Priority::High.into(),
        tags: vec!["shop".to_owned(), "food".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        reminders: vec![minutes_before(10), at_time("2027-01-01T00:00:00Z")],
        ..due_at("Buy milk", "2027-03-01T08:00:00Z")
    }
}

async fn get(user: &User, task: &v1::Task) -> v1::Task {
    let request = v1::GetTaskRequest { task_id: task.task_id.clone() };
    user.tasks().get_task(request).await.unwrap().into_inner()
}

async fn update(user: &User, task: v1::Task, mask: Option<&[&str]>) -> Result<v1::Task, Status> {
    let paths = |paths: &[&str]| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    let request =
        v1::UpdateTaskRequest { task: Some(task), update_mask: mask.map(paths), ..Default::default() };
    user.tasks().update_task(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_task_is_answered_as_it_was_created() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let id = uuid();
    // What only the server writes is passed over.
    let pretended = v1::Task {
        task_id: id.clone(),
        user_id: "bob".to_owned(),
        state: State::Completed.into(),
        series_id: uuid(),
        version: 7,
        etag: "v7".to_owned(),
        create_time: Some(at("2001-01-01T00:00:00Z")),
        delete_time: Some(at("2001-01-01T00:00:00Z")),
        ..milk()
    };
    let created = alice.create(pretended).await;
    let expect = v1::Task {
        task_id: id,
        user_id: "alice".to_owned(),
        state: State::Open.into(),
        tags: vec!["food".to_owned(), "shop".to_owned()],
        version: 1,
        etag: created.etag.clone(),
        create_time: created.create_time,
        update_time: created.create_time,
        ..milk()
    };
    assert_eq!(created, expect);
    assert!(!created.etag.is_empty() && created.create_time.unwrap().seconds > 1_700_000_000);
    assert_eq!(get(&alice, &created).await, created);

    let bare = alice.create(once("  Bare ")).await;
    assert_eq!((bare.title.as_str(), bare.time_zone.as_str()), ("Bare", "UTC"));
    assert_eq!((bare.priority(), bare.state()), (Priority::Medium, State::Open));
    let version = uuid::Uuid::parse_str(&bare.task_id).unwrap().get_version_num();
    assert_eq!(version, 7, "the server's own ids");
}

#[tokio::test]
async fn a_timed_task_that_names_no_reminder_gets_one() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let timed = || due_at("Timed", "2027-03-01T08:00:00Z");
    let day = v1::Task { due: Some(Due::DueDate("2027-03-01".to_owned())), ..once("Day") };
    let table = [
        ("timed", timed(), vec![minutes_before(30)]),
        ("all-day", day, vec![]),
        ("never due", once("Never"), vec![]),
        ("named", v1::Task { reminders: vec![minutes_before(5)], ..timed() }, vec![minutes_before(5)]),
    ];
    for (name, task, expect) in table {
        assert_eq!(alice.create(task).await.reminders, expect, "{name}");
    }
}

/// Name, mask, the task sent, what it does to the task that is there.
type Change<'a> = (&'a str, Option<&'a [&'a str]>, v1::Task, fn(&mut v1::Task));

#[tokio::test]
async fn an_update_changes_the_named_fields_and_no_others() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let sent = || v1::Task { description: "Oat".to_owned(), ..once("Buy oat milk") };
    let table: [Change<'_>; 11] = [
        ("one field", Some(&["title"]), sent(), |task| task.title = "Buy oat milk".to_owned()),
        ("no mask: what is set", None, sent(), |task| {
            (task.title, task.description) = ("Buy oat milk".to_owned(), "Oat".to_owned());
        }),
        ("empty mask: what is set", Some(&[]), once("Buy oat milk"), |task| {
            task.title = "Buy oat milk".to_owned();
        }),
        ("to nothing", Some(&["description", "tags"]), v1::Task::default(), |task| {
            (task.description, task.tags) = (String::new(), Vec::new());
        }),
        ("priority to its default", Some(&["priority"]), v1::Task::default(), |task| {
            task.set_priority(Priority::Medium);
        }),
        // A reminder that is counted from the due time goes with it.
        ("never due", Some(&["due_time"]), v1::Task::default(), |task| {
            task.due = None;
            task.reminders = vec![at_time("2027-01-01T00:00:00Z")];
        }),
        ("never due, by the other name", Some(&["due_date"]), v1::Task::default(), |task| {
            task.due = None;
            task.reminders = vec![at_time("2027-01-01T00:00:00Z")];
        }),
        (
            "from an instant to a day",
            Some(&["due_date"]),
            v1::Task { due: Some(Due::DueDate("2027-03-02".to_owned())), ..v1::Task::default() },
            |task| task.due = Some(Due::DueDate("2027-03-02".to_owned())),
        ),
        ("reminders", Some(&["reminders"]), v1::Task::default(), |task| task.reminders.clear()),
        ("zone", Some(&["time_zone"]), v1::Task::default(), |task| task.time_zone = "UTC".to_owned()),
        ("all", Some(&["*"]), once("Only this"), |task| {
            (task.title, task.time_zone) = ("Only this".to_owned(), "UTC".to_owned());
            (task.description, task.tags, task.due) = (String::new(), Vec::new(), None);
            task.set_priority(Priority::Medium);
            task.reminders.clear();
        }),
    ];
    for (name, mask, sent, change) in table {
        let before = alice.create(milk()).await;
        let sent = v1::Task { task_id: before.task_id.clone(), ..sent };
        let after = update(&alice, sent.clone(), mask).await.unwrap();
        let mut expect = v1::Task {
            version: 2,
            etag: after.etag.clone(),
            update_time: after.update_time,
            ..before.clone()
        };
        change(&mut expect);
        assert_eq!(after, expect, "{name}");
        assert_ne!(after.etag, before.etag, "{name}");
        assert_eq!(get(&alice, &before).await, after, "{name}");
        // The same again changes nothing, and so makes no version.
        assert_eq!(update(&alice, sent, mask).await.unwrap(), after, "{name}, again");
    }
}

#[tokio::test]
async fn an_update_that_cannot_be_is_refused_with_its_fields() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice
        .create(repeating("Rent", v1::recurrence::Pattern::Monthly, "2027-01-31T08:00:00Z", "UTC"))
        .await;
    let table: [(&str, &[&str], &[&str]); 5] = [
        ("", &["title"], &["task.title"]),
        ("x", &["titel", "version"], &["update_mask.paths[0]", "update_mask.paths[1]"]),
        ("", &["titel", "title"], &["update_mask.paths[0]", "task.title"]),
        // A rule needs something to count from.
        ("x", &["due_time"], &["task.recurrence"]),
        ("", &["*"], &["task.title"]),
    ];
    for (title, paths, expect) in table {
        let sent = v1::Task { task_id: task.task_id.clone(), ..once(title) };
        let status = update(&alice, sent, Some(paths)).await.unwrap_err();
        assert_eq!(fields_at_fault(&status), expect, "{paths:?}");
    }
    assert_eq!(get(&alice, &task).await, task);
}

#[tokio::test]
async fn a_stale_etag_stops_every_change_and_the_answer_names_the_current_one() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let stale = alice.create(milk()).await;
    let id = || stale.task_id.clone();
    let current = update(&alice, v1::Task { task_id: id(), ..once("Newer") }, None).await.unwrap();
    let refused = format!("Aborted ETAG_MISMATCH etag={} task_id={}", current.etag, id());

    for (etag, expect) in [(stale.etag.clone(), refused.as_str()), ("nonsense".to_owned(), &refused)] {
        let mut tasks = alice.tasks();
        let sent = v1::Task { task_id: id(), etag: etag.clone(), ..once("Newest") };
        assert_eq!(outcome(&update(&alice, sent.clone(), None).await), expect);
        let dry = v1::UpdateTaskRequest { task: Some(sent), validate_only: true, ..Default::default() };
        assert_eq!(outcome(&tasks.update_task(dry).await), expect);
        let request = v1::CompleteTaskRequest { task_id: id(), etag: etag.clone(), ..Default::default() };
        assert_eq!(outcome(&tasks.complete_task(request).await), expect);
        let request = v1::ReopenTaskRequest { task_id: id(), etag: etag.clone(), ..Default::default() };
        assert_eq!(outcome(&tasks.reopen_task(request).await), expect);
        let request = v1::DeleteTaskRequest { task_id: id(), etag, ..Default::default() };
        assert_eq!(outcome(&tasks.delete_task(request).await), expect);
    }
    assert_eq!(get(&alice, &stale).await, current);

    // With the etag of the answer before, each goes through.
    let mut tasks = alice.tasks();
    let sent = v1::Task { task_id: id(), etag: current.etag, ..once("Newest") };
    let etag = update(&alice, sent, None).await.unwrap().etag;
    let request = v1::CompleteTaskRequest { task_id: id(), etag, ..Default::default() };
    let etag = tasks.complete_task(request).await.unwrap().into_inner().etag;
    let request = v1::ReopenTaskRequest { task_id: id(), etag, ..Default::default() };
    let etag = tasks.reopen_task(request).await.unwrap().into_inner().etag;
    let request = v1::DeleteTaskRequest { task_id: id(), etag, ..Default::default() };
    assert_eq!(tasks.delete_task(request).await.unwrap().into_inner().version, 6);
}

async fn step(user: &User, id: &str, step: &str) -> String {
    let (mut tasks, task_id) = (user.tasks(), id.to_owned());
    let answer = match step {
        "complete" => tasks.complete_task(v1::CompleteTaskRequest { task_id, ..Default::default() }).await,
        "reopen" => tasks.reopen_task(v1::ReopenTaskRequest { task_id, ..Default::default() }).await,
        "delete" => tasks.delete_task(v1::DeleteTaskRequest { task_id, ..Default::default() }).await,
        "update" => {
            let task = Some(v1::Task { task_id, ..once(&uuid()) });
            tasks.update_task(v1::UpdateTaskRequest { task, ..Default::default() }).await
        }
        other => panic!("{other} is no step"),
    };
    match answer {
        Ok(task) => format!("{:?}", task.get_ref().state()),
        Err(status) => told(&status).replace(id, "ID"),
    }
}

/// What was done before; what each further step comes to.
type Steps<'a> = (&'a [&'a str], [(&'a str, &'a str); 4]);

#[tokio::test]
async fn only_what_the_state_allows_is_done() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let deleted = "FailedPrecondition TASK_DELETED task_id=ID";
    let open = "FailedPrecondition TASK_STATE state=OPEN task_id=ID";
    let completed = "FailedPrecondition TASK_STATE state=COMPLETED task_id=ID";
    let table: [Steps<'_>; 5] = [
        (&[], [("complete", "Completed"), ("reopen", open), ("update", "Open"), ("delete", "Open")]),
        (
            &["complete"],
            [("complete", completed), ("reopen", "Open"), ("update", "Completed"), ("delete", "Completed")],
        ),
        (
            &["complete", "reopen"],
            [("complete", "Completed"), ("reopen", open), ("update", "Open"), ("delete", "Open")],
        ),
        (&["delete"], [("complete", deleted), ("reopen", deleted), ("update", deleted), ("delete", deleted)]),
        (
            &["complete", "delete"],
            [("complete", deleted), ("reopen", deleted), ("update", deleted), ("delete", deleted)],
        ),
    ];
    for (before, cases) in table {
        for (then, expect) in cases {
            let task = alice.create(once("Step by step")).await;
            for one in before {
                step(&alice, &task.task_id, one).await;
            }
            let there = get(&alice, &task).await;
            assert_eq!(there.version, 1 + before.len() as i64);
            assert_eq!(step(&alice, &task.task_id, then).await, expect, "{before:?}, then {then}");
            if expect.starts_with("Failed") {
                assert_eq!(get(&alice, &task).await, there, "{before:?}, then {then}: untouched");
            }
        }
    }
}

#[tokio::test]
async fn a_completed_task_says_when_and_a_reopened_one_does_not() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(once("Dishes")).await;
    let completed = alice.complete(&task).await;
    assert_eq!(completed.complete_time, completed.update_time);
    assert!(completed.complete_time.is_some());
    step(&alice, &task.task_id, "reopen").await;
    assert_eq!(get(&alice, &task).await.complete_time, None);
}

#[tokio::test]
async fn a_deleted_task_is_kept_but_not_listed() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let (kept, task) = (alice.create(once("Kept")).await, alice.create(milk()).await);
    step(&alice, &task.task_id, "delete").await;

    let deleted = get(&alice, &task).await;
    let (delete, purge) = (deleted.delete_time.unwrap(), deleted.purge_time.unwrap());
    assert_eq!((purge.seconds - delete.seconds, purge.nanos), (30 * 86_400, delete.nanos));
    assert_eq!(deleted.title, "Buy milk");
    assert_eq!(alice.all_tasks().await, std::slice::from_ref(&kept));
    let request = v1::ListTasksRequest { show_deleted: true, ..Default::default() };
    let all = alice.tasks().list_tasks(request).await.unwrap().into_inner().tasks;
    assert_eq!(all, [kept, deleted]);
    // Its id stays taken.
    let again = v1::Task { task_id: task.task_id.clone(), ..once("Again") };
    let request = v1::CreateTaskRequest { task: Some(again), ..Default::default() };
    let expect = format!("AlreadyExists TASK_ID_TAKEN task_id={}", task.task_id);
    assert_eq!(outcome(&alice.tasks().create_task(request).await), expect);
}

#[tokio::test]
async fn a_check_answers_what_would_be_and_stores_nothing() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let (id, request_id) = (uuid(), uuid());
    let mut request = v1::CreateTaskRequest {
        task: Some(v1::Task { task_id: id.clone(), ..milk() }),
        request_id,
        validate_only: true,
        ..Default::default()
    };
    let would_be = alice.tasks().create_task(request.clone()).await.unwrap().into_inner();
    assert!(alice.all_tasks().await.is_empty());
    // The request id is not used up either.
    request.validate_only = false;
    let created = alice.tasks().create_task(request).await.unwrap().into_inner();
    let but_later = |task: v1::Task| v1::Task {
        create_time: created.create_time,
        update_time: created.update_time,
        ..task
    };
    assert_eq!(but_later(would_be), created);

    // What only the database knows is checked too.
    let taken = v1::Task { task_id: id.clone(), ..once("Taken") };
    let request = v1::CreateTaskRequest { task: Some(taken), validate_only: true, ..Default::default() };
    let expect = format!("AlreadyExists TASK_ID_TAKEN task_id={id}");
    assert_eq!(outcome(&alice.tasks().create_task(request).await), expect);

    let renamed = v1::Task { task_id: id, ..once("Renamed") };
    let request = v1::UpdateTaskRequest { task: Some(renamed), validate_only: true, ..Default::default() };
    let would_be = alice.tasks().update_task(request).await.unwrap().into_inner();
    assert_eq!((would_be.title.as_str(), would_be.version), ("Renamed", 2));
    assert_eq!(get(&alice, &created).await, created);

    let wrong = v1::Task { time_zone: "Berlin".to_owned(), ..once("") };
    let request = v1::CreateTaskRequest { task: Some(wrong), validate_only: true, ..Default::default() };
    let status = alice.tasks().create_task(request).await.unwrap_err();
    assert_eq!(fields_at_fault(&status), ["task.title", "task.time_zone"]);
}

#[tokio::test]
async fn a_service_is_told_which_tasks_are_open_and_in_which_version() {
    let api = Api::start().await;
    let (alice, bob) = (api.user("alice"), api.user("bob"));
    let open = alice.create(once("Open")).await;
    let his = bob.create(once("His")).await;
    let renamed =
        update(&bob, v1::Task { title: "His own".to_owned(), ..his }, Some(&["title"])).await.unwrap();
    let done = alice.create(once("Done")).await;
    alice.complete(&done).await;
    let gone = alice.create(once("Gone")).await;
    let request = v1::DeleteTaskRequest { task_id: gone.task_id.clone(), ..Default::default() };
    alice.tasks().delete_task(request).await.unwrap();

    let service = api.service();
    let check = async |ids: &[&str]| {
        let task_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        service.tasks().check_tasks(v1::CheckTasksRequest { task_ids }).await
    };
    let unknown = uuid();
    let all = [&open, &renamed, &done, &gone].map(|task| task.task_id.as_str());
    let answer = check(&[&all[..], &[all[0], &unknown]].concat()).await.unwrap().into_inner();
    let mut told: Vec<(&str, i64)> =
        answer.open_tasks.iter().map(|task| (task.task_id.as_str(), task.version)).collect();
    told.sort_unstable();
    assert_eq!(told, [(all[0], 1), (all[1], 2)], "neither what is over nor what nobody knows, and each once");
    let since = |id: &str| answer.open_tasks.iter().find(|task| task.task_id == id).unwrap().update_time;
    assert_eq!([since(all[0]), since(all[1])], [open.update_time, renamed.update_time]);
    for (wrong, fields) in [(&[][..], "task_ids"), (&["7"], "task_ids[0]")] {
        assert_eq!(fields_at_fault(&check(wrong).await.unwrap_err()), [fields]);
    }
    assert_eq!(fields_at_fault(&check(&[unknown.as_str(); 501]).await.unwrap_err()), ["task_ids"]);
}
