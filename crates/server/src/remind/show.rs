//! How reminders, preferences and deliveries look: as lines for people, as JSON for programs.

use std::fmt::Write as _;

use docket_proto::v1;
use docket_proto::v1::reminder::Channel;
use serde_json::{Value, json};

use crate::terminal::{plain, time};

/// The names of the columns of [`reminder`].
pub(super) const REMINDERS: &str = "TASK                                  NUMBER  STATE      REMIND TIME               CHANNELS            TITLE";

/// The names of the columns of [`delivery`].
pub(super) const DELIVERIES: &str =
    "WRITTEN                   KIND      CHANNEL  STATE      TRIES  NEXT ATTEMPT              TITLE";

/// A name of the contract without what all of its kind begin with.
fn short(name: &'static str) -> &'static str {
    name.split_once('_').map_or(name, |(_, short)| short)
}

fn channel(number: i32) -> String {
    let channel = Channel::try_from(number).unwrap_or_default();
    short(channel.as_str_name()).to_ascii_lowercase()
}

fn channels(numbers: &[i32]) -> String {
    numbers.iter().map(|number| channel(*number)).collect::<Vec<_>>().join(",")
}

/// A reminder on one line.
pub(super) fn reminder(reminder: &v1::TaskReminder) -> String {
    let channels = if reminder.channels.is_empty() { "-".to_owned() } else { channels(&reminder.channels) };
    let row = format!(
        "{:<36}  {:>6}  {:<9}  {:<24}  {channels:<18}  {}",
        reminder.task_id,
        reminder.number,
        short(reminder.state().as_str_name()),
        time(reminder.remind_time),
        plain(&reminder.title),
    );
    row.trim_end().to_owned()
}

/// What became of a reminder.
pub(super) fn reminder_after(reminder: &v1::TaskReminder) -> String {
    let state = short(reminder.state().as_str_name());
    format!("reminder {} of {} is {state}, {}", reminder.number, reminder.task_id, time(reminder.remind_time))
}

/// A reminder as JSON.
pub(super) fn reminder_json(reminder: &v1::TaskReminder) -> Value {
    let channels: Vec<String> = reminder.channels.iter().map(|number| channel(*number)).collect();
    json!({
        "task_id": reminder.task_id,
        "number": reminder.number,
        "title": reminder.title,
        "remind_time": time(reminder.remind_time),
        "due_time": reminder.due_time.map(|due| time(Some(due))),
        "state": short(reminder.state().as_str_name()),
        "channels": channels,
        "snoozed": reminder.snoozed,
        "fire_time": reminder.fire_time.map(|fired| time(Some(fired))),
        "reminder_id": reminder.reminder_id,
        "update_time": time(reminder.update_time),
    })
}

/// Preferences, a line for each that is set.
pub(super) fn preferences(preferences: &v1::Preferences) -> String {
    let quiet = preferences.quiet_hours.as_ref().map(|quiet| format!("{}-{}", quiet.start, quiet.end));
    let digest = preferences.digest.as_ref().map(|digest| match &digest.channels[..] {
        [] => digest.time.clone(),
        some => format!("{} by {}", digest.time, channels(some)),
    });
    let fields = [
        ("time zone", preferences.time_zone.clone()),
        ("all-day time", preferences.all_day_time.clone()),
        ("channels", channels(&preferences.channels)),
        ("email", preferences.email.clone()),
        ("push tokens", preferences.push_tokens.join(", ")),
        ("webhook", preferences.webhook_url.clone()),
        ("webhook secret", preferences.webhook_secret.clone()),
        ("quiet hours", quiet.unwrap_or_default()),
        ("digest", digest.unwrap_or_default()),
        ("locale", preferences.locale.clone()),
        ("unsubscribed", channels(&preferences.unsubscribed_channels)),
        ("etag", preferences.etag.clone()),
        ("changed", time(preferences.update_time)),
    ];
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        // Writing to a text can not fail.
        let _ = writeln!(text, "{name:<15} {}", plain(value));
    }
    text.trim_end().to_owned()
}

/// Preferences as JSON.
pub(super) fn preferences_json(preferences: &v1::Preferences) -> Value {
    let names = |numbers: &[i32]| numbers.iter().map(|number| channel(*number)).collect::<Vec<_>>();
    let quiet = preferences.quiet_hours.as_ref();
    let digest = preferences.digest.as_ref();
    let mut value = json!({
        "time_zone": preferences.time_zone,
        "all_day_time": preferences.all_day_time,
        "channels": names(&preferences.channels),
        "email": preferences.email,
        "push_tokens": preferences.push_tokens,
        "webhook_url": preferences.webhook_url,
        "quiet_hours": quiet.map(|quiet| json!({ "start": quiet.start, "end": quiet.end })),
        "digest": digest.map(|digest| json!({ "time": digest.time, "channels": names(&digest.channels) })),
        "locale": preferences.locale,
        "unsubscribed_channels": names(&preferences.unsubscribed_channels),
        "etag": preferences.etag,
        "update_time": preferences.update_time.map(|update| time(Some(update))),
    });
    // There only in the answer to the call that made it.
    if !preferences.webhook_secret.is_empty() {
        value["webhook_secret"] = preferences.webhook_secret.as_str().into();
    }
    value
}

/// A delivery on one line.
pub(super) fn delivery(delivery: &v1::Delivery) -> String {
    let why = match delivery.reason.as_str() {
        "" => String::new(),
        reason => format!(" ({})", plain(reason)),
    };
    let row = format!(
        "{:<24}  {:<8}  {:<7}  {:<9}  {:>5}  {:<24}  {}{why}",
        time(delivery.create_time),
        short(delivery.kind().as_str_name()),
        channel(delivery.channel),
        short(delivery.state().as_str_name()),
        delivery.attempts,
        time(delivery.next_attempt_time),
        plain(&delivery.title),
    );
    row.trim_end().to_owned()
}

/// How a test went.
pub(super) fn tested(delivery: &v1::Delivery) -> String {
    let state = short(delivery.state().as_str_name());
    match delivery.reason.as_str() {
        "" => format!("the test by {} is {state}", channel(delivery.channel)),
        reason => format!("the test by {} is {state}: {}", channel(delivery.channel), plain(reason)),
    }
}

/// A delivery as JSON.
pub(super) fn delivery_json(delivery: &v1::Delivery) -> Value {
    json!({
        "delivery_id": delivery.delivery_id,
        "kind": short(delivery.kind().as_str_name()),
        "channel": channel(delivery.channel),
        "state": short(delivery.state().as_str_name()),
        "reminder_id": delivery.reminder_id,
        "task_id": delivery.task_id,
        "title": delivery.title,
        "remind_time": time(delivery.remind_time),
        "attempts": delivery.attempts,
        "next_attempt_time": delivery.next_attempt_time.map(|next| time(Some(next))),
        "postponed": delivery.postponed,
        "reason": delivery.reason,
        "create_time": time(delivery.create_time),
        "finish_time": delivery.finish_time.map(|finish| time(Some(finish))),
    })
}

/// What nothing is sent to any more.
pub(super) fn stopped(answer: &v1::UnsubscribeResponse) -> String {
    format!("nothing is sent by {} any more", channel(answer.channel))
}

/// The same as JSON.
pub(super) fn stopped_json(answer: &v1::UnsubscribeResponse) -> Value {
    json!({ "channel": channel(answer.channel) })
}

#[cfg(test)]
mod tests {
    use docket_testkit::at;

    use super::*;

    const TASK: &str = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f";

    #[test]
    fn columns_stand_under_their_names() {
        let line = reminder(&v1::TaskReminder {
            task_id: TASK.to_owned(),
            number: 2,
            state: v1::task_reminder::State::Dismissed.into(),
            remind_time: Some(at("2027-01-31T08:00:00Z")),
            channels: vec![Channel::Email.into(), Channel::Webhook.into()],
            title: "TITLE".to_owned(),
            ..Default::default()
        });
        let under = |line: &str, head: &str, pairs: &[(&str, &str)]| {
            for (value, name) in pairs {
                assert!(value.len() > 1 && line.find(value) == head.find(name), "{value}:\n{head}\n{line}");
            }
        };
        let pairs = [
            ("DISMISSED", "STATE"),
            ("2027-01-31T08:00:00.000Z", "REMIND TIME"),
            ("email,webhook", "CHANNELS"),
            ("TITLE", "TITLE"),
        ];
        under(&line, REMINDERS, &pairs);
        let line = delivery(&v1::Delivery {
            create_time: Some(at("2027-01-31T08:00:01Z")),
            next_attempt_time: Some(at("2027-01-31T08:00:02Z")),
            kind: v1::delivery::Kind::Reminder.into(),
            channel: Channel::Webhook.into(),
            state: v1::delivery::State::Cancelled.into(),
            title: "TITLE".to_owned(),
            reason: "it\n\u{1b}[31mis red".to_owned(),
            ..Default::default()
        });
        let pairs = [
            ("2027-01-31T08:00:01.000Z", "WRITTEN"),
            ("REMINDER", "KIND"),
            ("webhook", "CHANNEL"),
            ("CANCELLED", "STATE"),
            ("2027-01-31T08:00:02.000Z", "NEXT ATTEMPT"),
            ("TITLE", "TITLE"),
        ];
        under(&line, DELIVERIES, &pairs);
        assert!(line.ends_with("TITLE (it\\n\\u{1b}[31mis red)"), "{line}");
    }

    #[test]
    fn preferences_have_a_line_for_each_that_is_set() {
        let some = v1::Preferences {
            time_zone: "Europe/Berlin".to_owned(),
            channels: vec![Channel::Email.into(), Channel::Push.into()],
            quiet_hours: Some(v1::preferences::QuietHours {
                start: "22:00".to_owned(),
                end: "07:00".to_owned(),
            }),
            digest: Some(v1::preferences::Digest { time: "08:00".to_owned(), channels: Vec::new() }),
            ..Default::default()
        };
        let expect = "time zone       Europe/Berlin\nchannels        email,push\nquiet hours     22:00-07:00\ndigest          08:00";
        assert_eq!(preferences(&some), expect);
        let value = preferences_json(&some);
        assert_eq!(value["quiet_hours"]["end"], "07:00");
        assert_eq!(value["channels"], json!(["email", "push"]));
        assert!(value.get("webhook_secret").is_none() && value["update_time"].is_null(), "{value}");
    }
}
