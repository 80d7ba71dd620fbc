//! Requests about reminders, preferences and messages.

use docket_proto::v1::preferences::{Digest, QuietHours};
use docket_proto::v1::snooze_reminder_request::Until;
use docket_proto::v1::{
    CheckRemindersRequest, DismissReminderRequest, GetPreferencesRequest, ListDeliveriesRequest,
    ListRemindersRequest, Preferences, SendTestNotificationRequest, SnoozeReminderRequest,
    UnsubscribeRequest, UpdatePreferencesRequest,
};
use pbjson_types::{Duration, FieldMask, Timestamp};
use prost::Message;

use super::call::Call;
use super::{Row, World, at_fault, good, row};
use crate::harness::uuid;

/// A call of Alice's to `ReminderService`.
fn reminders(world: &World, method: &str, message: &impl Message) -> Call {
    Call::of(&format!("/docket.v1.ReminderService/{method}"), message).bearer(&world.alice)
}

/// A call of Alice's to `NotificationService`.
fn notifications(world: &World, method: &str, message: &impl Message) -> Call {
    Call::of(&format!("/docket.v1.NotificationService/{method}"), message).bearer(&world.alice)
}

pub(super) fn rows(world: &World) -> Vec<Row> {
    [names(world), moments(world), lists(world), checks(world), preferences(world), links(world)].concat()
}

/// Which reminder.
fn names(world: &World) -> Vec<Row> {
    let mut rows = Vec::new();
    let until = Some(Until::Delay(Duration { seconds: 60, nanos: 0 }));
    for (name, task_id, number, expect) in [
        ("no task", "", 1, &["task_id"][..]),
        ("a short task", "7", 1, &["task_id"]),
        ("no number", &uuid(), 0, &["number"]),
        ("a number of 11", &uuid(), 11, &["number"]),
        ("a negative number", &uuid(), -1, &["number"]),
        ("neither task nor number", "", 0, &["task_id", "number"]),
    ] {
        let snooze =
            SnoozeReminderRequest { task_id: task_id.to_owned(), number, until, ..Default::default() };
        let dismiss = DismissReminderRequest { task_id: task_id.to_owned(), number, ..Default::default() };
        rows.extend([
            row(
                format!("SnoozeReminder with {name}"),
                reminders(world, "SnoozeReminder", &snooze),
                at_fault(expect),
            ),
            row(
                format!("DismissReminder with {name}"),
                reminders(world, "DismissReminder", &dismiss),
                at_fault(expect),
            ),
        ]);
    }
    let task_id = uuid();
    let unknown = DismissReminderRequest { task_id: task_id.clone(), number: 10, ..Default::default() };
    rows.push(
        row(
            "DismissReminder of an unknown task",
            reminders(world, "DismissReminder", &unknown),
            format!("NotFound REMINDER_NOT_FOUND number=10 task_id={task_id}"),
        )
        .after_a_look(),
    );
    let dismiss = DismissReminderRequest { task_id, number: 0, request_id: "again".to_owned() };
    rows.push(row(
        "DismissReminder with neither a number nor a request id that is one",
        reminders(world, "DismissReminder", &dismiss),
        at_fault(&["number", "request_id"]),
    ));
    rows
}

/// Until when.
fn moments(world: &World) -> Vec<Row> {
    let snooze = |until| {
        reminders(
            world,
            "SnoozeReminder",
            &SnoozeReminderRequest {
                task_id: world.task.task_id.clone(),
                number: 1,
                until,
                ..Default::default()
            },
        )
    };
    let delay = |seconds, nanos| snooze(Some(Until::Delay(Duration { seconds, nanos })));
    let at = |seconds, nanos| snooze(Some(Until::RemindTime(Timestamp { seconds, nanos })));
    let nothing = SnoozeReminderRequest::default();
    let repeatable = |seconds, request_id: &str| {
        let until = Some(Until::RemindTime(Timestamp { seconds, nanos: 0 }));
        let (task_id, request_id) = (world.task.task_id.clone(), request_id.to_owned());
        let snooze = SnoozeReminderRequest { task_id, number: 1, until, request_id };
        reminders(world, "SnoozeReminder", &snooze)
    };
    vec![
        row("a snooze without an end", snooze(None), at_fault(&["delay"])),
        row("a snooze of 0 seconds", delay(0, 0), at_fault(&["delay"])),
        row("a snooze back in time", delay(-60, 0), at_fault(&["delay"])),
        row("a snooze of half a second", delay(0, 500_000_000), at_fault(&["delay"])),
        row("a snooze of 367 days", delay(367 * 86_400, 0), at_fault(&["delay"])),
        row("a snooze of no duration", delay(1, -1), at_fault(&["delay"])),
        row("a snooze of 300 billion years", delay(i64::MAX, 0), at_fault(&["delay"])),
        row("a snooze until 2001", at(1_000_000_000, 0), at_fault(&["remind_time"])),
        row("a snooze until after 9999", at(1 << 40, 0), at_fault(&["remind_time"])),
        row("a snooze until no time", at(4_000_000_000, -1), at_fault(&["remind_time"])),
        row(
            "a snooze of nothing",
            reminders(world, "SnoozeReminder", &nothing),
            at_fault(&["task_id", "number", "delay"]),
        ),
        row(
            "a snooze with a request id that is none",
            repeatable(4_000_000_000, "7"),
            at_fault(&["request_id"]),
        ),
        row(
            "a snooze until 2001 with a request id that is none",
            repeatable(1_000_000_000, "7"),
            at_fault(&["remind_time", "request_id"]),
        ),
        // It might be a repetition.
        row(
            "a snooze until 2001 with a request id",
            repeatable(1_000_000_000, &uuid()),
            at_fault(&["remind_time"]),
        )
        .after_a_look(),
    ]
}

/// Lists of reminders, and of what was sent.
fn lists(world: &World) -> Vec<Row> {
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let list = |request: ListRemindersRequest| reminders(world, "ListReminders", &request);
    let ledger = |request: ListDeliveriesRequest| notifications(world, "ListDeliveries", &request);
    let (mut rows, nothing) = (Vec::new(), ListRemindersRequest::default);
    let all = ["page_size", "task_id", "states[1]", "states[2]", "end_time"];
    rows.extend([
        row(
            "ListReminders with everything wrong",
            list(ListRemindersRequest {
                page_size: -1,
                task_id: "7".to_owned(),
                states: vec![1, 0, 99],
                start_time: at(2),
                end_time: at(2),
                ..nothing()
            }),
            at_fault(&all),
        ),
        row(
            "ListDeliveries with everything wrong",
            ledger(ListDeliveriesRequest {
                page_size: -1,
                task_id: "7".to_owned(),
                states: vec![1, 0, 99],
                start_time: at(2),
                end_time: at(2),
                ..Default::default()
            }),
            at_fault(&all),
        ),
        row(
            "reminders before 1970 and after 9999",
            list(ListRemindersRequest { start_time: at(-1), end_time: at(1 << 40), ..nothing() }),
            at_fault(&["start_time", "end_time"]),
        ),
        good(
            "reminders of a task that does not exist",
            list(ListRemindersRequest { task_id: uuid(), ..nothing() }),
        ),
        good(
            "reminders in one state twice, 5,000 a page",
            list(ListRemindersRequest { states: vec![1, 1], page_size: 5_000, ..nothing() }),
        ),
    ]);
    for token in ["A", "AAAA", "!!!!", "ä", &world.page_token] {
        let page_token = token.to_owned();
        rows.extend([
            row(
                format!("ListReminders with the page token {token}"),
                list(ListRemindersRequest { page_token: page_token.clone(), ..nothing() }),
                "InvalidArgument INVALID_PAGE_TOKEN [page_token]",
            ),
            row(
                format!("ListDeliveries with the page token {token}"),
                ledger(ListDeliveriesRequest { page_token, ..Default::default() }),
                "InvalidArgument INVALID_PAGE_TOKEN [page_token]",
            ),
        ]);
    }
    rows
}

/// What is for Docket itself: nobody is told what is wrong with it.
fn checks(world: &World) -> Vec<Row> {
    let internal = "PermissionDenied INTERNAL_METHOD method=docket.v1.ReminderService/CheckReminders";
    let check =
        |ids: Vec<String>| reminders(world, "CheckReminders", &CheckRemindersRequest { reminder_ids: ids });
    vec![
        row("CheckReminders by a user", check(vec![uuid()]), internal),
        row("CheckReminders by a user, of nothing", check(Vec::new()), internal),
        row("CheckReminders by a user, of 501", check(vec![uuid(); 501]), internal),
    ]
}

/// Preferences that can not be.
fn preferences(world: &World) -> Vec<Row> {
    let masked = |preferences: Option<Preferences>, paths: &[&str]| {
        let update_mask = (!paths.is_empty())
            .then(|| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let update = UpdatePreferencesRequest { preferences, update_mask, ..Default::default() };
        notifications(world, "UpdatePreferences", &update)
    };
    let update = |change: &dyn Fn(&mut Preferences)| {
        let mut preferences = Preferences::default();
        change(&mut preferences);
        masked(Some(preferences), &[])
    };
    let wrong = |name: &str, change: &dyn Fn(&mut Preferences), fields: &[&str]| {
        let fields: Vec<String> = fields.iter().map(|field| format!("preferences.{field}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        row(format!("preferences with {name}"), update(change), at_fault(&fields))
    };
    let email = |text: &'static str| move |preferences: &mut Preferences| preferences.email = text.to_owned();
    let url =
        |text: &'static str| move |preferences: &mut Preferences| preferences.webhook_url = text.to_owned();
    let mut rows = vec![
        row("no preferences", masked(None, &[]), at_fault(&["preferences"])),
        row(
            "an unknown path, and one that is output only",
            masked(Some(Preferences::default()), &["email", "colour", "webhook_secret"]),
            at_fault(&["update_mask.paths[1]", "update_mask.paths[2]"]),
        ),
        wrong("a zone that is none", &|p| p.time_zone = "Berlin".to_owned(), &["time_zone"]),
        wrong("a day that begins at 25:00", &|p| p.all_day_time = "25:00".to_owned(), &["all_day_time"]),
        wrong("a day that begins at 9", &|p| p.all_day_time = "9".to_owned(), &["all_day_time"]),
        wrong("an unknown channel", &|p| p.channels = vec![1, 9], &["channels[1]"]),
        wrong("no channel at all", &|p| p.channels = vec![0], &["channels[0]"]),
        wrong("a channel twice", &|p| p.channels = vec![2, 2], &["channels[1]"]),
        wrong("quiet hours of no length", &|p| p.quiet_hours = quiet("22:00", "22:00"), &["quiet_hours.end"]),
        wrong(
            "quiet hours of no time",
            &|p| p.quiet_hours = quiet("", "7 am"),
            &["quiet_hours.start", "quiet_hours.end"],
        ),
        wrong(
            "a digest at no time on no channel",
            &|p| p.digest = Some(Digest { time: "noon".to_owned(), channels: vec![9] }),
            &["digest.time", "digest.channels[0]"],
        ),
        wrong("an unknown language", &|p| p.locale = "tlh".to_owned(), &["locale"]),
        wrong(
            "11 push tokens",
            &|p| p.push_tokens = (0..11).map(|n| format!("token-{n}")).collect(),
            &["push_tokens"],
        ),
        wrong(
            "push tokens that are none",
            &|p| p.push_tokens = vec![String::new(), "x".repeat(4_097), "a b".to_owned(), "a\nb".to_owned()],
            &["push_tokens[0]", "push_tokens[1]", "push_tokens[2]", "push_tokens[3]"],
        ),
    ];
    for text in [
        "alice",
        "alice@",
        "@example.com",
        "alice@example.com, mallory@example.com",
        "alice@example.com;mallory@example.com",
        "alice@example.com\r\nBcc: mallory@example.com",
        "alice@example.com\nSubject: Hello",
        "Alice <alice@example.com>",
        "alice@example.com\0",
        " alice@example.com",
    ] {
        rows.push(wrong(&format!("the address {text:?}"), &email(text), &["email"]));
    }
    for text in [
        "hooks",
        "http://hooks.example.com/x",
        "https://hooks.example.com/x",
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://10.0.0.1/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/x",
        "https://alice:secret@hooks.example.com/x",
        "https://hooks.example.com/x#y",
        "https://hooks.example.com/\nx",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ] {
        rows.push(wrong(&format!("the webhook {text:?}"), &url(text), &["webhook_url"]));
    }
    let long = format!("{}@example.com", "a".repeat(250));
    rows.push(wrong("an address of 262 bytes", &|p| p.email.clone_from(&long), &["email"]));
    rows.push(wrong(
        "everything wrong",
        &|p| {
            *p = Preferences {
                time_zone: "Berlin".to_owned(),
                all_day_time: "9".to_owned(),
                channels: vec![9],
                email: "alice".to_owned(),
                push_tokens: vec![" ".to_owned()],
                webhook_url: "hooks".to_owned(),
                quiet_hours: quiet("a", "b"),
                digest: Some(Digest { time: "c".to_owned(), channels: Vec::new() }),
                locale: "tlh".to_owned(),
                ..Default::default()
            }
        },
        &[
            "time_zone",
            "all_day_time",
            "channels[0]",
            "email",
            "push_tokens[0]",
            "webhook_url",
            "quiet_hours.start",
            "quiet_hours.end",
            "digest.time",
            "locale",
        ],
    ));
    rows.push(good(
        "preferences that were never said",
        notifications(world, "GetPreferences", &GetPreferencesRequest {}),
    ));
    rows
}

fn quiet(start: &str, end: &str) -> Option<QuietHours> {
    Some(QuietHours { start: start.to_owned(), end: end.to_owned() })
}

/// Links that are none, and tests by no channel.
fn links(world: &World) -> Vec<Row> {
    let link = |token: &str| {
        Call::of(
            "/docket.v1.NotificationService/Unsubscribe",
            &UnsubscribeRequest { token: token.to_owned() },
        )
    };
    let test = |channel| {
        let test = SendTestNotificationRequest { channel, ..Default::default() };
        notifications(world, "SendTestNotification", &test)
    };
    let fault = at_fault(&["token"]);
    // 16 bytes that are nobody's, and the channel.
    let unknown = "AAAAAAAAAAAAAAAAAAAAAAE";
    let mut rows: Vec<Row> = ["", "A", "AAAA", "!!!!", "AAAAAAAAAAAAAAAAAAAAAAk", "AAAAAAAAAAAAAAAAAAAAAAE="]
        .into_iter()
        .map(|token| row(format!("Unsubscribe with {token:?}"), link(token), &fault))
        .collect();
    rows.extend([
        row("Unsubscribe with the link of nobody", link(unknown), &fault).after_a_look(),
        row("Unsubscribe with 900,000 letters", link(&"A".repeat(900_000)), &fault),
        row("a test by no channel", test(0), at_fault(&["channel"])),
        row("a test by an unknown channel", test(9), at_fault(&["channel"])),
        row(
            "a test by no channel, with a request id that is none",
            notifications(
                world,
                "SendTestNotification",
                &SendTestNotificationRequest { channel: 0, request_id: "7".to_owned() },
            ),
            at_fault(&["channel", "request_id"]),
        ),
        row(
            "an update of no preferences, with a request id that is none",
            notifications(
                world,
                "UpdatePreferences",
                &UpdatePreferencesRequest { request_id: "7".to_owned(), ..Default::default() },
            ),
            at_fault(&["preferences", "request_id"]),
        ),
    ]);
    rows
}
