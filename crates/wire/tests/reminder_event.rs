//! The events of reminders and of preferences: what was published decodes, and what is written equals the samples.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use docket_domain::content::{Channel, Priority};
use docket_domain::{DeliveryEnd, Due, EventId, Instant, ReminderNumber};
use docket_wire::event::{self, DecodeError};
use docket_wire::preferences_event::{self, PreferencesNotice};
use docket_wire::reminder_event::{self, Outcome, ReminderNotice};
use serde_json::{Value, json};

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn id(last: &str) -> EventId {
    format!("0192f0c1-2b3c-7d4e-8f50-00000000{last}").parse().unwrap()
}

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "goldens", name, "v1"].iter().collect()
}

fn golden(event: &str, name: &str) -> Vec<u8> {
    let file = folder(event).join(format!("{name}.json"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn outcome(channel: Channel, result: DeliveryEnd, attempts: i32, reason: &str, time: &str) -> Outcome {
    Outcome { channel, result, attempts, reason: reason.to_owned(), time: at(time) }
}

/// Fired, of a task that is due at an instant.
fn due() -> ReminderNotice {
    ReminderNotice {
        id: id("e101"),
        reminder_id: id("e101").to_string().parse().unwrap(),
        task_id: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap(),
        user_id: "alice".parse().unwrap(),
        task_version: 7,
        number: ReminderNumber::new(2).unwrap(),
        title: "Water the plants".to_owned(),
        priority: Priority::High,
        due: Some(Due::At(at("2027-01-31T08:00:00.123456Z"))),
        time_zone: "Europe/Berlin".parse().unwrap(),
        remind_at: at("2027-01-31T07:30:00Z"),
        fire_time: Some(at("2027-01-31T07:30:00.250Z")),
        channels: vec![Channel::Email, Channel::Webhook],
        outcomes: Vec::new(),
        called_off: false,
    }
}

/// Ended, of an all-day task.
fn sent() -> ReminderNotice {
    ReminderNotice {
        id: id("e104"),
        reminder_id: id("e103").to_string().parse().unwrap(),
        task_version: 3,
        number: ReminderNumber::new(10).unwrap(),
        priority: Priority::Medium,
        due: Some(Due::On("2028-02-29".parse().unwrap())),
        time_zone: "Pacific/Auckland".parse().unwrap(),
        remind_at: at("2028-02-28T20:00:00Z"),
        fire_time: Some(at("2028-02-28T20:00:00Z")),
        channels: Vec::new(),
        outcomes: vec![
            outcome(Channel::Email, DeliveryEnd::Sent, 2, "", "2028-02-28T20:00:06.5Z"),
            outcome(
                Channel::Push,
                DeliveryEnd::Failed,
                1,
                "the token is not registered any more",
                "2028-02-28T20:00:01Z",
            ),
        ],
        ..due()
    }
}

fn samples() -> Vec<(&'static str, ReminderNotice)> {
    let undated = ReminderNotice {
        id: id("e102"),
        reminder_id: id("e102").to_string().parse().unwrap(),
        task_version: 1,
        number: ReminderNumber::new(1).unwrap(),
        title: "at 10:00+00:00".to_owned(),
        priority: Priority::Low,
        due: None,
        time_zone: "UTC".parse().unwrap(),
        fire_time: Some(at("2027-01-31T07:30:01Z")),
        channels: Vec::new(),
        ..due()
    };
    let failed = ReminderNotice {
        id: id("e105"),
        number: ReminderNumber::new(1).unwrap(),
        priority: Priority::Urgent,
        channels: vec![Channel::Webhook],
        outcomes: vec![
            outcome(
                Channel::Email,
                DeliveryEnd::Cancelled,
                0,
                "the reminder does not stand any more",
                "2028-02-28T20:00:01Z",
            ),
            outcome(
                Channel::Webhook,
                DeliveryEnd::Unknown,
                1,
                "no answer came within 20 s",
                "2028-02-28T20:01:00Z",
            ),
        ],
        ..sent()
    };
    let missed = ReminderNotice {
        id: id("e106"),
        reminder_id: id("e106").to_string().parse().unwrap(),
        task_version: i64::MAX,
        number: ReminderNumber::new(1).unwrap(),
        priority: Priority::Medium,
        due: Some(Due::At(at("2027-01-31T08:00:00Z"))),
        fire_time: None,
        channels: Vec::new(),
        ..due()
    };
    let called_off = ReminderNotice {
        id: id("e107"),
        channels: vec![Channel::Email],
        outcomes: failed.outcomes[..1].to_vec(),
        called_off: true,
        ..failed.clone()
    };
    vec![
        ("due", due()),
        ("due_undated", undated),
        ("sent", sent()),
        ("failed", failed),
        ("called_off", called_off),
        ("missed", missed),
    ]
}

#[test]
fn every_sample_decodes_for_ever() {
    for (name, notice) in samples() {
        let read = reminder_event::decode(&golden("reminder_event", name));
        assert_eq!(read.unwrap_or_else(|error| panic!("{name}: {error:?}")), notice, "{name}");
    }
}

#[test]
fn events_are_written_as_the_samples_show() {
    for (name, notice) in samples() {
        let written: Value = serde_json::from_slice(&reminder_event::encode(&notice)).unwrap();
        let expected: Value = serde_json::from_slice(&golden("reminder_event", name)).unwrap();
        assert_eq!(written, expected, "{name}: {written:#}");
    }
}

#[test]
fn every_sample_is_tested() {
    let files = |event| {
        let files = std::fs::read_dir(folder(event)).unwrap().map(|file| file.unwrap().path());
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let tested: BTreeSet<String> = samples().into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(files("reminder_event"), tested);
    assert_eq!(files("preferences_event"), BTreeSet::from(["updated".to_owned()]));
}

#[test]
fn preferences_are_told_as_the_sample_shows() {
    let notice = PreferencesNotice {
        id: id("e201"),
        user_id: "alice".parse().unwrap(),
        sequence: 12,
        all_day_time: "07:45".parse().unwrap(),
    };
    let sample = golden("preferences_event", "updated");
    assert_eq!(preferences_event::decode(&sample).unwrap(), notice);
    let written: Value = serde_json::from_slice(&preferences_event::encode(&notice)).unwrap();
    assert_eq!(written, serde_json::from_slice::<Value>(&sample).unwrap());
}

#[test]
fn a_reason_carries_no_control_characters() {
    let mut notice = sent();
    notice.outcomes[1].reason = "550 no\r\n\0such\u{1b}[1m user".to_owned();
    let read = reminder_event::decode(&reminder_event::encode(&notice)).unwrap();
    assert_eq!(read.outcomes[1].reason, "550 no   such [1m user");
}

/// A sample with the value at `pointer` replaced; `Value::Null` takes the field away.
fn tampered(event: &str, name: &str, pointer: &str, value: Value) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&golden(event, name)).unwrap();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Value::Null => parent.remove(field),
        value => parent.insert(field.to_owned(), value),
    };
    serde_json::to_vec(&event).unwrap()
}

fn told(error: &DecodeError) -> String {
    match error {
        DecodeError::InvalidFields(fields) => fields.to_string(),
        DecodeError::Malformed(error) => format!("malformed: {error}"),
        other => other.to_string(),
    }
}

#[test]
fn fields_of_later_versions_are_passed_over() {
    for pointer in ["/colour", "/outcomes/0/colour"] {
        let bytes = tampered("reminder_event", "sent", pointer, json!({"red": [1, 2]}));
        assert_eq!(reminder_event::decode(&bytes).unwrap(), sent(), "{pointer}");
    }
    let bytes = tampered("preferences_event", "updated", "/colour", json!("red"));
    assert!(preferences_event::decode(&bytes).is_ok());
}

#[test]
fn damage_is_named() {
    let table = [
        ("/schema_version", json!(2), "the event has schema_version 2"),
        ("/schema_version", Value::Null, "the event has schema_version 0"),
        ("/idempotency_key", Value::Null, "idempotency_key must be a UUID"),
        ("/reminder_id", json!("7"), "reminder_id must be a UUID"),
        ("/task_id", json!(""), "task_id must be a UUID"),
        ("/user_id", json!("a b"), "user_id must be 1 to 255"),
        ("/sequence", json!("0"), "sequence must be 1 or more"),
        ("/number", json!(0), "number must be from 1 to 10"),
        ("/number", json!(11), "number must be from 1 to 10"),
        ("/title", Value::Null, "title must have 1 to 500 characters"),
        ("/title", json!("two\nlines"), "title must not contain control characters"),
        ("/priority", Value::Null, "priority is required"),
        ("/priority", json!("TASK_PRIORITY_COSMIC"), "malformed: "),
        ("/due_at", json!("2027-01-31T08:00:00Z"), "due_date must not stand beside due_at"),
        ("/due_date", json!("2028-02-30"), "due_date must be a calendar day"),
        ("/time_zone", json!("Mars/Olympus"), "time_zone must be the name of an IANA time zone"),
        ("/remind_at", Value::Null, "remind_at is required"),
        ("/remind_at", json!("yesterday"), "malformed: "),
        ("/fire_time", json!("0001-01-01T00:00:00Z"), "fire_time must be from 1969-12-31"),
        ("/notification_type", json!([0]), "notification_type is required"),
        ("/outcomes/0/channel", Value::Null, "outcomes[0].channel is required"),
        ("/outcomes/1/result", Value::Null, "outcomes[1].result is required"),
        ("/outcomes/0/attempts", json!(-1), "outcomes[0].attempts must not be negative"),
        ("/outcomes/1/time", Value::Null, "outcomes[1].time is required"),
    ];
    for (pointer, value, expected) in table {
        let bytes = tampered("reminder_event", "sent", pointer, value.clone());
        let error = reminder_event::decode(&bytes).expect_err(pointer);
        assert!(told(&error).starts_with(expected), "{pointer} = {value}: {}", told(&error));
    }
    for (pointer, value, expected) in [
        ("/schema_version", json!(3), "the event has schema_version 3"),
        ("/idempotency_key", json!("x"), "idempotency_key must be a UUID"),
        ("/user_id", Value::Null, "user_id must be 1 to 255"),
        ("/sequence", json!("-1"), "sequence must be 1 or more"),
        ("/all_day_time", json!("24:00"), "all_day_time must be a time of day HH:MM"),
    ] {
        let bytes = tampered("preferences_event", "updated", pointer, value.clone());
        let error = preferences_event::decode(&bytes).expect_err(pointer);
        assert!(told(&error).starts_with(expected), "{pointer} = {value}: {}", told(&error));
    }
    assert!(matches!(reminder_event::decode(b"{"), Err(DecodeError::NotJson(_))));
    let nothing = reminder_event::decode(json!({"schema_version": 1}).to_string().as_bytes()).unwrap_err();
    let DecodeError::InvalidFields(fields) = nothing else { panic!("{nothing:?}") };
    assert_eq!(fields.0.len(), 9, "all are told at once: {fields}");
}

/// What looks for the versions of a task passes over the events of its reminders.
#[test]
fn an_event_of_a_reminder_is_none_of_its_task() {
    for (name, _) in samples() {
        let error = event::decode(&golden("reminder_event", name)).expect_err(name);
        assert!(told(&error).contains("payload is required"), "{name}: {}", told(&error));
    }
    assert!(event::decode(&golden("preferences_event", "updated")).is_err());
}
