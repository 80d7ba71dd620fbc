//! Any bytes as any request: the first byte chooses the message, the rest is its encoding.
//!
//! No panic; a refusal tells fields and rules; what is accepted, answered and sent again is accepted again, and survives
//! its event.
#![no_main]

use std::sync::LazyLock;

use chrono::DateTime;
use docket_domain::address::WebhookRules;
use docket_domain::recurrence::{self, Next};
use docket_domain::{Content, EventId, Instant, Preferences, Series, SeriesId, Task, TaskId, WebhookOrigin};
use docket_fuzz::{assert_tells, plant};
use docket_proto::v1::{self, recurrence as rule, reminder, task};
use docket_wire::answer::{self, content_to_proto, occurrence_to_proto, task_to_proto, unsubscribe_token};
use docket_wire::request::{self, Letters, PreviewSource, notification, reminder as reminders};
use docket_wire::{InvalidFields, event};
use libfuzzer_sys::{Corpus, fuzz_target};
use pbjson_types as pb;
use prost::Message;
use uuid::Uuid;

/// 2027-01-15T08:00:00Z.
const NOW: Instant = match DateTime::from_timestamp(1_800_000_000, 0) {
    Some(now) => now,
    None => DateTime::UNIX_EPOCH,
};

const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";

/// The task that updates change.
static BEFORE: LazyLock<Content> = LazyLock::new(|| {
    let request = v1::CreateTaskRequest { task: Some(full()), ..Default::default() };
    request::create(&request).expect("a good task").content
});

/// Where webhooks may go.
static RULES: LazyLock<WebhookRules> = LazyLock::new(|| {
    let origin = WebhookOrigin::parse("https://hooks.example.com", false).expect("a good origin");
    WebhookRules { origins: vec![origin], allow_private: false }
});

fuzz_target!(init: plant(seeds()), |data: &[u8]| -> Corpus {
    let Some((choice, bytes)) = data.split_first() else { return Corpus::Reject };
    let read = match choice % 23 {
        0 => check(bytes, request::create, |create| {
            accepted(&create.content);
        }),
        1 => check(bytes, request::update, |update| match update.patch.apply(&BEFORE) {
            Ok(after) => accepted(&after),
            Err(refusal) => assert_tells(&refusal),
        }),
        2 => check(bytes, request::get, |id| assert_eq!(id.to_string().parse::<TaskId>(), Ok(id))),
        3 => check(bytes, |list| request::list(list, NOW), |list| {
            assert!((1..=500).contains(&list.page_size));
        }),
        4 => check(bytes, request::delete, drop),
        5 => check(bytes, request::complete, drop),
        6 => check(bytes, request::reopen, drop),
        7 => check(bytes, request::preview, |preview| {
            assert!((1..=100).contains(&preview.limit));
            if let PreviewSource::Content(content) = preview.source {
                accepted(&content);
            }
        }),
        8 => check(bytes, request::gaps, |gaps| assert!((1..=1_000).contains(&gaps.page_size))),
        9 => check(bytes, request::list_entries, |list| {
            assert!((1..=500).contains(&list.page_size));
            assert!(list.start.zip(list.end).is_none_or(|(start, end)| start < end));
        }),
        10 => check(bytes, request::list_letters, |list| assert!((1..=500).contains(&list.page_size))),
        11 => check(bytes, request::get_letter, drop),
        12 => check(bytes, request::replay_letters, |replay| some_letters(&replay.letters)),
        13 => check(bytes, request::discard_letters, |discard| {
            some_letters(&discard.letters);
            assert!((1..=500).contains(&discard.reason.chars().count()));
        }),
        14 => check(bytes, reminders::list, |list| {
            assert!((1..=500).contains(&list.page_size));
            assert!(list.start.zip(list.end).is_none_or(|(start, end)| start < end));
        }),
        15 => check(bytes, |snooze| reminders::snooze(snooze, NOW), |snooze| {
            assert_eq!(snooze.late.is_some(), snooze.until < NOW);
        }),
        16 => check(bytes, reminders::dismiss, drop),
        17 => check(bytes, reminders::check, |firings| {
            assert!((1..=request::MAX_CHECKED).contains(&firings.len()));
        }),
        18 => {
            let read = |request: &_| {
                notification::update_preferences(request, &Preferences::default(), &RULES)
            };
            check(bytes, read, |update| preferred(&update.preferences))
        }
        19 => check(bytes, notification::list_deliveries, |list| {
            assert!((1..=500).contains(&list.page_size));
        }),
        20 => check(bytes, notification::send_test, drop),
        21 => check(bytes, notification::unsubscribe, |asked| {
            let token = unsubscribe_token(&asked.secret, asked.channel);
            assert_eq!(notification::unsubscribe(&v1::UnsubscribeRequest { token }), Ok(asked));
        }),
        _ => check(bytes, request::check, |tasks| {
            assert!((1..=request::MAX_CHECKED).contains(&tasks.len()));
        }),
    };
    if read { Corpus::Keep } else { Corpus::Reject }
});

/// Decodes a message and checks it; answers whether it could be decoded.
fn check<M, T>(bytes: &[u8], read: impl Fn(&M) -> Result<T, InvalidFields>, accepted: impl FnOnce(T)) -> bool
where
    M: Message + Default,
{
    let Ok(message) = M::decode(bytes) else { return false };
    let outcome = read(&message);
    // What travels is the encoding, and another client may have made it.
    let again = M::decode(message.encode_to_vec().as_slice()).expect("an encoding decodes");
    assert_eq!(read(&again).err(), outcome.as_ref().err().cloned());
    match outcome {
        Ok(value) => accepted(value),
        Err(refusal) => assert_tells(&refusal),
    }
    true
}

/// A call that changes letters says which.
fn some_letters(letters: &Letters) {
    match letters {
        Letters::Named(ids) => assert!((1..=1_000).contains(&ids.len())),
        Letters::Chosen(filter) => assert!(!filter.states.is_empty()),
    }
}

/// What an accepted task must be good for.
fn accepted(content: &Content) {
    let written = content_to_proto(content);
    let create = v1::CreateTaskRequest { task: Some(written.clone()), ..Default::default() };
    let create = request::create(&create).expect("what is answered is accepted again");
    assert_eq!(create.content, *content);

    let id = |number| Uuid::from_u128(number);
    let user = "alice".parse().expect("a name");
    let (task_id, series_id) = (TaskId::from_uuid(id(1)), SeriesId::from_uuid(id(2)));
    let created = Task::create(task_id, user, create.content.with_default_reminder(), series_id, NOW);
    let completed = created.after.complete(NOW).expect("an open task");
    for change in [created, completed] {
        let bytes = event::encode(&change, EventId::from_uuid(id(3)));
        let read = event::decode(&bytes).expect("an event decodes");
        assert_eq!(read.task().expect("a task"), change.after);
        // The answer of a later read is what a client sends back with a change.
        let update = v1::UpdateTaskRequest {
            task: Some(task_to_proto(&change.after)),
            update_mask: Some(pb::FieldMask { paths: vec!["*".to_owned()] }),
            ..Default::default()
        };
        let update = request::update(&update).expect("an answer is accepted as an update");
        assert_eq!(update.patch.apply(&BEFORE).as_ref(), Ok(&change.after.content));
        if let Some(next) = change.after.next() {
            occurs(content, &next);
        }
    }
    if let (Some(rule), Some(due)) = (&content.recurrence, content.due) {
        let series = Series::first(series_id, due, content.time_zone);
        for next in recurrence::preview(rule, &series, due, content.time_zone, 3) {
            occurs(content, &next);
        }
    }
}

/// What accepted preferences must be good for.
fn preferred(preferences: &Preferences) {
    // These stand in headers and in requests.
    let addresses = preferences.email.iter().map(|email| email.as_str());
    let addresses = addresses.chain(preferences.push_tokens.iter().map(String::as_str));
    for address in addresses.chain(preferences.webhook.iter().map(|url| url.as_str())) {
        assert!(address.bytes().all(|byte| byte.is_ascii_graphic()), "{address:?}");
    }
    if let Some(url) = &preferences.webhook {
        assert_eq!(url.origin(), RULES.origins[0]);
        assert_eq!(format!("{}{}", url.origin(), url.path_and_query()), url.as_str());
    }
    let request = v1::UpdatePreferencesRequest {
        preferences: Some(answer::preferences(preferences, 1, Some(NOW), None)),
        update_mask: Some(pb::FieldMask { paths: vec!["*".to_owned()] }),
        ..Default::default()
    };
    let again = notification::update_preferences(&request, &Preferences::default(), &RULES);
    assert_eq!(again.map(|update| update.preferences).as_ref(), Ok(preferences));
}

/// An occurrence can be answered, and created.
fn occurs(content: &Content, next: &Next) {
    let answer = occurrence_to_proto(next, content.time_zone);
    assert!(answer.due.is_some() && !answer.local_time.is_empty());
    let occurrence = Content { due: Some(next.due), ..content.clone() };
    let create = v1::CreateTaskRequest { task: Some(content_to_proto(&occurrence)), ..Default::default() };
    assert_eq!(request::create(&create).map(|create| create.content), Ok(occurrence));
}

/// A task with every field that a client writes.
fn full() -> v1::Task {
    v1::Task {
        task_id: ID.to_owned(),
        title: "Water the plants".to_owned(),
        description: "Balcony first".to_owned(),
        priority: task::Priority::High.into(),
        tags: vec!["garden".to_owned(), "home".to_owned()],
        due: Some(task::Due::DueTime(pb::Timestamp { seconds: 1_800_000_000, nanos: 1_000 })),
        time_zone: "Europe/Berlin".to_owned(),
        recurrence: Some(v1::Recurrence {
            rule: Some(rule::Rule::Pattern(rule::Pattern::Monthly.into())),
            interval: 2,
            anchor: rule::Anchor::CompletionTime.into(),
            month_end: rule::MonthEnd::Skip.into(),
            missed: rule::Missed::Each.into(),
            end: Some(rule::End::Count(10)),
        }),
        reminders: vec![
            v1::Reminder {
                moment: Some(reminder::Moment::Offset(pb::Duration { seconds: 60, nanos: 0 })),
                channels: vec![1, 2],
            },
            v1::Reminder {
                moment: Some(reminder::Moment::RemindTime(pb::Timestamp { seconds: 7, nanos: 0 })),
                channels: vec![],
            },
        ],
        etag: "v1".to_owned(),
        ..Default::default()
    }
}

/// A good request of every kind.
fn seeds() -> Vec<Vec<u8>> {
    fn seed(choice: u8, message: &impl Message) -> Vec<u8> {
        let mut seed = vec![choice];
        message.encode(&mut seed).expect("a vector grows");
        seed
    }
    let all_day = v1::Task {
        due: Some(task::Due::DueDate("2028-02-29".to_owned())),
        recurrence: Some(v1::Recurrence {
            rule: Some(rule::Rule::Pattern(rule::Pattern::Yearly.into())),
            end: Some(rule::End::Until(pb::Timestamp { seconds: 253_402_300_799, nanos: 0 })),
            ..Default::default()
        }),
        ..full()
    };
    let (id, etag) = (ID.to_owned(), "v1".to_owned());
    let paths = ["title", "due_date", "recurrence", "reminders", "*"].map(str::to_owned).to_vec();
    let filter = "state = OPEN AND priority >= HIGH AND tags:home AND due < today() AND text:\"a \\\" b\"";
    let mut seeds = vec![
        seed(
            0,
            &v1::CreateTaskRequest {
                task: Some(full()),
                request_id: id.clone(),
                validate_only: true,
                occurrence_of: Some(v1::create_task_request::OccurrenceOf {
                    task_id: id.clone(),
                    version: 2,
                }),
            },
        ),
        seed(0, &v1::CreateTaskRequest { task: Some(all_day.clone()), ..Default::default() }),
        seed(
            1,
            &v1::UpdateTaskRequest {
                task: Some(all_day.clone()),
                update_mask: Some(pb::FieldMask { paths }),
                ..Default::default()
            },
        ),
        seed(1, &v1::UpdateTaskRequest { task: Some(full()), ..Default::default() }),
        seed(2, &v1::GetTaskRequest { task_id: id.clone() }),
    ];
    for (filter, order_by) in [
        (filter, "due desc"),
        ("due = 2027-03-31 AND due >= 2027-03-31T00:00:00+01:00", "priority"),
        ("due > now() AND due < tomorrow() AND state != COMPLETED", "update_time"),
    ] {
        let time_zone = "Pacific/Apia".to_owned();
        let (filter, order_by) = (filter.to_owned(), order_by.to_owned());
        seeds.push(seed(3, &v1::ListTasksRequest { filter, order_by, time_zone, ..Default::default() }));
    }
    let (task_id, request_id) = (id.clone(), id.clone());
    seeds.extend([
        seed(4, &v1::DeleteTaskRequest { task_id, etag, request_id }),
        seed(5, &v1::CompleteTaskRequest { task_id: id.clone(), ..Default::default() }),
        seed(6, &v1::ReopenTaskRequest { task_id: id.clone(), ..Default::default() }),
    ]);
    for source in [
        v1::preview_occurrences_request::Source::TaskId(id.clone()),
        v1::preview_occurrences_request::Source::Task(all_day),
    ] {
        seeds.push(seed(7, &v1::PreviewOccurrencesRequest { source: Some(source), page_size: 7 }));
    }
    seeds.push(seed(8, &v1::ListSeriesGapsRequest { page_size: 7, page_token: "AAAA".to_owned() }));
    seeds.push(seed(22, &v1::CheckTasksRequest { task_ids: vec![id.clone(); 2] }));
    seeds.push(seed(
        9,
        &v1::ListAuditEntriesRequest {
            task_id: id,
            event_types: vec!["com.todo.task.created".to_owned()],
            start_time: Some(pb::Timestamp { seconds: 1, nanos: 0 }),
            end_time: Some(pb::Timestamp { seconds: 2, nanos: 0 }),
            ..Default::default()
        },
    ));
    let others = letters().into_iter().chain(reminding()).chain(notifying());
    seeds.extend(others.map(|(choice, message)| [vec![choice], message].concat()));
    seeds
}

/// A good request of every kind about dead letters.
fn letters() -> [(u8, Vec<u8>); 4] {
    let (ids, filter) = (vec![ID.to_owned()], || {
        Some(v1::DeadLetterFilter {
            states: vec![1],
            topic: "task-events".to_owned(),
            start_time: Some(pb::Timestamp { seconds: 1, nanos: 0 }),
            end_time: Some(pb::Timestamp { seconds: 2, nanos: 0 }),
            ..Default::default()
        })
    });
    let list = v1::ListDeadLettersRequest { filter: filter(), page_size: 7, ..Default::default() };
    let get = v1::GetDeadLetterRequest { dead_letter_id: ID.to_owned() };
    let replay = v1::ReplayDeadLettersRequest { dead_letter_ids: ids, ..Default::default() };
    let reason = "never again".to_owned();
    let discard = v1::DiscardDeadLettersRequest { filter: filter(), reason, ..Default::default() };
    [
        (10, list.encode_to_vec()),
        (11, get.encode_to_vec()),
        (12, replay.encode_to_vec()),
        (13, discard.encode_to_vec()),
    ]
}

/// A good request of every kind about reminders.
fn reminding() -> [(u8, Vec<u8>); 4] {
    let task_id = ID.to_owned();
    let list = v1::ListRemindersRequest {
        task_id: task_id.clone(),
        states: vec![1, 2],
        start_time: Some(pb::Timestamp { seconds: 1, nanos: 0 }),
        end_time: Some(pb::Timestamp { seconds: 2, nanos: 0 }),
        ..Default::default()
    };
    let delay = v1::snooze_reminder_request::Until::Delay(pb::Duration { seconds: 600, nanos: 0 });
    let request_id = ID.to_owned();
    let snooze = v1::SnoozeReminderRequest {
        task_id: task_id.clone(),
        number: 1,
        until: Some(delay),
        request_id: request_id.clone(),
    };
    let dismiss = v1::DismissReminderRequest { task_id: task_id.clone(), number: 2, request_id };
    let check = v1::CheckRemindersRequest { reminder_ids: vec![task_id] };
    [
        (14, list.encode_to_vec()),
        (15, snooze.encode_to_vec()),
        (16, dismiss.encode_to_vec()),
        (17, check.encode_to_vec()),
    ]
}

/// A good request of every kind about notifications.
fn notifying() -> [(u8, Vec<u8>); 4] {
    let preferences = v1::Preferences {
        time_zone: "Europe/Berlin".to_owned(),
        all_day_time: "07:45".to_owned(),
        channels: vec![2, 1],
        email: "alice@example.com".to_owned(),
        push_tokens: vec!["token".to_owned()],
        webhook_url: "https://hooks.example.com/a?b=c".to_owned(),
        quiet_hours: Some(v1::preferences::QuietHours { start: "22:00".to_owned(), end: "07:00".to_owned() }),
        digest: Some(v1::preferences::Digest { time: "08:00".to_owned(), channels: vec![3] }),
        locale: "de".to_owned(),
        ..Default::default()
    };
    let update_mask = Some(pb::FieldMask { paths: vec!["*".to_owned()] });
    let update = v1::UpdatePreferencesRequest {
        preferences: Some(preferences),
        update_mask,
        request_id: ID.to_owned(),
    };
    let list = v1::ListDeliveriesRequest { task_id: ID.to_owned(), states: vec![3], ..Default::default() };
    let test = v1::SendTestNotificationRequest { channel: 1, request_id: ID.to_owned() };
    let token = unsubscribe_token(&[7; 16], docket_domain::Channel::Email);
    [
        (18, update.encode_to_vec()),
        (19, list.encode_to_vec()),
        (20, test.encode_to_vec()),
        (21, v1::UnsubscribeRequest { token }.encode_to_vec()),
    ]
}
