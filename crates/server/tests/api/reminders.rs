//! Reminders and messages as their users see them, with a sidecar that is away: nothing of it needs one but the alarms.

use docket_proto::event::ReminderEvent;
use docket_proto::v1;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::snooze_reminder_request::Until;
use docket_proto::v1::task_reminder::State;
use docket_testkit::callback::{Answer, TopicEvent};
use docket_testkit::{at, once};
use pbjson_types::{Duration, FieldMask};
use serde_json::json;

use crate::audit::deliver;
use crate::harness::{Api, due_at, fields_at_fault, now, outcome, told, uuid};

/// The topic of due reminders.
const DUE: &str = "reminders";

/// Plays the sidecar: tells Docket that the first reminder of a task is due. Answers the firing.
pub(crate) async fn remind(api: &Api, user: &str, task: &v1::Task) -> String {
    let id = uuid();
    let time = docket_wire::timestamp(now());
    let data = ReminderEvent {
        schema_version: 1,
        task_id: task.task_id.clone(),
        user_id: user.to_owned(),
        sequence: task.version,
        idempotency_key: id.clone(),
        reminder_id: id.clone(),
        number: 1,
        title: task.title.clone(),
        priority: docket_proto::event::TaskPriority::Medium.into(),
        time_zone: "UTC".to_owned(),
        remind_at: Some(time),
        fire_time: Some(time),
        ..Default::default()
    };
    let event = json!({
        "specversion": "1.0",
        "id": id,
        "source": "docket/reminders",
        "type": "com.todo.reminder.due",
        "subject": task.task_id,
        "time": now().to_rfc3339(),
        "datacontenttype": "application/json",
        "data": data,
    });
    let event = TopicEvent::raw("pubsub", DUE, event.to_string());
    assert_eq!(api.sidecar().topic_event(event).await.unwrap(), Answer::Success);
    id
}

/// The user's reminders.
async fn reminders(api: &Api, user: &str, request: v1::ListRemindersRequest) -> Vec<v1::TaskReminder> {
    api.caller(user).reminders().list_reminders(request).await.unwrap().into_inner().reminders
}

/// Number, state and moment of each.
fn summary(reminders: &[v1::TaskReminder]) -> Vec<(i32, State, i64)> {
    let one = |one: &v1::TaskReminder| (one.number, one.state(), one.remind_time.unwrap().seconds);
    reminders.iter().map(one).collect()
}

fn seconds(text: &str) -> i64 {
    at(text).seconds
}

fn before(seconds: i64) -> v1::Reminder {
    let offset = v1::reminder::Moment::Offset(Duration { seconds, nanos: 0 });
    v1::Reminder { moment: Some(offset), channels: vec![Channel::Email.into()] }
}

#[tokio::test]
async fn reminders_follow_the_task() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = due_at("Pay the rent", "2027-03-01T09:00:00Z");
    let task = alice.create(v1::Task { reminders: vec![before(3_600), before(600)], ..task }).await;
    let of_task = || v1::ListRemindersRequest { task_id: task.task_id.clone(), ..Default::default() };
    deliver(&api, 2).await;
    let known = reminders(&api, "alice", of_task()).await;
    let expect = [
        (1, State::Pending, seconds("2027-03-01T08:00:00Z")),
        (2, State::Pending, seconds("2027-03-01T08:50:00Z")),
    ];
    assert_eq!(summary(&known), expect);
    let first = &known[0];
    assert_eq!((first.title.as_str(), first.due_time), ("Pay the rent", Some(at("2027-03-01T09:00:00Z"))));
    assert_eq!((&first.channels, first.snoozed), (&vec![Channel::Email.into()], false));
    assert!(first.fire_time.is_none() && first.reminder_id.is_empty(), "{first:?}");

    let moved = v1::UpdateTaskRequest {
        task: Some(v1::Task {
            task_id: task.task_id.clone(),
            due: Some(v1::task::Due::DueTime(at("2027-04-01T09:00:00Z"))),
            ..Default::default()
        }),
        ..Default::default()
    };
    alice.tasks().update_task(moved).await.unwrap();
    deliver(&api, 1).await;
    let expect = [
        (1, State::Pending, seconds("2027-04-01T08:00:00Z")),
        (2, State::Pending, seconds("2027-04-01T08:50:00Z")),
    ];
    assert_eq!(summary(&reminders(&api, "alice", of_task()).await), expect);

    alice.complete(&task).await;
    deliver(&api, 1).await;
    let states: Vec<State> =
        reminders(&api, "alice", of_task()).await.iter().map(v1::TaskReminder::state).collect();
    assert_eq!(states, [State::Cancelled, State::Cancelled]);
    let reopen = v1::ReopenTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    alice.tasks().reopen_task(reopen).await.unwrap();
    deliver(&api, 1).await;
    assert_eq!(summary(&reminders(&api, "alice", of_task()).await), expect, "planned again");
}

#[tokio::test]
async fn reminders_are_listed_by_state_and_time_page_by_page() {
    let api = Api::start().await;
    let alice = api.user("alice");
    for month in 1..=5 {
        alice.create(due_at(&format!("Month {month}"), &format!("2027-{month:02}-15T12:00:00Z"))).await;
    }
    alice.create(once("Some day")).await;
    deliver(&api, 1).await;
    let titles = async |request: v1::ListRemindersRequest| -> Vec<String> {
        reminders(&api, "alice", request).await.into_iter().map(|one| one.title).collect()
    };
    let all = ["Month 1", "Month 2", "Month 3", "Month 4", "Month 5"];
    assert_eq!(titles(v1::ListRemindersRequest::default()).await, all);
    let some = v1::ListRemindersRequest {
        start_time: Some(at("2027-02-15T11:30:00Z")),
        end_time: Some(at("2027-04-15T11:30:00Z")),
        states: vec![State::Pending.into(), State::Sent.into()],
        ..Default::default()
    };
    assert_eq!(titles(some).await, ["Month 2", "Month 3"], "half an hour before each; the end is not in it");
    let sent = v1::ListRemindersRequest { states: vec![State::Sent.into()], ..Default::default() };
    assert_eq!(titles(sent).await, [""; 0]);

    let mut request = v1::ListRemindersRequest { page_size: 2, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let list = api.caller("alice").reminders().list_reminders(request.clone()).await;
        let page = list.unwrap().into_inner();
        pages.push(page.reminders.into_iter().map(|one| one.title).collect::<Vec<_>>());
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(pages, [&all[..2], &all[2..4], &all[4..]]);
    request.states = vec![State::Sent.into()];
    let said = api.caller("alice").reminders().list_reminders(request).await;
    assert_eq!(outcome(&said), "InvalidArgument INVALID_PAGE_TOKEN", "of another question");
}

#[tokio::test]
async fn a_reminder_is_put_off_and_done_away_with() {
    let api = Api::start().await;
    let alice = api.user("alice");
    let task = alice.create(due_at("Pay the rent", "2027-03-01T09:00:00Z")).await;
    deliver(&api, 1).await;
    let name = || (task.task_id.clone(), 1);
    let mut desk = api.caller("alice").reminders();
    let mut snooze = async |until| {
        let (task_id, number) = name();
        let request = v1::SnoozeReminderRequest { task_id, number, until: Some(until), ..Default::default() };
        desk.snooze_reminder(request).await.map(tonic::Response::into_inner)
    };
    let until = snooze(Until::RemindTime(at("2027-02-01T00:00:00Z"))).await.unwrap();
    assert_eq!(summary(std::slice::from_ref(&until)), [(1, State::Pending, seconds("2027-02-01T00:00:00Z"))]);
    assert!(until.snoozed);
    let asked = now();
    let delayed = snooze(Until::Delay(Duration { seconds: 86_400, nanos: 0 })).await.unwrap();
    let delay = delayed.remind_time.unwrap().seconds - asked.timestamp();
    assert!((86_400..86_460).contains(&delay), "{delay}");

    let mut desk = api.caller("alice").reminders();
    let (task_id, number) = name();
    let dismiss = v1::DismissReminderRequest { task_id, number, ..Default::default() };
    for _ in 0..2 {
        let dismissed = desk.dismiss_reminder(dismiss.clone()).await.unwrap().into_inner();
        assert_eq!(dismissed.state(), State::Dismissed);
    }
    let back = snooze(Until::RemindTime(at("2027-02-01T00:00:00Z"))).await.unwrap();
    assert_eq!((back.state(), back.snoozed), (State::Pending, true), "once more");
    alice.complete(&task).await;
    deliver(&api, 1).await;
    let expect =
        format!("FailedPrecondition REMINDER_STATE number=1 state=CANCELLED task_id={}", task.task_id);
    let said = snooze(Until::RemindTime(at("2027-02-01T00:00:00Z"))).await;
    assert_eq!(outcome(&said), expect);
    assert_eq!(outcome(&desk.dismiss_reminder(dismiss).await), expect);
}

#[tokio::test]
async fn preferences_change_field_by_field_and_by_version() {
    let api = Api::start().await;
    let mut desk = api.caller("alice").notifications();
    let get = v1::GetPreferencesRequest {};
    let defaults = desk.get_preferences(get).await.unwrap().into_inner();
    let expect = v1::Preferences {
        time_zone: "UTC".to_owned(),
        all_day_time: "09:00".to_owned(),
        channels: vec![Channel::Email.into()],
        locale: "en".to_owned(),
        etag: defaults.etag.clone(),
        ..Default::default()
    };
    assert_eq!(defaults, expect);

    let mut update = async |preferences: v1::Preferences, paths: Option<&[&str]>| {
        let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        let request = v1::UpdatePreferencesRequest {
            preferences: Some(preferences),
            update_mask: paths.map(|paths| FieldMask { paths }),
            ..Default::default()
        };
        desk.update_preferences(request).await.map(tonic::Response::into_inner)
    };
    let some = v1::Preferences {
        time_zone: "Europe/Berlin".to_owned(),
        email: "alice@example.com".to_owned(),
        quiet_hours: Some(v1::preferences::QuietHours { start: "22:00".to_owned(), end: "07:00".to_owned() }),
        etag: defaults.etag.clone(),
        ..Default::default()
    };
    let first = update(some.clone(), None).await.unwrap();
    assert_eq!((first.time_zone.as_str(), first.email.as_str()), ("Europe/Berlin", "alice@example.com"));
    assert_eq!((first.all_day_time.as_str(), first.quiet_hours), ("09:00", some.quiet_hours.clone()));
    let stale = update(v1::Preferences { etag: defaults.etag, ..some }, None).await.unwrap_err();
    assert!(told(&stale).starts_with("Aborted "), "{stale:?}");
    let cleared = update(v1::Preferences::default(), Some(&["email", "quiet_hours"])).await.unwrap();
    assert_eq!((cleared.email.as_str(), cleared.quiet_hours), ("", None));
    assert_eq!(cleared.time_zone, "Europe/Berlin", "not named");
    let wrong = v1::Preferences { email: "nobody".to_owned(), locale: "xx".to_owned(), ..Default::default() };
    assert_eq!(
        fields_at_fault(&update(wrong, None).await.unwrap_err()),
        ["preferences.email", "preferences.locale"]
    );
}

#[tokio::test]
async fn a_test_goes_out_and_is_in_the_ledger() {
    let api = Api::start_with(|config| config.dapr.enabled = false).await;
    let mut desk = api.caller("alice").notifications();
    let request = v1::SendTestNotificationRequest { channel: Channel::Email.into(), ..Default::default() };
    let delivery = desk.send_test_notification(request).await.unwrap().into_inner();
    assert_eq!((delivery.state(), delivery.kind()), (v1::delivery::State::Sent, v1::delivery::Kind::Test));
    assert_eq!((delivery.attempts, delivery.channel()), (1, Channel::Email));
    assert!(delivery.finish_time.is_some() && delivery.next_attempt_time.is_none(), "{delivery:?}");
    let listed = desk.list_deliveries(v1::ListDeliveriesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.deliveries, [delivery]);
}
