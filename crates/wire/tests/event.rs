//! Events: samples of every published form decode for ever, and what is written today is what the samples show.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use docket_domain::content::{Channel, Moment};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern};
use docket_domain::series::WallClock;
use docket_domain::{
    Change, Content, Description, Due, EventId, EventKind, Instant, Priority, Recurrence, Reminder, Series,
    State, Tags, Task, Title,
};
use docket_wire::ObjectText;
use docket_wire::event::{DecodeError, decode, encode};
use serde_json::{Value, json};

struct Sample {
    name: &'static str,
    event_id: EventId,
    change: Change,
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn plain_task() -> Task {
    Task {
        id: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap(),
        user_id: "alice".parse().unwrap(),
        content: Content {
            title: Title::parse("Water the plants").unwrap(),
            description: Description::default(),
            priority: Priority::Medium,
            tags: Tags::default(),
            due: Some(Due::At(at("2027-01-31T08:00:00Z"))),
            time_zone: chrono_tz::Europe::Berlin,
            recurrence: None,
            reminders: vec![Reminder {
                moment: Moment::Before(Duration::from_secs(1_800)),
                channels: vec![],
            }],
        },
        state: State::Open,
        series: None,
        version: 1,
        create_time: at("2027-01-01T10:20:30.123456Z"),
        update_time: at("2027-01-01T10:20:30.123456Z"),
        delete_time: None,
    }
}

fn monthly_task() -> Task {
    let mut task = plain_task();
    task.content.recurrence = Some(Recurrence {
        pattern: Pattern::Monthly,
        interval: 1,
        anchor: Anchor::DueTime,
        month_end: MonthEnd::Clamp,
        missed: Missed::NextFuture,
        end: End::Never,
    });
    let start = NaiveDate::from_ymd_opt(2027, 1, 31).unwrap().and_hms_opt(9, 0, 0).unwrap();
    task.series = Some(Series {
        id: "0192f0c1-2b3c-7d4e-8f50-000000000001".parse().unwrap(),
        occurrence_time: at("2027-01-31T08:00:00Z"),
        start: WallClock::Time(start),
        start_index: 1,
        index: 1,
    });
    task
}

fn all_day_task() -> Task {
    let mut task = plain_task();
    let day = NaiveDate::from_ymd_opt(2028, 2, 29).unwrap();
    task.content.due = Some(Due::On(day));
    task.content.time_zone = chrono_tz::Pacific::Auckland;
    task.content.reminders = vec![];
    task.content.recurrence = Some(Recurrence {
        pattern: Pattern::Yearly,
        interval: 4,
        anchor: Anchor::CompletionTime,
        month_end: MonthEnd::Skip,
        missed: Missed::Each,
        end: End::Count(12),
    });
    task.series = Some(Series {
        id: "0192f0c1-2b3c-7d4e-8f50-000000000002".parse().unwrap(),
        occurrence_time: at("2028-02-28T11:00:00Z"),
        start: WallClock::Day(day),
        start_index: 1,
        index: 1,
    });
    task
}

/// Every field has a value, and the change touches most of them.
fn everything() -> Change {
    let before = monthly_task();
    let mut after = before.clone();
    after.content = Content {
        title: Title::parse("Blumen gießen 🌻").unwrap(),
        description: Description::parse("Balcony first.\n\t\"Not too much\" \\ said Bob").unwrap(),
        priority: Priority::Urgent,
        tags: Tags::collect(vec!["home".into(), "at \"work\"".into()]).unwrap(),
        due: Some(Due::At(at("2027-02-01T05:06:07.000008Z"))),
        time_zone: chrono_tz::Asia::Kathmandu,
        recurrence: Some(Recurrence {
            pattern: Pattern::Weekly,
            interval: 999,
            anchor: Anchor::DueTime,
            month_end: MonthEnd::Skip,
            missed: Missed::Each,
            end: End::Until(at("9999-12-31T23:59:59.999999Z")),
        }),
        reminders: vec![
            Reminder {
                moment: Moment::Before(Reminder::MAX_OFFSET),
                channels: vec![Channel::Webhook, Channel::Email, Channel::Push],
            },
            Reminder { moment: Moment::At(at("2027-01-31T00:00:00Z")), channels: vec![Channel::Push] },
        ],
    };
    let start = NaiveDate::from_ymd_opt(2027, 2, 1).unwrap().and_hms_micro_opt(10, 51, 7, 8).unwrap();
    after.series = after.series.map(|series| Series {
        start: WallClock::Time(start),
        start_index: 3,
        index: 7,
        ..series
    });
    after.version = 2;
    after.update_time = at("2027-01-02T00:00:00Z");
    Change { kind: EventKind::Updated, before: Some(before), after }
}

fn mutated(before: Task, kind: EventKind, change: impl FnOnce(&mut Task)) -> Change {
    let mut after = before.clone();
    after.version += 1;
    after.update_time = at("2027-01-30T18:00:00Z");
    change(&mut after);
    Change { kind, before: Some(before), after }
}

fn samples() -> Vec<Sample> {
    let completed = mutated(monthly_task(), EventKind::Completed, |task| {
        task.state = State::Completed { time: at("2027-01-30T18:00:00Z"), version: 2 };
    });
    let reopened = mutated(completed.after.clone(), EventKind::Reopened, |task| task.state = State::Open);
    let deleted = mutated(reopened.after.clone(), EventKind::Deleted, |task| {
        task.delete_time = Some(at("2027-01-30T18:00:00Z"));
    });
    let undated = mutated(plain_task(), EventKind::Updated, |task| {
        task.content.due = None;
        task.content.reminders = vec![];
        task.content.tags = Tags::collect(vec!["someday".into()]).unwrap();
    });
    let created = |after| Change { kind: EventKind::Created, before: None, after };
    [
        ("created", created(plain_task())),
        ("created_all_day", created(all_day_task())),
        ("updated_undated", undated),
        ("updated_everything", everything()),
        ("completed_recurring", completed),
        ("reopened", reopened),
        ("deleted", deleted),
    ]
    .into_iter()
    .map(|(name, change)| Sample {
        name,
        event_id: "0192f0c1-2b3c-7d4e-8f50-00000000e001".parse().unwrap(),
        change,
    })
    .collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("goldens/task_event/v1")
}

fn golden(name: &str) -> Vec<u8> {
    let path = folder().join(name).with_extension("json");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn published_events_decode_for_ever() {
    for Sample { name, event_id, change } in samples() {
        let event = decode(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(event.task().unwrap(), change.after, "{name}");
        assert_eq!((event.id, event.version), (event_id, change.after.version), "{name}");
        assert_eq!((event.task_id, &event.user_id), (change.after.id, &change.after.user_id), "{name}");
        assert_eq!(event.before.is_some(), change.before.is_some(), "{name}");
    }
}

#[test]
fn events_are_written_as_the_samples_show() {
    for Sample { name, event_id, change } in samples() {
        let written: Value = serde_json::from_slice(&encode(&change, event_id)).unwrap();
        let expected: Value = serde_json::from_slice(&golden(name)).unwrap();
        assert_eq!(written, expected, "{name}: {written:#}");
    }
}

#[test]
fn every_sample_is_tested() {
    let files = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let files: BTreeSet<String> =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let tested: BTreeSet<String> = samples().into_iter().map(|sample| sample.name.to_owned()).collect();
    assert_eq!(files, tested);
}

#[test]
fn an_event_tells_what_changed_and_from_what() {
    let change = mutated(monthly_task(), EventKind::Updated, |task| {
        task.content.description = Description::parse("Balcony first").unwrap();
        task.content.due = Some(Due::On(NaiveDate::from_ymd_opt(2027, 2, 1).unwrap()));
        task.content.recurrence = None;
    });
    let event = decode(&encode(&change, samples()[0].event_id)).unwrap();
    let changed = [
        "description",
        "due_date",
        "due_time",
        "recurring_anchor",
        "recurring_interval",
        "recurring_missed",
        "recurring_month_end",
        "recurring_pattern",
        "update_time",
    ];
    assert_eq!(event.changed_fields, changed);
    let before = json!({
        "due_time": "2027-01-31T08:00:00Z",
        "recurring_anchor": "RECURRING_ANCHOR_DUE_TIME",
        "recurring_interval": 1,
        "recurring_missed": "RECURRING_MISSED_NEXT_FUTURE",
        "recurring_month_end": "RECURRING_MONTH_END_CLAMP",
        "recurring_pattern": "RECURRING_PATTERN_MONTHLY",
        "update_time": "2027-01-01T10:20:30.123456Z",
    });
    assert_eq!(event.before.map(|before| Value::Object(before.fields().unwrap())), Some(before));
    let after = event.after.fields().unwrap();
    assert_eq!(after["due_date"], "2027-02-01");
    assert_eq!(after["time_zone"], "Europe/Berlin");
}

/// The sample `completed_recurring`, with the value at `pointer` replaced; `Value::Null` takes the field away.
fn tampered(pointer: &str, value: Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&golden("completed_recurring")).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(field),
        value => parent.insert(field.to_owned(), value),
    };
    serde_json::to_vec(&event).unwrap()
}

#[test]
fn fields_of_later_versions_are_passed_over_but_kept() {
    let expected = decode(&golden("completed_recurring")).unwrap().task().unwrap();
    for pointer in ["/colour", "/payload/colour", "/payload/series/colour", "/previous/colour"] {
        let event = decode(&tampered(pointer, json!({"red": [1, 2]}))).unwrap();
        assert_eq!(event.task().unwrap(), expected, "{pointer}");
        let has_it = |object: ObjectText| object.fields().unwrap().contains_key("colour");
        assert_eq!(has_it(event.after), pointer == "/payload/colour");
        assert_eq!(has_it(event.before.unwrap()), pointer == "/previous/colour");
    }
}

#[test]
fn what_nobody_could_read_again_is_not_carried_on() {
    let golden = String::from_utf8(golden("completed_recurring")).unwrap();
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    for (value, readable) in [
        ("\"\\ud83c\\udfe0\"", true),
        ("1e300", true),
        ("\"\\ud800\"", false),
        ("1e999", false),
        (&deep, false),
    ] {
        for object in ["payload", "previous"] {
            let start = golden.find(&format!("\"{object}\"")).unwrap();
            let open = start + golden[start..].find('{').unwrap() + 1;
            let event = format!("{}\"colour\": {value}, {}", &golden[..open], &golden[open..]);
            match decode(event.as_bytes()) {
                Ok(_) => assert!(readable, "{object}: {value}"),
                Err(DecodeError::Malformed(_)) => assert!(!readable, "{object}: {value}"),
                Err(other) => panic!("{object}: {value}: {other:?}"),
            }
        }
    }
}

#[test]
fn other_schema_versions_are_named_before_anything_else_is_looked_at() {
    for (event, expected) in [
        (json!({"schema_version": 2, "payload": 7}), 2),
        (json!({"schema_version": "3"}), 3),
        (json!({}), 0),
        (json!([]), 0),
    ] {
        match decode(event.to_string().as_bytes()) {
            Err(DecodeError::UnsupportedVersion(version)) => assert_eq!(version, expected, "{event}"),
            other => panic!("{event}: {other:?}"),
        }
    }
    assert!(
        decode(&tampered("/schema_version", json!("1"))).is_ok(),
        "the JSON mapping allows numbers in quotes"
    );
}

#[test]
fn damage_is_named() {
    let table = [
        ("/payload/priority", json!("TASK_PRIORITY_COSMIC"), "Malformed: TASK_PRIORITY_COSMIC"),
        ("/payload/recurring_pattern", json!(9), "Malformed: 9"),
        ("/payload/title", json!(9), "Malformed: "),
        ("/payload/due_time", json!("yesterday"), "Malformed: "),
        ("/task_id", json!("7"), "task_id must be a UUID"),
        ("/user_id", json!(""), "user_id must be 1 to 255"),
        ("/idempotency_key", Value::Null, "idempotency_key must be a UUID"),
        ("/sequence", json!("0"), "sequence must be 1 or more"),
        ("/payload", Value::Null, "payload is required"),
        ("/payload/title", Value::Null, "payload.title must have 1 to 500 characters"),
        ("/payload/status", Value::Null, "payload.status must be TASK_STATUS_OPEN or TASK_STATUS_COMPLETED"),
        ("/payload/complete_time", Value::Null, "payload.complete_time is required"),
        (
            "/payload/time_zone",
            json!("Mars/Olympus"),
            "payload.time_zone must be the name of an IANA time zone",
        ),
        ("/payload/due_date", json!("2027-01-31"), "payload.due_date must not stand beside due_time"),
        ("/payload/recurring_interval", Value::Null, "payload.recurring_interval must be from 1 to 999"),
        ("/payload/reminders", json!([{}]), "payload.reminders[0] needs one of offset and remind_time"),
        ("/payload/series/start", json!("noon"), "payload.series.start must be YYYY-MM-DD"),
        ("/payload/series/start", json!("-262143-01-01"), "payload.series.start must lie in the years 1969"),
        (
            "/payload/series/start",
            json!("+10001-01-01T00:00:00"),
            "payload.series.start must lie in the years",
        ),
        // In the years of RFC 3339, and still later than what can be written again.
        ("/payload/due_time", json!("9999-12-31T23:59:59-00:01"), "payload.due_time must be from 1969-12-31"),
        (
            "/payload/update_time",
            json!("0001-01-01T00:00:00Z"),
            "payload.update_time must be from 1969-12-31",
        ),
        ("/payload/series/index", Value::Null, "payload.series.index must be from 1"),
        ("/payload/create_time", Value::Null, "payload.create_time is required"),
    ];
    for (pointer, value, expected) in table {
        let error = decode(&tampered(pointer, value.clone())).and_then(|event| event.task()).unwrap_err();
        let text = match error {
            DecodeError::InvalidFields(fields) => fields.to_string(),
            DecodeError::Malformed(error) => match expected.strip_prefix("Malformed: ") {
                Some(part) if error.to_string().contains(part) => continue,
                _ => panic!("{pointer} = {value}: {error}"),
            },
            other => panic!("{pointer} = {value}: {other:?}"),
        };
        assert!(text.starts_with(expected), "{pointer} = {value}: {text}");
    }
    assert!(matches!(decode(b"{"), Err(DecodeError::NotJson(_))));
    let both = json!({"schema_version": 1}).to_string();
    let Err(DecodeError::InvalidFields(fields)) = decode(both.as_bytes()) else { panic!("nothing is there") };
    assert_eq!(fields.0.len(), 5, "all are told at once: {fields}");
}
