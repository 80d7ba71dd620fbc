//! What the API answers.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use docket_domain::recurrence::Next;
use docket_domain::{Due, Instant, Series, State, Task};
use docket_proto::v1::{self, preview_occurrences_response::occurrence, task};
use docket_wire::{answer, request};
use pbjson_types::Timestamp;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn time(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[test]
fn a_task_is_answered_in_full() {
    let said = v1::Task {
        title: "Water the plants".into(),
        priority: task::Priority::High.into(),
        tags: vec!["home".into()],
        due: Some(task::Due::DueDate("2027-01-31".into())),
        time_zone: "Europe/Berlin".into(),
        recurrence: Some(v1::Recurrence {
            rule: Some(v1::recurrence::Rule::Pattern(v1::recurrence::Pattern::Monthly.into())),
            interval: 1,
            anchor: v1::recurrence::Anchor::DueTime.into(),
            month_end: v1::recurrence::MonthEnd::Clamp.into(),
            missed: v1::recurrence::Missed::NextFuture.into(),
            end: Some(v1::recurrence::End::Count(3)),
        }),
        ..v1::Task::default()
    };
    let create = v1::CreateTaskRequest { task: Some(said.clone()), ..v1::CreateTaskRequest::default() };
    let content = request::create(&create).unwrap().content;
    let series_id = "0192f0c1-2b3c-7d4e-8f50-000000000001";
    let mut task = Task {
        id: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap(),
        user_id: "alice".parse().unwrap(),
        series: content.due.map(|due| Series::first(series_id.parse().unwrap(), due, content.time_zone)),
        content,
        state: State::Completed { time: at("1970-01-01T00:00:03Z"), version: 2 },
        version: 3,
        create_time: at("1970-01-01T00:00:01Z"),
        update_time: at("1970-01-01T00:00:04Z"),
        delete_time: Some(at("1970-01-01T00:00:04Z")),
    };
    let expected = v1::Task {
        task_id: task.id.to_string(),
        user_id: "alice".into(),
        state: task::State::Completed.into(),
        series_id: series_id.into(),
        // Midnight in Berlin.
        occurrence_time: time(at("2027-01-30T23:00:00Z").timestamp()),
        version: 3,
        etag: "v3".into(),
        create_time: time(1),
        update_time: time(4),
        complete_time: time(3),
        delete_time: time(4),
        purge_time: time(4 + 30 * 86_400),
        ..said
    };
    assert_eq!(answer::task_to_proto(&task), expected);

    // The series is remembered, but the task does not repeat any more.
    task.content.recurrence = None;
    let expected = v1::Task { series_id: String::new(), occurrence_time: None, recurrence: None, ..expected };
    assert_eq!(answer::task_to_proto(&task), expected);
}

#[test]
fn the_call_for_the_next_occurrence_is_written_while_the_rule_goes_on() {
    let said = v1::Task {
        title: "Water the plants".into(),
        due: Some(task::Due::DueTime(Timestamp {
            seconds: at("2027-03-26T08:00:00Z").timestamp(),
            nanos: 0,
        })),
        time_zone: "Europe/Berlin".into(),
        recurrence: Some(v1::Recurrence {
            rule: Some(v1::recurrence::Rule::Pattern(v1::recurrence::Pattern::Weekly.into())),
            end: Some(v1::recurrence::End::Count(2)),
            ..v1::Recurrence::default()
        }),
        ..v1::Task::default()
    };
    let create = v1::CreateTaskRequest { task: Some(said), ..v1::CreateTaskRequest::default() };
    let content = request::create(&create).unwrap().content;
    let (id, series) =
        ("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f", "0192f0c1-2b3c-7d4e-8f50-000000000001".parse().unwrap());
    let now = at("2027-03-26T07:00:00Z");
    let open = Task::create(id.parse().unwrap(), "alice".parse().unwrap(), content, series, now).after;
    assert_eq!(answer::next_to_proto(&open), None, "it is not completed");

    let completed = open.complete(now).unwrap().after;
    // A title of later on: the completion goes by the version that it made.
    let mut renamed = completed.clone();
    renamed.version += 1;
    let call = answer::next_to_proto(&renamed).unwrap();
    let of = call.occurrence_of.clone().unwrap();
    assert_eq!((of.task_id.as_str(), of.version), (id, 2));
    let read = request::create(&call).unwrap();
    assert_eq!(read.content, completed.next_content(Due::At(at("2027-04-02T07:00:00Z"))));

    let last = Task::occurrence(
        "0192f0c1-2b3c-7d4e-8f50-000000000002".parse().unwrap(),
        &completed,
        read.content,
        now,
    );
    let last = last.unwrap().after.complete(at("2027-04-02T07:00:00Z")).unwrap().after;
    assert_eq!(answer::next_to_proto(&last), None, "that was the second of two");
}

#[test]
fn an_occurrence_tells_the_wall_clock_of_its_zone() {
    let zone = chrono_tz::Europe::Berlin;
    let table = [
        (Due::At(at("2027-02-28T08:00:00Z")), "2027-02-28T09:00:00+01:00"),
        (Due::At(at("2027-03-31T07:00:00.000001Z")), "2027-03-31T09:00:00.000001+02:00"),
        (Due::On("2027-03-31".parse().unwrap()), "2027-03-31"),
    ];
    for (due, expected) in table {
        let next = Next {
            due,
            series: Series::first("0192f0c1-2b3c-7d4e-8f50-000000000001".parse().unwrap(), due, zone),
        };
        let answered = answer::occurrence_to_proto(&next, zone);
        assert_eq!(answered.local_time, expected);
        match (due, answered.due.unwrap()) {
            (Due::At(instant), occurrence::Due::DueTime(time)) => {
                assert_eq!(time, docket_wire::timestamp(instant))
            }
            (Due::On(day), occurrence::Due::DueDate(text)) => assert_eq!(text, day.to_string()),
            other => panic!("{other:?}"),
        }
    }
}
