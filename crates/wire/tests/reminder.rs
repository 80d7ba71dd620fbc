//! What requests about reminders and notifications mean, and that everything wrong with one is told at once.
#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what they did not expect")]

use docket_domain::address::WebhookRules;
use docket_domain::content::Channel;
use docket_domain::notice::{Delivery, DeliveryKind, DeliveryState, Digest, Locale, Preferences};
use docket_domain::reminder::{Firing, ReminderNumber, ReminderState, TaskReminder};
use docket_domain::{EmailAddress, Instant, QuietHours, WebhookOrigin, WebhookUrl};
use docket_proto::v1::{self, snooze_reminder_request::Until};
use docket_wire::request::{notification, reminder};
use docket_wire::{InvalidFields, answer};
use pbjson_types as pb;

const ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";
const OTHER_ID: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e20";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn now() -> Instant {
    at("2027-01-15T08:00:00Z")
}

fn time(seconds: i64) -> Option<pb::Timestamp> {
    Some(pb::Timestamp { seconds, nanos: 0 })
}

fn fields<T: std::fmt::Debug>(result: Result<T, InvalidFields>) -> Vec<String> {
    result.unwrap_err().0.into_iter().map(|violation| violation.field).collect()
}

fn rules() -> WebhookRules {
    let origins = vec![WebhookOrigin::parse("https://hooks.example.com", false).unwrap()];
    WebhookRules { origins, allow_private: false }
}

#[test]
fn reminders_are_chosen_by_task_state_and_time() {
    let request = v1::ListRemindersRequest {
        page_size: 501,
        page_token: "p".to_owned(),
        task_id: ID.to_owned(),
        states: vec![2, 1, 2],
        start_time: time(1),
        end_time: time(2),
    };
    let asked = reminder::list(&request).unwrap();
    assert_eq!((asked.page_size, asked.page_token.as_str()), (500, "p"));
    assert_eq!(asked.task_id.unwrap().to_string(), ID);
    assert_eq!(asked.states, [ReminderState::Fired, ReminderState::Pending], "each once");
    assert_eq!((asked.start.unwrap().timestamp(), asked.end.unwrap().timestamp()), (1, 2));
    let all = reminder::list(&v1::ListRemindersRequest::default()).unwrap();
    assert_eq!((all.page_size, all.task_id, all.states), (50, None, vec![]));

    let wrong = v1::ListRemindersRequest {
        page_size: -1,
        task_id: "7".to_owned(),
        states: vec![1, 0, 99],
        start_time: time(2),
        end_time: time(2),
        ..Default::default()
    };
    assert_eq!(
        fields(reminder::list(&wrong)),
        ["page_size", "task_id", "states[1]", "states[2]", "end_time"]
    );
}

#[test]
fn deliveries_are_chosen_the_same_way() {
    let request =
        v1::ListDeliveriesRequest { states: vec![6, 1], task_id: ID.to_owned(), ..Default::default() };
    let asked = notification::list_deliveries(&request).unwrap();
    assert_eq!(asked.states, [DeliveryState::Unknown, DeliveryState::Pending]);
    assert_eq!((asked.page_size, asked.start, asked.end), (50, None, None));
    let wrong = v1::ListDeliveriesRequest {
        page_size: -1,
        task_id: "7".to_owned(),
        states: vec![7],
        start_time: time(-1),
        end_time: time(1 << 60),
        ..Default::default()
    };
    let expect = ["page_size", "task_id", "states[0]", "start_time", "end_time"];
    assert_eq!(fields(notification::list_deliveries(&wrong)), expect);
}

#[test]
fn a_reminder_is_put_off_for_a_while_or_until_an_instant() {
    let snooze = |until| {
        let task_id = ID.to_owned();
        let request = v1::SnoozeReminderRequest { task_id, number: 10, until, ..Default::default() };
        reminder::snooze(&request, now()).map(|snooze| snooze.until)
    };
    let delay = |seconds, nanos| Some(Until::Delay(pb::Duration { seconds, nanos }));
    let until = |time: &str| Some(Until::RemindTime(at(time).into()));
    assert_eq!(snooze(delay(1, 0)), Ok(at("2027-01-15T08:00:01Z")));
    assert_eq!(snooze(delay(366 * 86_400, 0)), Ok(at("2028-01-16T08:00:00Z")));
    assert_eq!(snooze(until("2027-01-15T08:00:00Z")), Ok(now()));
    assert_eq!(snooze(until("2027-01-15T09:00:00.1234567Z")), Ok(at("2027-01-15T09:00:00.123456Z")));
    for wrong in [(0, 0), (-1, 0), (1, 1), (0, 1), (i64::MAX, 0), (366 * 86_400 + 1, 0)] {
        assert_eq!(fields(snooze(delay(wrong.0, wrong.1))), ["delay"], "{wrong:?}");
    }
    assert_eq!(fields(snooze(until("2027-01-15T07:59:59Z"))), ["remind_time"]);
    // One that may be a repetition is told so when it is none.
    let again = v1::SnoozeReminderRequest {
        task_id: ID.to_owned(),
        number: 1,
        until: until("2027-01-15T07:59:59Z"),
        request_id: OTHER_ID.to_owned(),
    };
    let asked = reminder::snooze(&again, now()).unwrap();
    assert_eq!(
        (asked.until, asked.request_id),
        (at("2027-01-15T07:59:59Z"), Some(OTHER_ID.parse().unwrap()))
    );
    assert_eq!(fields(Err::<(), _>(asked.late.unwrap())), ["remind_time"]);
    let wrong = v1::SnoozeReminderRequest { number: 0, ..again.clone() };
    assert_eq!(fields(reminder::snooze(&wrong, now())), ["number", "remind_time"]);
    let wrong = v1::SnoozeReminderRequest { request_id: "again".to_owned(), ..again };
    assert_eq!(fields(reminder::snooze(&wrong, now())), ["remind_time", "request_id"]);
    let far = Some(Until::RemindTime(pb::Timestamp { seconds: 1 << 60, nanos: 0 }));
    assert_eq!(fields(snooze(far)), ["remind_time"]);

    let nothing = v1::SnoozeReminderRequest::default();
    assert_eq!(fields(reminder::snooze(&nothing, now())), ["task_id", "number", "delay"]);
    let wrong = v1::DismissReminderRequest { task_id: "x".to_owned(), number: 11, ..Default::default() };
    assert_eq!(fields(reminder::dismiss(&wrong)), ["task_id", "number"]);
    let right = v1::DismissReminderRequest { task_id: ID.to_owned(), number: 1, ..Default::default() };
    let asked = reminder::dismiss(&right).unwrap();
    assert_eq!((asked.task_id.to_string().as_str(), asked.number.get(), asked.request_id), (ID, 1, None));
    let wrong = v1::DismissReminderRequest { request_id: "again".to_owned(), ..right };
    assert_eq!(fields(reminder::dismiss(&wrong)), ["request_id"]);
}

#[test]
fn firings_are_asked_for_each_once() {
    let check = |ids: Vec<&str>| {
        let reminder_ids = ids.into_iter().map(str::to_owned).collect();
        reminder::check(&v1::CheckRemindersRequest { reminder_ids })
    };
    let asked = check(vec![OTHER_ID, ID, OTHER_ID]).unwrap();
    assert_eq!(asked.iter().map(ToString::to_string).collect::<Vec<_>>(), [OTHER_ID, ID]);
    assert_eq!(check(vec![ID; 500]).unwrap().len(), 1);
    assert_eq!(fields(check(vec![])), ["reminder_ids"]);
    assert_eq!(fields(check(vec![ID; 501])), ["reminder_ids"]);
    assert_eq!(fields(check(vec![ID, "", "7"])), ["reminder_ids[1]", "reminder_ids[2]"]);
}

/// Every field with a value of its own.
fn full() -> v1::Preferences {
    v1::Preferences {
        time_zone: "Europe/Berlin".to_owned(),
        all_day_time: "07:45".to_owned(),
        channels: vec![2, 1],
        email: "alice@example.com".to_owned(),
        push_tokens: vec!["token-1".to_owned(), "token-2".to_owned()],
        webhook_url: "https://hooks.example.com/a?b=c".to_owned(),
        quiet_hours: Some(v1::preferences::QuietHours { start: "22:00".to_owned(), end: "07:00".to_owned() }),
        digest: Some(v1::preferences::Digest { time: "08:00".to_owned(), channels: vec![3] }),
        locale: "de".to_owned(),
        etag: "p7".to_owned(),
        ..Default::default()
    }
}

fn full_preferences() -> Preferences {
    let clock = |text: &str| text.parse().unwrap();
    Preferences {
        time_zone: "Europe/Berlin".parse().unwrap(),
        all_day_time: clock("07:45"),
        channels: vec![Channel::Push, Channel::Email],
        email: Some(EmailAddress::parse("alice@example.com").unwrap()),
        push_tokens: vec!["token-1".to_owned(), "token-2".to_owned()],
        webhook: Some(WebhookUrl::parse("https://hooks.example.com/a?b=c").unwrap()),
        quiet_hours: QuietHours::new(clock("22:00"), clock("07:00")),
        digest: Some(Digest { time: clock("08:00"), channels: vec![Channel::Webhook] }),
        locale: Locale::De,
        unsubscribed: Vec::new(),
    }
}

fn update(wanted: v1::Preferences, paths: &[&str]) -> v1::UpdatePreferencesRequest {
    let paths = paths.iter().map(ToString::to_string).collect();
    let update_mask = Some(pb::FieldMask { paths });
    v1::UpdatePreferencesRequest { preferences: Some(wanted), update_mask, ..Default::default() }
}

fn updated(wanted: v1::Preferences, paths: &[&str], current: &Preferences) -> Preferences {
    notification::update_preferences(&update(wanted, paths), current, &rules()).unwrap().preferences
}

#[test]
fn preferences_change_where_the_mask_says() {
    let default = Preferences::default();
    for paths in [&["*"][..], &[]] {
        let asked = notification::update_preferences(&update(full(), paths), &default, &rules()).unwrap();
        assert_eq!(asked.preferences, full_preferences(), "{paths:?}");
        assert_eq!(asked.etag.as_deref(), Some("p7"));
    }
    // Nothing is set, so nothing changes, unless it is named.
    assert_eq!(updated(v1::Preferences::default(), &[], &full_preferences()), full_preferences());
    assert_eq!(updated(v1::Preferences::default(), &["*"], &full_preferences()), default);
    let one = updated(v1::Preferences::default(), &["email"], &full_preferences());
    assert_eq!(one, Preferences { email: None, ..full_preferences() });
    let names = [
        "time_zone",
        "all_day_time",
        "channels",
        "email",
        "push_tokens",
        "webhook_url",
        "quiet_hours",
        "digest",
        "locale",
    ];
    for name in names {
        let there = updated(full(), &[name], &default);
        assert!(there != default && there != full_preferences(), "{name}");
        assert_eq!(updated(v1::Preferences::default(), &[name], &there), default, "{name}");
    }
    assert_eq!(updated(full(), &names, &default), full_preferences());
    // What is not named is not looked at.
    let broken = v1::Preferences { email: "x".to_owned(), locale: "de".to_owned(), ..Default::default() };
    assert_eq!(updated(broken, &["locale"], &default), Preferences { locale: Locale::De, ..default.clone() });
}

#[test]
fn naming_a_channel_ends_its_unsubscription() {
    let current = Preferences { unsubscribed: vec![Channel::Email, Channel::Push], ..full_preferences() };
    let named = v1::Preferences { channels: vec![1], ..Default::default() };
    let after = updated(named.clone(), &["channels"], &current);
    assert_eq!((after.channels, after.unsubscribed), (vec![Channel::Email], vec![Channel::Push]));
    let after = updated(named, &["locale"], &current);
    assert_eq!(after.unsubscribed, current.unsubscribed, "other changes do not");
    let after = updated(v1::Preferences::default(), &["channels"], &current);
    assert_eq!(after.unsubscribed, current.unsubscribed, "nor does the default, which names none");
    let claimed = v1::Preferences { unsubscribed_channels: vec![3], ..full() };
    assert_eq!(updated(claimed, &["*"], &Preferences::default()).unsubscribed, [], "output only");
}

#[test]
fn everything_wrong_with_preferences_is_told_at_once() {
    let wrong = v1::Preferences {
        time_zone: "Mars/Olympus".to_owned(),
        all_day_time: "9:00".to_owned(),
        channels: vec![1, 0, 1],
        email: "a@example.com\r\nBcc: eve@example.com".to_owned(),
        push_tokens: vec!["t".to_owned(), String::new(), "a b".to_owned(), "x".repeat(4_097), "t".to_owned()],
        webhook_url: "https://127.0.0.1/".to_owned(),
        quiet_hours: Some(v1::preferences::QuietHours { start: "25:00".to_owned(), end: String::new() }),
        digest: Some(v1::preferences::Digest { time: String::new(), channels: vec![4] }),
        locale: "tlh".to_owned(),
        ..Default::default()
    };
    let expect = [
        "update_mask.paths[1]",
        "preferences.time_zone",
        "preferences.all_day_time",
        "preferences.channels[1]",
        "preferences.channels[2]",
        "preferences.email",
        "preferences.push_tokens[1]",
        "preferences.push_tokens[2]",
        "preferences.push_tokens[3]",
        "preferences.push_tokens[4]",
        "preferences.webhook_url",
        "preferences.quiet_hours.start",
        "preferences.quiet_hours.end",
        "preferences.digest.time",
        "preferences.digest.channels[0]",
        "preferences.locale",
    ];
    let request = update(wrong, &["*", "webhook_secret", "email"]);
    let refused = notification::update_preferences(&request, &Preferences::default(), &rules());
    assert_eq!(fields(refused), expect);

    for (field, wanted) in [
        ("preferences.channels", v1::Preferences { channels: vec![1; 4], ..Default::default() }),
        (
            "preferences.push_tokens",
            v1::Preferences { push_tokens: vec!["t".to_owned(); 11], ..Default::default() },
        ),
        (
            "preferences.quiet_hours.end",
            v1::Preferences {
                quiet_hours: Some(v1::preferences::QuietHours { start: "22:00".into(), end: "22:00".into() }),
                ..Default::default()
            },
        ),
        ("preferences.locale", v1::Preferences { locale: "de-DE".to_owned(), ..Default::default() }),
        (
            "preferences.webhook_url",
            v1::Preferences { webhook_url: "https://a.example/".into(), ..Default::default() },
        ),
    ] {
        let refused = notification::update_preferences(&update(wanted, &[]), &full_preferences(), &rules());
        assert_eq!(fields(refused), [field]);
    }
    let nothing = v1::UpdatePreferencesRequest::default();
    let refused = notification::update_preferences(&nothing, &Preferences::default(), &rules());
    assert_eq!(fields(refused), ["preferences"]);
}

#[test]
fn what_is_answered_is_accepted_again() {
    let preferences = Preferences { unsubscribed: vec![Channel::Push], ..full_preferences() };
    let answered = answer::preferences(&preferences, 7, Some(now()), None);
    assert_eq!(
        answered,
        v1::Preferences { unsubscribed_channels: vec![2], update_time: time(1_800_000_000), ..full() }
    );
    assert_eq!(updated(answered, &["*"], &Preferences::default()), full_preferences());
    let default = answer::preferences(&Preferences::default(), 0, None, Some(&[0xff; 32]));
    assert_eq!((default.time_zone.as_str(), default.all_day_time.as_str()), ("UTC", "09:00"));
    assert_eq!((default.channels.as_slice(), default.locale.as_str()), (&[1][..], "en"));
    assert_eq!(default.webhook_secret, format!("{}8=", "/".repeat(42)));
}

#[test]
fn a_token_ends_one_channel() {
    let secret = [0xab; 16];
    for channel in Channel::ALL {
        let token = answer::unsubscribe_token(&secret, channel);
        assert_eq!(token.len(), 23, "{token}");
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{token}");
        let read = notification::unsubscribe(&v1::UnsubscribeRequest { token }).unwrap();
        assert_eq!((read.secret, read.channel), (secret, channel));
    }
    let good = answer::unsubscribe_token(&secret, Channel::Email);
    // Of no channel; one byte more, one less; padded; not base64.
    let tampered = [&good[..21], "AA"].concat();
    let others =
        [format!("{good}="), format!("{good}AA"), good[..22].to_owned(), format!("{}!", &good[..22])];
    for token in [String::new(), tampered].into_iter().chain(others) {
        assert_eq!(fields(notification::unsubscribe(&v1::UnsubscribeRequest { token })), ["token"]);
    }
    let test = |channel, request_id: &str| {
        let request_id = request_id.to_owned();
        notification::send_test(&v1::SendTestNotificationRequest { channel, request_id })
    };
    let asked = test(3, ID).unwrap();
    assert_eq!((asked.channel, asked.request_id), (Channel::Webhook, Some(ID.parse().unwrap())));
    assert_eq!(test(3, "").unwrap().request_id, None);
    for channel in [0, 4, -1] {
        assert_eq!(fields(test(channel, "")), ["channel"]);
        assert_eq!(fields(test(channel, "again")), ["channel", "request_id"]);
    }
}

#[test]
fn rows_are_answered_whole() {
    let row = TaskReminder {
        task_id: ID.parse().unwrap(),
        number: ReminderNumber::new(3).unwrap(),
        user_id: "alice".parse().unwrap(),
        planned_at: at("1970-01-01T00:00:01Z"),
        remind_at: at("1970-01-01T00:00:02Z"),
        channels: vec![Channel::Webhook],
        state: ReminderState::Missed,
        generation: 4,
        snoozed: true,
        firing: Some(Firing { id: OTHER_ID.parse().unwrap(), time: at("1970-01-01T00:00:03Z") }),
        update_time: at("1970-01-01T00:00:04Z"),
    };
    let answered = answer::task_reminder(&row, "Water the plants", Some(at("1970-01-01T00:00:05Z")));
    let expect = v1::TaskReminder {
        task_id: ID.to_owned(),
        number: 3,
        title: "Water the plants".to_owned(),
        remind_time: time(2),
        due_time: time(5),
        state: v1::task_reminder::State::Missed.into(),
        channels: vec![3],
        snoozed: true,
        fire_time: time(3),
        reminder_id: OTHER_ID.to_owned(),
        update_time: time(4),
    };
    assert_eq!(answered, expect);
    let before = answer::task_reminder(&TaskReminder { firing: None, ..row }, "Water the plants", None);
    assert_eq!((before.reminder_id.as_str(), before.fire_time, before.due_time), ("", None, None));

    let delivery = Delivery {
        id: ID.parse().unwrap(),
        kind: DeliveryKind::Digest,
        channel: Channel::Push,
        state: DeliveryState::Failed,
        reminder_id: Some(OTHER_ID.parse().unwrap()),
        task_id: Some(ID.parse().unwrap()),
        title: "Today".to_owned(),
        remind_time: at("1970-01-01T00:00:01Z"),
        attempts: 5,
        next_attempt: Some(at("1970-01-01T00:00:02Z")),
        postponed: true,
        reason: Some("refused".to_owned()),
        create_time: at("1970-01-01T00:00:03Z"),
        finish_time: Some(at("1970-01-01T00:00:04Z")),
    };
    let expect = v1::Delivery {
        delivery_id: ID.to_owned(),
        kind: v1::delivery::Kind::Digest.into(),
        channel: 2,
        state: v1::delivery::State::Failed.into(),
        reminder_id: OTHER_ID.to_owned(),
        task_id: ID.to_owned(),
        title: "Today".to_owned(),
        remind_time: time(1),
        attempts: 5,
        next_attempt_time: time(2),
        postponed: true,
        reason: "refused".to_owned(),
        create_time: time(3),
        finish_time: time(4),
    };
    assert_eq!(answer::delivery(&delivery), expect);
}
