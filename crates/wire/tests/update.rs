//! What an update changes: masks, defaults and contradictions (AIP-134).
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use docket_domain::{Content, Due, Instant, Priority};
use docket_proto::v1::{self, recurrence as rule, task};
use docket_wire::{InvalidFields, request};
use pbjson_types as pb;

const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

/// A task in which every field differs from its default.
fn full() -> v1::Task {
    v1::Task {
        title: "Before".into(),
        description: "More".into(),
        priority: task::Priority::High.into(),
        tags: vec!["home".into()],
        due: Some(task::Due::DueTime(pb::Timestamp { seconds: 1_800_000_000, nanos: 0 })),
        time_zone: "Europe/Berlin".into(),
        recurrence: Some(v1::Recurrence {
            rule: Some(rule::Rule::Pattern(rule::Pattern::Weekly.into())),
            ..v1::Recurrence::default()
        }),
        reminders: vec![v1::Reminder {
            moment: Some(v1::reminder::Moment::Offset(pb::Duration { seconds: 60, nanos: 0 })),
            channels: vec![],
        }],
        ..v1::Task::default()
    }
}

fn before() -> Content {
    let create = v1::CreateTaskRequest { task: Some(full()), ..v1::CreateTaskRequest::default() };
    request::create(&create).unwrap().content
}

/// The task after an update with these fields and this mask.
fn updated(task: v1::Task, mask: Option<&[&str]>) -> Result<Content, InvalidFields> {
    let paths =
        |paths: &[&str]| pb::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
    let request = v1::UpdateTaskRequest {
        task: Some(v1::Task { task_id: ID.into(), ..task }),
        update_mask: mask.map(paths),
        ..v1::UpdateTaskRequest::default()
    };
    request::update(&request)?.patch.apply(&before())
}

fn fields<T: std::fmt::Debug>(result: Result<T, InvalidFields>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|violation| violation.field).collect()
}

#[test]
fn a_mask_chooses_what_changes() {
    let day = || Some(task::Due::DueDate("2027-03-01".into()));
    let on = Some(Due::On(chrono::NaiveDate::from_ymd_opt(2027, 3, 1).unwrap()));
    let title = |text: &str| docket_domain::Title::parse(text).unwrap();
    let new =
        || v1::Task { title: "After".into(), priority: task::Priority::Low.into(), ..v1::Task::default() };
    let dated = || v1::Task { due: day(), ..new() };
    // What is said of the task, the mask, and what the result differs in.
    type Change = fn(&mut Content);
    let table: Vec<(v1::Task, Option<&[&str]>, Change)> = vec![
        (v1::Task::default(), None, |_| {}),
        (v1::Task::default(), Some(&[]), |_| {}),
        (new(), Some(&["description"]), |after| after.description = docket_domain::Description::default()),
        (new(), Some(&["priority"]), |after| after.priority = Priority::Low),
        (new(), Some(&["priority", "priority"]), |after| after.priority = Priority::Low),
        (v1::Task::default(), Some(&["priority"]), |after| after.priority = Priority::Medium),
        (new(), Some(&["tags"]), |after| after.tags = docket_domain::Tags::default()),
        (new(), Some(&["time_zone"]), |after| after.time_zone = chrono_tz::UTC),
        (new(), Some(&["recurrence"]), |after| after.recurrence = None),
        (new(), Some(&["reminders"]), |after| after.reminders.clear()),
        (full(), Some(&["due_time"]), |_| {}),
        (new(), Some(&["due_time", "recurrence", "reminders"]), |after| {
            after.due = None;
            after.recurrence = None;
            after.reminders.clear();
        }),
        // Reminders that were counted from the due time go with it.
        (new(), Some(&["due_time", "recurrence"]), |after| {
            after.due = None;
            after.recurrence = None;
            after.reminders.clear();
        }),
        // The mask names the one of the two that is not said.
        (dated(), Some(&["due_time", "recurrence", "reminders"]), |after| {
            after.due = None;
            after.recurrence = None;
            after.reminders.clear();
        }),
    ];
    for (task, mask, change) in table {
        let mut expected = before();
        change(&mut expected);
        assert_eq!(updated(task.clone(), mask), Ok(expected), "{mask:?} {task:?}");
    }
    let mut expected = before();
    expected.title = title("After");
    assert_eq!(updated(new(), Some(&["title"])), Ok(expected.clone()));
    expected.priority = Priority::Low;
    assert_eq!(updated(new(), None), Ok(expected.clone()));
    expected.due = on;
    assert_eq!(updated(dated(), None), Ok(expected.clone()));
    assert_eq!(updated(dated(), Some(&["due_date", "due_time", "title", "priority"])), Ok(expected));
}

#[test]
fn a_star_replaces_everything() {
    let after = updated(v1::Task { title: "After".into(), ..v1::Task::default() }, Some(&["*"])).unwrap();
    let create = v1::CreateTaskRequest {
        task: Some(v1::Task { title: "After".into(), ..v1::Task::default() }),
        ..v1::CreateTaskRequest::default()
    };
    assert_eq!(after, request::create(&create).unwrap().content);
    assert_eq!(updated(full(), Some(&["*"])), Ok(before()));
    assert_eq!(fields(updated(v1::Task::default(), Some(&["*"]))), ["task.title"]);
}

#[test]
fn a_mask_names_fields_that_can_change() {
    let broken = v1::Task { priority: 9, title: String::new(), ..v1::Task::default() };
    for path in
        ["", "state", "task_id", "version", "recurrence.interval", "task.title", "dueTime", "tags[0]", "due"]
    {
        assert_eq!(fields(updated(full(), Some(&["title", path]))), ["update_mask.paths[1]"], "{path}");
    }
    let expected = ["update_mask.paths[0]", "task.title", "task.priority"];
    assert_eq!(fields(updated(broken.clone(), Some(&["colour", "priority", "title"]))), expected);
    // What the mask leaves out is not looked at.
    assert!(updated(broken, Some(&["description"])).is_ok());
}

#[test]
fn the_result_must_not_contradict_itself() {
    assert_eq!(fields(updated(v1::Task::default(), Some(&["due_date"]))), ["task.recurrence"]);
    let undated = v1::Task { due: None, ..full() };
    let expected = ["task.recurrence", "task.reminders"];
    assert_eq!(fields(updated(undated, Some(&["due_time", "reminders"]))), expected);
    let ended = v1::Task {
        recurrence: Some(v1::Recurrence {
            rule: Some(rule::Rule::Pattern(rule::Pattern::Daily.into())),
            end: Some(rule::End::Until(pb::Timestamp { seconds: 1_799_999_999, nanos: 0 })),
            ..v1::Recurrence::default()
        }),
        ..v1::Task::default()
    };
    assert_eq!(fields(updated(ended.clone(), None)), ["task.recurrence.until"]);
    let earlier = Some(task::Due::DueTime(pb::Timestamp { seconds: 1_799_999_999, nanos: 0 }));
    let after = updated(v1::Task { due: earlier, ..ended }, None).unwrap();
    assert_eq!(after.due, Some(Due::At(at("2027-01-15T07:59:59Z"))));
}

#[test]
fn an_update_carries_etag_and_request_id() {
    let mut request = v1::UpdateTaskRequest {
        task: Some(v1::Task { task_id: ID.into(), etag: "v4".into(), ..v1::Task::default() }),
        update_mask: None,
        request_id: ID.into(),
        validate_only: true,
    };
    let update = request::update(&request).unwrap();
    assert_eq!((update.task_id, update.request_id), (ID.parse().unwrap(), Some(ID.parse().unwrap())));
    assert_eq!((update.etag.as_deref(), update.validate_only), (Some("v4"), true));
    request.request_id = "4".into();
    assert_eq!(fields(request::update(&request)), ["request_id"]);
}
