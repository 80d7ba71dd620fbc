//! Random tasks survive the way through events and through the API, and random requests are answered without a panic.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use docket_domain::content::{Channel, Moment};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Next, Pattern};
use docket_domain::{
    Change, Content, Description, Due, EventId, EventKind, Instant, Priority, Recurrence, Reminder, Series,
    SeriesId, State, Tags, Task, TaskId, Title,
};
use docket_proto::v1;
use docket_wire::event::{decode, encode};
use docket_wire::{InvalidFields, Violations, answer, request};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use prost::Message;
use uuid::Uuid;

/// 9999-12-31T23:59:59.999999Z.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

fn instant() -> impl Strategy<Value = Instant> {
    let micros = prop_oneof![4 => 0..=MAX_MICROS, 1 => Just(0), 1 => Just(MAX_MICROS)];
    micros.prop_map(|micros| DateTime::from_timestamp_micros(micros).unwrap())
}

fn day() -> impl Strategy<Value = NaiveDate> {
    instant().prop_map(|instant| instant.date_naive())
}

fn zone() -> impl Strategy<Value = Tz> {
    select(chrono_tz::TZ_VARIANTS.as_slice())
}

fn due() -> impl Strategy<Value = Due> {
    prop_oneof![instant().prop_map(Due::At), day().prop_map(Due::On)]
}

fn recurrence() -> impl Strategy<Value = Recurrence> {
    let rule = (
        select(vec![Pattern::Daily, Pattern::Weekly, Pattern::Monthly, Pattern::Yearly]),
        1..=Recurrence::MAX_INTERVAL,
        select(vec![Anchor::DueTime, Anchor::CompletionTime]),
        select(vec![MonthEnd::Clamp, MonthEnd::Skip]),
        select(vec![Missed::NextFuture, Missed::Each]),
    );
    let end = prop_oneof![
        Just(End::Never),
        (1..=Recurrence::MAX_COUNT).prop_map(End::Count),
        instant().prop_map(End::Until)
    ];
    (rule, end).prop_map(|((pattern, interval, anchor, month_end, missed), end)| Recurrence {
        pattern,
        interval,
        anchor,
        month_end,
        missed,
        end,
    })
}

fn reminder() -> impl Strategy<Value = Reminder> {
    let seconds = 0..=Reminder::MAX_OFFSET.as_secs();
    let moment = prop_oneof![
        seconds.prop_map(|s| Moment::Before(Duration::from_secs(s))),
        instant().prop_map(Moment::At)
    ];
    let channels = subsequence(vec![Channel::Email, Channel::Push, Channel::Webhook], 0..=3).prop_shuffle();
    (moment, channels).prop_map(|(moment, channels)| Reminder { moment, channels })
}

prop_compose! {
    /// Content whose fields may contradict one another, which events do not mind.
    fn content()(
        title in "[^\\p{Cc}\\s]([^\\p{Cc}]{0,40}[^\\p{Cc}\\s])?",
        description in "[^\\p{Cc}]{0,40}\n?",
        priority in select(vec![Priority::Low, Priority::Medium, Priority::High, Priority::Urgent]),
        tags in proptest::collection::btree_set("[^\\p{Cc}\\s]{1,20}", 0..5),
        due in option::of(due()),
        time_zone in zone(),
        recurrence in option::of(recurrence()),
        reminders in proptest::collection::vec(reminder(), 0..=Reminder::MAX_COUNT),
    ) -> Content {
        Content {
            title: Title::parse(&title).unwrap(),
            description: Description::parse(&description).unwrap(),
            priority,
            tags: Tags::collect(tags.into_iter().collect()).unwrap(),
            due,
            time_zone,
            recurrence,
            reminders,
        }
    }
}

prop_compose! {
    fn task()(
        content in content(),
        ids in (1..u128::MAX, 1..u128::MAX),
        user_id in "[!-~]{1,255}",
        version in 1..i64::MAX,
        completed in option::of(instant()),
        place in option::of((due(), 1..i32::MAX.cast_unsigned(), 1..i32::MAX.cast_unsigned())),
        times in (instant(), instant(), option::of(instant())),
    ) -> Task {
        Task {
            id: TaskId::from_uuid(Uuid::from_u128(ids.0)),
            user_id: user_id.parse().unwrap(),
            state: completed.map_or(State::Open, |time| State::Completed { time, version }),
            series: place.map(|(due, start_index, index)| Series {
                start_index,
                index,
                ..Series::first(SeriesId::from_uuid(Uuid::from_u128(ids.1)), due, content.time_zone)
            }),
            content,
            version,
            create_time: times.0,
            update_time: times.1,
            delete_time: times.2,
        }
    }
}

/// Requests in their encoding, with a byte changed here and there; often they still decode.
fn mutated<M: Message + Default>(message: &M, changes: &[(Index, u8)]) -> Option<M> {
    let mut bytes = message.encode_to_vec();
    for (index, byte) in changes {
        let place = index.index(bytes.len());
        bytes[place] = *byte;
    }
    M::decode(bytes.as_slice()).ok()
}

/// An error names at least one field, and not so many that an answer can not carry them.
fn is_answer<T>(result: Result<T, InvalidFields>) -> bool {
    result.map_or_else(|InvalidFields(found)| (1..=Violations::MAX).contains(&found.len()), |_| true)
}

fn now() -> Instant {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_task_survives_its_event(before in option::of(task()), after in task()) {
        let kind = if before.is_some() { EventKind::Updated } else { EventKind::Created };
        let change = Change { kind, before, after };
        let event_id = EventId::from_uuid(Uuid::from_u128(7));
        let event = decode(&encode(&change, event_id)).unwrap();
        prop_assert_eq!(event.id, event_id);
        prop_assert_eq!(&event.task().unwrap(), &change.after);
        prop_assert!(event.changed_fields.is_sorted());

        // The task before the change can be put together from what the event says.
        if let Some(before) = change.before {
            let mut fields = event.after.fields().unwrap();
            fields.retain(|name, _| !event.changed_fields.contains(name));
            fields.extend(event.before.unwrap().fields().unwrap());
            let created = Change { kind: EventKind::Created, before: None, after: before };
            prop_assert_eq!(fields, decode(&encode(&created, event_id)).unwrap().after.fields().unwrap());
        }
    }

    #[test]
    fn a_task_survives_the_api(task in task()) {
        let content = &task.content;
        let message = answer::content_to_proto(content);
        let create = v1::CreateTaskRequest { task: Some(message), ..v1::CreateTaskRequest::default() };
        let contradictions = content.contradictions().len();
        match request::create(&create) {
            Ok(create) => {
                prop_assert_eq!(contradictions, 0);
                prop_assert_eq!(&create.content, content);
            }
            Err(InvalidFields(found)) => prop_assert_eq!(found.len(), contradictions),
        }
        let answer = answer::task_to_proto(&task);
        prop_assert_eq!(answer.complete_time.is_some(), matches!(task.state, State::Completed { .. }));
        prop_assert_eq!(answer.series_id.is_empty(), content.recurrence.is_none() || task.series.is_none());
        prop_assert_eq!(answer.etag, answer::etag(&task));
    }

    #[test]
    fn a_local_time_names_the_instant(due in due(), zone in zone()) {
        let next = Next { due, series: Series::first(SeriesId::from_uuid(Uuid::from_u128(1)), due, zone) };
        let local_time = answer::occurrence_to_proto(&next, zone).local_time;
        match due {
            Due::On(day) => prop_assert_eq!(local_time, day.to_string()),
            // RFC 3339 has neither offsets with seconds nor years of five digits; a few zones and hours need them.
            Due::At(instant) => {
                if let Ok(named) = DateTime::parse_from_rfc3339(&local_time) {
                    prop_assert!((named.to_utc() - instant).num_seconds().abs() < 60, "{local_time}");
                } else {
                    prop_assert!(local_time.starts_with("+10000-01-01T"), "{local_time}");
                }
            }
        }
    }

    #[test]
    fn random_requests_are_answered(
        content in content(),
        texts in (any::<String>(), any::<String>()),
        numbers in (any::<i32>(), any::<i64>()),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 0..6),
    ) {
        let task = v1::Task { task_id: texts.0.clone(), ..answer::content_to_proto(&content) };
        let create = v1::CreateTaskRequest {
            task: Some(task.clone()),
            request_id: texts.1.clone(),
            validate_only: false,
            occurrence_of: Some(v1::create_task_request::OccurrenceOf { task_id: texts.0.clone(), version: numbers.1 }),
        };
        if let Some(create) = mutated(&create, &changes) {
            prop_assert!(is_answer(request::create(&create)));
        }
        let paths = vec!["due_time".to_owned(), "recurrence".to_owned(), texts.1.clone()];
        let update = v1::UpdateTaskRequest {
            task: Some(v1::Task { task_id: Uuid::from_u128(7).to_string(), ..task.clone() }),
            update_mask: Some(pbjson_types::FieldMask { paths }),
            ..v1::UpdateTaskRequest::default()
        };
        if let Some(update) = mutated(&update, &changes) {
            let after = request::update(&update).and_then(|update| update.patch.apply(&content));
            prop_assert!(is_answer(after));
        }
        let preview = v1::PreviewOccurrencesRequest {
            source: Some(v1::preview_occurrences_request::Source::Task(task)),
            page_size: numbers.0,
        };
        if let Some(preview) = mutated(&preview, &changes) {
            prop_assert!(is_answer(request::preview(&preview)));
        }
        let entries = v1::ListAuditEntriesRequest {
            task_id: texts.0,
            event_types: vec![texts.1],
            start_time: Some(pbjson_types::Timestamp { seconds: numbers.1, nanos: numbers.0 }),
            ..v1::ListAuditEntriesRequest::default()
        };
        if let Some(entries) = mutated(&entries, &changes) {
            prop_assert!(is_answer(request::list_entries(&entries)));
        }
    }

    #[test]
    fn random_filters_are_answered(
        words in proptest::collection::vec(
            prop_oneof![
                9 => select(vec![
                    "state", "priority", "tags", "due", "text", " = ", "<=", ">", ":", "!", "OPEN", "HIGH", "home",
                    "\"", "\\", "now()", "today()", "tomorrow(", ")", "2027-01-31", "2027-01-31T00:00:00+01:00",
                    "9999-12-31", " AND ", " OR ", "ß", "\u{a0}", "\u{0}",
                ]).prop_map(str::to_owned),
                1 => any::<String>(),
            ],
            0..12,
        ),
        time_zone in zone(),
    ) {
        let filter = words.concat();
        let time_zone = time_zone.name().to_owned();
        let list = v1::ListTasksRequest { filter, time_zone, ..v1::ListTasksRequest::default() };
        prop_assert!(is_answer(request::list(&list, now())));
    }

    #[test]
    fn damaged_events_are_answered(task in task(), changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4)) {
        let created = Change { kind: EventKind::Created, before: None, after: task };
        let mut bytes = encode(&created, EventId::from_uuid(Uuid::from_u128(7)));
        for (index, byte) in changes {
            let place = index.index(bytes.len());
            bytes[place] = byte;
        }
        // Whether it still decodes depends on the byte; what decodes has a version.
        if let Ok(task) = decode(&bytes).and_then(|event| event.task()) {
            prop_assert!(task.version >= 1);
        }
    }
}
