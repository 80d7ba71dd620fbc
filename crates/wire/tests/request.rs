//! What requests mean once they are checked, and that everything wrong with one is told at once.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use std::time::Duration;

use chrono::NaiveDate;
use docket_domain::content::{Channel, Moment};
use docket_domain::filter::{Condition, Order, OrderField, StateName};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern};
use docket_domain::{
    Content, Due, EventKind, Heard, Instant, Priority, Recurrence, Reminder, ReminderEventKind,
};
use docket_proto::v1::{self, recurrence as rule, reminder, task};
use docket_wire::request::{self, PreviewSource};
use docket_wire::{InvalidFields, Violations};
use pbjson_types as pb;

const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";
const OTHER_ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e20";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn time(seconds: i64, nanos: i32) -> pb::Timestamp {
    pb::Timestamp { seconds, nanos }
}

fn fields<T: std::fmt::Debug>(result: Result<T, InvalidFields>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|violation| violation.field).collect()
}

/// Nothing but a title and an instant at which it is due.
fn timed() -> v1::Task {
    let due = Some(task::Due::DueTime(time(1_800_000_000, 0)));
    v1::Task { title: "Water the plants".into(), due, ..v1::Task::default() }
}

fn repeating() -> v1::Task {
    let daily = rule::Rule::Pattern(rule::Pattern::Daily.into());
    v1::Task {
        recurrence: Some(v1::Recurrence { rule: Some(daily), ..v1::Recurrence::default() }),
        ..timed()
    }
}

fn created(task: v1::Task) -> Result<Content, InvalidFields> {
    let request = v1::CreateTaskRequest { task: Some(task), ..v1::CreateTaskRequest::default() };
    request::create(&request).map(|create| create.content)
}

fn with_rule(change: impl FnOnce(&mut v1::Recurrence)) -> v1::Task {
    let mut task = repeating();
    change(task.recurrence.as_mut().unwrap());
    task
}

fn reminding(moment: Option<reminder::Moment>, channels: &[i32]) -> v1::Task {
    v1::Task { reminders: vec![v1::Reminder { moment, channels: channels.to_vec() }], ..timed() }
}

fn offset(seconds: i64, nanos: i32) -> Option<reminder::Moment> {
    Some(reminder::Moment::Offset(pb::Duration { seconds, nanos }))
}

#[test]
fn a_creation_gets_the_defaults() {
    let content = created(repeating()).unwrap();
    assert_eq!(content.title.as_str(), "Water the plants");
    assert_eq!((content.description.as_str(), content.tags.as_slice()), ("", &[][..]));
    assert_eq!((content.priority, content.time_zone), (Priority::Medium, chrono_tz::UTC));
    assert_eq!(content.due, Some(Due::At(at("2027-01-15T08:00:00Z"))));
    let expected = Recurrence {
        pattern: Pattern::Daily,
        interval: 1,
        anchor: Anchor::DueTime,
        month_end: MonthEnd::Clamp,
        missed: Missed::NextFuture,
        end: End::Never,
    };
    assert_eq!(content.recurrence, Some(expected));
    assert_eq!(content.reminders, []);
}

#[test]
fn a_creation_takes_every_field_and_passes_over_output_only_ones() {
    let task = v1::Task {
        task_id: ID.to_uppercase(),
        description: "Balcony first".into(),
        priority: task::Priority::Urgent.into(),
        tags: vec!["work".into(), " home ".into()],
        due: Some(task::Due::DueDate("2028-02-29".into())),
        time_zone: "Europe/Berlin".into(),
        recurrence: Some(v1::Recurrence {
            interval: 999,
            anchor: rule::Anchor::CompletionTime.into(),
            month_end: rule::MonthEnd::Skip.into(),
            missed: rule::Missed::Each.into(),
            rule: Some(rule::Rule::Pattern(rule::Pattern::Monthly.into())),
            end: Some(rule::End::Until(time(253_402_300_799, 999_999_999))),
        }),
        reminders: vec![
            v1::Reminder { moment: offset(366 * 86_400, 0), channels: vec![3, 1] },
            v1::Reminder { moment: Some(reminder::Moment::RemindTime(time(0, 1_999))), channels: vec![] },
        ],
        user_id: "\u{0}".into(),
        state: 77,
        series_id: "none".into(),
        version: -1,
        create_time: Some(time(i64::MAX, -1)),
        ..timed()
    };
    let request = v1::CreateTaskRequest {
        task: Some(task),
        request_id: ID.into(),
        validate_only: true,
        occurrence_of: Some(v1::create_task_request::OccurrenceOf { task_id: OTHER_ID.into(), version: 3 }),
    };
    let create = request::create(&request).unwrap();
    assert_eq!(create.task_id, Some(ID.parse().unwrap()));
    assert_eq!(create.request_id, Some(ID.parse().unwrap()));
    assert_eq!(create.occurrence_of, Some((OTHER_ID.parse().unwrap(), 3)));
    assert!(create.validate_only);
    let content = create.content;
    assert_eq!(content.tags.as_slice(), ["home", "work"]);
    assert_eq!(content.due, NaiveDate::from_ymd_opt(2028, 2, 29).map(Due::On));
    assert_eq!((content.priority, content.time_zone), (Priority::Urgent, chrono_tz::Europe::Berlin));
    let expected = Recurrence {
        pattern: Pattern::Monthly,
        interval: 999,
        anchor: Anchor::CompletionTime,
        month_end: MonthEnd::Skip,
        missed: Missed::Each,
        end: End::Until(at("9999-12-31T23:59:59.999999Z")),
    };
    assert_eq!(content.recurrence, Some(expected));
    let first = Reminder {
        moment: Moment::Before(Duration::from_secs(366 * 86_400)),
        channels: vec![Channel::Webhook, Channel::Email],
    };
    let second = Reminder { moment: Moment::At(at("1970-01-01T00:00:00.000001Z")), channels: vec![] };
    assert_eq!(content.reminders, [first, second]);
}

#[test]
fn what_the_api_answers_can_be_created_again() {
    let task = v1::Task {
        tags: vec!["a".into(), "b".into()],
        reminders: vec![v1::Reminder { moment: offset(60, 0), channels: vec![2] }],
        ..with_rule(|rule| rule.end = Some(rule::End::Count(100_000)))
    };
    let content = created(task).unwrap();
    assert_eq!(created(docket_wire::answer::content_to_proto(&content)), Ok(content));
}

#[test]
fn each_field_that_breaks_a_rule_is_named_as_the_client_wrote_it() {
    let due_time =
        |seconds, nanos| v1::Task { due: Some(task::Due::DueTime(time(seconds, nanos))), ..timed() };
    let due_date = |text: &str| v1::Task { due: Some(task::Due::DueDate(text.into())), ..timed() };
    let tags = |tags: &[&str]| v1::Task { tags: tags.iter().map(|tag| (*tag).into()).collect(), ..timed() };
    let zone = |name: &str| v1::Task { time_zone: name.into(), ..timed() };
    let undated = |task| v1::Task { due: None, ..task };
    let many = |count| v1::Task {
        reminders: vec![v1::Reminder { moment: offset(0, 0), channels: vec![] }; count],
        ..timed()
    };
    let table: Vec<(v1::Task, &str)> = vec![
        (v1::Task { task_id: "7".into(), ..timed() }, "task.task_id"),
        (v1::Task { title: " ".into(), ..timed() }, "task.title"),
        (v1::Task { title: "a\u{7}".into(), ..timed() }, "task.title"),
        (v1::Task { title: "ä".repeat(501), ..timed() }, "task.title"),
        (v1::Task { description: "x".repeat(16_385), ..timed() }, "task.description"),
        (v1::Task { priority: 5, ..timed() }, "task.priority"),
        (v1::Task { priority: -1, ..timed() }, "task.priority"),
        (tags(&["a", ""]), "task.tags[1]"),
        (tags(&["a", "b", "a "]), "task.tags"),
        (v1::Task { tags: (0..33).map(|i| i.to_string()).collect(), ..timed() }, "task.tags"),
        (due_time(-1, 0), "task.due_time"),
        (due_time(253_402_300_800, 0), "task.due_time"),
        (due_time(0, -1), "task.due_time"),
        (due_time(0, 1_000_000_000), "task.due_time"),
        (due_date(""), "task.due_date"),
        (due_date("2027-2-01"), "task.due_date"),
        (due_date("2027-02-29"), "task.due_date"),
        (due_date("1969-12-31"), "task.due_date"),
        (due_date("+027-02-01"), "task.due_date"),
        (due_date("10000-01-01"), "task.due_date"),
        (due_date("２027-02-1"), "task.due_date"),
        (zone("europe/berlin"), "task.time_zone"),
        (zone("+01:00"), "task.time_zone"),
        (with_rule(|rule| rule.rule = None), "task.recurrence.pattern"),
        (with_rule(|rule| rule.rule = Some(rule::Rule::Pattern(0))), "task.recurrence.pattern"),
        (with_rule(|rule| rule.rule = Some(rule::Rule::Pattern(5))), "task.recurrence.pattern"),
        (with_rule(|rule| rule.rule = Some(rule::Rule::Rrule("FREQ=DAILY".into()))), "task.recurrence.rrule"),
        (with_rule(|rule| rule.interval = 1_000), "task.recurrence.interval"),
        (with_rule(|rule| rule.interval = -1), "task.recurrence.interval"),
        (with_rule(|rule| rule.anchor = 3), "task.recurrence.anchor"),
        (with_rule(|rule| rule.month_end = 3), "task.recurrence.month_end"),
        (with_rule(|rule| rule.missed = 3), "task.recurrence.missed"),
        (with_rule(|rule| rule.end = Some(rule::End::Count(0))), "task.recurrence.count"),
        (with_rule(|rule| rule.end = Some(rule::End::Count(100_001))), "task.recurrence.count"),
        (with_rule(|rule| rule.end = Some(rule::End::Until(time(-1, 0)))), "task.recurrence.until"),
        (
            with_rule(|rule| rule.end = Some(rule::End::Until(time(1_799_999_999, 0)))),
            "task.recurrence.until",
        ),
        (undated(repeating()), "task.recurrence"),
        (many(11), "task.reminders"),
        (undated(many(1)), "task.reminders"),
        (reminding(None, &[]), "task.reminders[0]"),
        (reminding(offset(-1, 0), &[]), "task.reminders[0].offset"),
        (reminding(offset(1, 1), &[]), "task.reminders[0].offset"),
        (reminding(offset(366 * 86_400 + 1, 0), &[]), "task.reminders[0].offset"),
        (reminding(Some(reminder::Moment::RemindTime(time(-1, 0))), &[]), "task.reminders[0].remind_time"),
        (reminding(offset(0, 0), &[1, 0]), "task.reminders[0].channels[1]"),
        (reminding(offset(0, 0), &[4]), "task.reminders[0].channels[0]"),
        (reminding(offset(0, 0), &[1, 2, 1]), "task.reminders[0].channels[2]"),
    ];
    for (task, field) in table {
        assert_eq!(fields(created(task.clone())), [field], "{task:?}");
    }
    let error = created(with_rule(|rule| rule.rule = Some(rule::Rule::Rrule(String::new())))).unwrap_err();
    assert_eq!(error.to_string(), "task.recurrence.rrule is not supported: this server takes `pattern` only");
}

#[test]
fn all_violations_are_told_at_once() {
    let mut task = with_rule(|rule| {
        rule.interval = -1;
        rule.missed = 9;
    });
    task.title.clear();
    task.due = None;
    task.reminders = vec![
        v1::Reminder { moment: offset(60, 0), channels: vec![] },
        v1::Reminder { moment: offset(0, 5), channels: vec![9] },
    ];
    let request = v1::CreateTaskRequest {
        task: Some(task),
        request_id: "again".into(),
        occurrence_of: Some(v1::create_task_request::OccurrenceOf::default()),
        ..v1::CreateTaskRequest::default()
    };
    let expected = [
        "task.title",
        "task.recurrence.interval",
        "task.recurrence.missed",
        "task.reminders[1].offset",
        "task.reminders[1].channels[0]",
        "request_id",
        "occurrence_of.task_id",
        "occurrence_of.version",
        "task.due_time",
    ];
    assert_eq!(fields(request::create(&request)), expected);

    // A contradiction shows beside broken fields that have no part in it.
    let task = v1::Task { title: String::new(), due: None, ..repeating() };
    assert_eq!(fields(created(task)), ["task.title", "task.recurrence"]);

    // They must fit into the trailers of an answer.
    let flood = v1::Task { tags: vec![String::new(); 10_000], ..timed() };
    let error = created(flood).unwrap_err();
    assert_eq!(error.to_string(), "task.tags[0] must have 1 to 64 characters (and 31 more)");
    assert_eq!(fields::<()>(Err(error)).len(), Violations::MAX);
}

#[test]
fn an_occurrence_is_due_and_has_a_name_of_its_own() {
    let of = v1::create_task_request::OccurrenceOf { task_id: ID.into(), version: 1 };
    let create = |task| {
        request::create(&v1::CreateTaskRequest {
            task: Some(task),
            occurrence_of: Some(of.clone()),
            ..v1::CreateTaskRequest::default()
        })
    };
    assert!(create(v1::Task { task_id: OTHER_ID.into(), ..repeating() }).is_ok());
    let same = v1::Task { task_id: ID.to_uppercase(), due: None, ..timed() };
    assert_eq!(fields(create(same)), ["task.task_id", "task.due_time"]);
    let broken = v1::Task { due: Some(task::Due::DueDate("soon".into())), ..timed() };
    assert_eq!(fields(create(broken)), ["task.due_date"]);
}

#[test]
fn a_request_without_its_task_or_its_name_says_so() {
    let create = v1::CreateTaskRequest { request_id: "x".into(), ..v1::CreateTaskRequest::default() };
    assert_eq!(fields(request::create(&create)), ["task", "request_id"]);
    assert_eq!(fields(request::update(&v1::UpdateTaskRequest::default())), ["task"]);
    let update = v1::UpdateTaskRequest { task: Some(timed()), ..v1::UpdateTaskRequest::default() };
    assert_eq!(fields(request::update(&update)), ["task.task_id"]);
    for (task_id, valid) in
        [("", false), ("7", false), ("00000000-0000-0000-0000-000000000000", false), (ID, true)]
    {
        let get = v1::GetTaskRequest { task_id: task_id.into() };
        assert_eq!(request::get(&get).map_err(|error| error.0[0].field.clone()).is_ok(), valid, "{task_id}");
        let (etag, request_id) = ("v1".to_owned(), "?".to_owned());
        let delete = v1::DeleteTaskRequest { task_id: task_id.into(), etag, request_id };
        let expected: &[&str] = if valid { &["request_id"] } else { &["task_id", "request_id"] };
        assert_eq!(fields(request::delete(&delete)), expected, "{task_id}");
    }
    let complete = v1::CompleteTaskRequest { task_id: ID.into(), ..v1::CompleteTaskRequest::default() };
    let transition = request::complete(&complete).unwrap();
    assert_eq!((transition.etag, transition.request_id), (None, None));
    let reopen = v1::ReopenTaskRequest { task_id: ID.into(), etag: "v7".into(), request_id: ID.into() };
    let transition = request::reopen(&reopen).unwrap();
    assert_eq!((transition.etag.as_deref(), transition.request_id), (Some("v7"), Some(ID.parse().unwrap())));
}

#[test]
fn pages_are_as_long_as_asked_within_limits() {
    let table = [
        (0, Ok(50)),
        (1, Ok(1)),
        (500, Ok(500)),
        (501, Ok(500)),
        (i32::MAX, Ok(500)),
        (-1, Err("page_size")),
    ];
    for (size, expected) in table {
        let expected = expected.map_err(str::to_owned);
        let list = v1::ListTasksRequest { page_size: size, ..v1::ListTasksRequest::default() };
        let got = request::list(&list, at("2027-01-01T00:00:00Z")).map(|list| list.page_size);
        assert_eq!(got.map_err(|error| error.0[0].field.clone()), expected);
        let entries =
            v1::ListAuditEntriesRequest { page_size: size, ..v1::ListAuditEntriesRequest::default() };
        let got = request::list_entries(&entries).map(|list| list.page_size);
        assert_eq!(got.map_err(|error| error.0[0].field.clone()), expected);
    }
    let gaps = |page_size| request::gaps(&v1::ListSeriesGapsRequest { page_size, page_token: String::new() });
    assert_eq!((gaps(0).unwrap().page_size, gaps(1_001).unwrap().page_size), (100, 1_000));
    assert_eq!(fields(gaps(-1)), ["page_size"]);
}

#[test]
fn tasks_are_asked_for_each_once() {
    let check = |ids: &[&str]| {
        let task_ids = ids.iter().map(|id| (*id).to_owned()).collect();
        request::check(&v1::CheckTasksRequest { task_ids })
    };
    let asked = check(&[OTHER_ID, ID, OTHER_ID]).unwrap();
    assert_eq!(asked.iter().map(ToString::to_string).collect::<Vec<_>>(), [OTHER_ID, ID]);
    assert_eq!(check(&[ID; 500]).unwrap().len(), 1);
    assert_eq!(fields(check(&[])), ["task_ids"]);
    assert_eq!(fields(check(&[ID; 501])), ["task_ids"]);
    assert_eq!(fields(check(&[ID, "", "7"])), ["task_ids[1]", "task_ids[2]"]);
}

#[test]
fn a_listing_reads_its_filter_in_the_zone_of_the_request() {
    let mut list = v1::ListTasksRequest {
        page_size: 7,
        page_token: "next".into(),
        filter: "state = OPEN AND due < today()".into(),
        order_by: "due desc".into(),
        show_deleted: true,
        time_zone: "Pacific/Auckland".into(),
    };
    let checked = request::list(&list, at("2027-07-01T13:00:00Z")).unwrap();
    let before_the_2nd = Condition::DueBefore(at("2027-07-01T12:00:00Z"));
    assert_eq!(checked.filter.0, [Condition::State(true, StateName::Open), before_the_2nd]);
    assert_eq!(checked.order, Order { field: OrderField::Due, descending: true });
    assert_eq!((checked.page_size, checked.page_token.as_str(), checked.show_deleted), (7, "next", true));

    list = v1::ListTasksRequest {
        page_size: -1,
        filter: "due".into(),
        order_by: "colour".into(),
        time_zone: "Here".into(),
        ..list
    };
    let fields = fields(request::list(&list, at("2027-07-01T13:00:00Z")));
    assert_eq!(fields, ["page_size", "time_zone", "filter", "order_by"]);
}

#[test]
fn a_preview_is_of_a_task_or_of_what_might_become_one() {
    use v1::preview_occurrences_request::Source;
    let preview = |source, page_size| request::preview(&v1::PreviewOccurrencesRequest { source, page_size });
    let stored = preview(Some(Source::TaskId(ID.into())), 0).unwrap();
    assert_eq!((stored.source, stored.limit), (PreviewSource::Task(ID.parse().unwrap()), 10));
    let draft = preview(Some(Source::Task(repeating())), 101).unwrap();
    assert_eq!(draft.source, PreviewSource::Content(Box::new(created(repeating()).unwrap())));
    assert_eq!(draft.limit, 100);
    assert_eq!(fields(preview(None, -1)), ["task_id", "page_size"]);
    assert_eq!(fields(preview(Some(Source::TaskId(String::new())), 1)), ["task_id"]);
    assert_eq!(fields(preview(Some(Source::Task(timed())), 1)), ["task.recurrence"]);
    let undated = v1::Task { due: None, ..repeating() };
    assert_eq!(fields(preview(Some(Source::Task(undated)), 1)), ["task.recurrence"]);
    let misnamed = v1::Task { task_id: "7".into(), title: String::new(), ..repeating() };
    assert_eq!(fields(preview(Some(Source::Task(misnamed)), 1)), ["task.task_id", "task.title"]);
}

#[test]
fn audit_entries_are_chosen_by_task_kind_and_time() {
    let mut list = v1::ListAuditEntriesRequest {
        task_id: ID.into(),
        event_types: vec![
            "com.todo.task.completed".into(),
            "com.todo.task.created".into(),
            "com.todo.task.completed".into(),
            "com.todo.reminder.missed".into(),
        ],
        start_time: Some(time(10, 0)),
        end_time: Some(time(11, 0)),
        ..v1::ListAuditEntriesRequest::default()
    };
    let checked = request::list_entries(&list).unwrap();
    let expect = [
        Heard::Task(EventKind::Completed),
        Heard::Task(EventKind::Created),
        Heard::Reminder(ReminderEventKind::Missed),
    ];
    assert_eq!(checked.kinds, expect);
    assert_eq!(checked.task_id, Some(ID.parse().unwrap()));
    assert_eq!(
        (checked.start, checked.end),
        (Some(at("1970-01-01T00:00:10Z")), Some(at("1970-01-01T00:00:11Z")))
    );

    list.end_time = list.start_time;
    list.event_types = vec!["com.todo.task.created".into(), "created".into()];
    list.task_id = "7".into();
    assert_eq!(fields(request::list_entries(&list)), ["task_id", "event_types[1]", "end_time"]);
    list.start_time = Some(time(0, -1));
    list.event_types = vec!["com.todo.task.created".into(); 17];
    list.task_id.clear();
    assert_eq!(fields(request::list_entries(&list)), ["event_types", "start_time"]);
    // What the log does not keep can not be asked for.
    let strange = v1::ListAuditEntriesRequest {
        event_types: vec!["com.todo.reminder.due".into(), "com.todo.preferences.updated".into()],
        ..v1::ListAuditEntriesRequest::default()
    };
    assert_eq!(fields(request::list_entries(&strange)), ["event_types[0]", "event_types[1]"]);
}
