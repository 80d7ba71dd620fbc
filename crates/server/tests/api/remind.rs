//! `docket remind`, by way of the binary, with a server in this process.

use docket_proto::v1;
use docket_wire::answer::unsubscribe_token;
use serde_json::{Value, json};

use crate::audit::deliver;
use crate::dlq::{Run, Terminal};
use crate::harness::{Api, due_at, uuid};

/// `docket remind`, with the server, as carol.
async fn remind(terminal: &Terminal, arguments: &[&str]) -> Run {
    terminal.docket(&[&["remind", "--server", &terminal.server], arguments].concat(), &[]).await
}

/// What it says when it succeeds.
async fn good(terminal: &Terminal, arguments: &[&str]) -> String {
    let run = remind(terminal, arguments).await;
    assert_eq!((run.code, run.error.as_str()), (0, ""), "{arguments:?}: {run:?}");
    run.said
}

/// The same as JSON, one value a line.
async fn json(terminal: &Terminal, arguments: &[&str]) -> Vec<Value> {
    let said = good(terminal, &[arguments, &["--format", "json"]].concat()).await;
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn reminders_are_listed_put_off_and_done_away_with() {
    let api = Api::start().await;
    let terminal = Terminal::new(&api);
    assert_eq!(good(&terminal, &["list"]).await, "", "there are none");
    let carol = api.user("carol");
    let rent = carol.create(due_at("Pay the rent", "2027-03-01T09:00:00Z")).await;
    let cat = carol.create(due_at("Feed the cat", "2027-02-01T09:00:00Z")).await;
    api.user("bob").create(due_at("Bob's own", "2027-01-01T09:00:00Z")).await;
    deliver(&api, 1).await;

    let table = good(&terminal, &["list"]).await;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[1].starts_with(&cat.task_id) && lines[1].ends_with("Feed the cat"), "{table}");
    assert!(lines[2].contains("PENDING") && lines[2].contains("2027-03-01T08:30:00.000Z"), "{table}");
    let check = async |arguments: &[&str], expect: &[&str]| {
        let found = json(&terminal, &[&["list"], arguments].concat()).await;
        let titles: Vec<&str> = found.iter().map(|one| one["title"].as_str().unwrap()).collect();
        assert_eq!(titles, expect, "{arguments:?}");
    };
    check(&["--task", &rent.task_id], &["Pay the rent"]).await;
    check(&["--since", "2027-02-15T00:00:00Z"], &["Pay the rent"]).await;
    check(&["--until", "2027-02-15T00:00:00Z"], &["Feed the cat"]).await;
    check(&["--state", "sent", "--state", "FAILED"], &[]).await;
    let run = remind(&terminal, &["list", "--limit", "1"]).await;
    assert!(run.said.lines().count() == 2 && run.error.contains("more than 1"), "{run:?}");

    let said = good(&terminal, &["snooze", &cat.task_id, "--until", "2027-01-01T00:00:00Z"]).await;
    assert_eq!(said, format!("reminder 1 of {} is PENDING, 2027-01-01T00:00:00.000Z\n", cat.task_id));
    let snoozed = json(&terminal, &["snooze", &cat.task_id, "1", "--for", "1day 2h"]).await;
    assert_eq!((&snoozed[0]["state"], &snoozed[0]["snoozed"]), (&json!("PENDING"), &json!(true)));
    let dismissed = json(&terminal, &["dismiss", &cat.task_id]).await;
    assert_eq!(dismissed[0]["state"], "DISMISSED");
    check(&["--state", "dismissed"], &["Feed the cat"]).await;

    for wrong in [
        &["snooze", &cat.task_id][..],
        &["snooze", &cat.task_id, "--for", "soon"],
        &["list", "--state", "GONE"],
    ] {
        assert_eq!(remind(&terminal, wrong).await.code, 2, "{wrong:?}");
    }
    let run = remind(&terminal, &["dismiss", &uuid()]).await;
    assert!(run.code == 1 && run.error.contains("REMINDER_NOT_FOUND"), "{run:?}");
}

#[tokio::test]
async fn preferences_are_shown_and_changed() {
    let api = Api::start().await;
    let terminal = Terminal::new(&api);
    assert!(
        good(&terminal, &["preferences"]).await.starts_with("time zone       UTC\nall-day time    09:00\n")
    );
    let set = ["preferences", "set", "--time-zone", "Europe/Berlin", "--email", "carol@example.com"];
    let more = ["--quiet-hours", "22:00-07:00", "--digest", "08:00", "--digest-channel", "push"];
    let changed =
        json(&terminal, &[&set[..], &more, &["--channel", "email", "--channel", "push"]].concat()).await;
    let expect = json!({
        "time_zone": "Europe/Berlin",
        "all_day_time": "09:00",
        "channels": ["email", "push"],
        "email": "carol@example.com",
        "push_tokens": [],
        "webhook_url": "",
        "quiet_hours": { "start": "22:00", "end": "07:00" },
        "digest": { "time": "08:00", "channels": ["push"] },
        "locale": "en",
        "unsubscribed_channels": [],
        "etag": changed[0]["etag"],
        "update_time": changed[0]["update_time"],
    });
    assert_eq!(changed, [expect]);
    let etag = changed[0]["etag"].as_str().unwrap();
    let clear = ["preferences", "set", "--quiet-hours", "", "--digest", "", "--email", "", "--etag", etag];
    let cleared = json(&terminal, &clear).await;
    let one = &cleared[0];
    assert_eq!(
        (&one["email"], &one["quiet_hours"], &one["digest"]),
        (&json!(""), &Value::Null, &Value::Null)
    );
    assert_eq!(one["time_zone"], "Europe/Berlin", "not named");
    let run = remind(&terminal, &clear).await;
    assert!(run.code == 1 && run.error.contains("Aborted"), "a stale etag: {run:?}");
    let run = remind(&terminal, &["preferences", "set", "--email", "nobody"]).await;
    assert!(run.code == 1 && run.error.contains("INVALID_FIELDS"), "{run:?}");
    for wrong in [&["preferences", "set"][..], &["preferences", "set", "--channel", "pigeon"]] {
        assert_eq!(remind(&terminal, wrong).await.code, 2, "{wrong:?}");
    }
}

#[tokio::test]
async fn messages_are_tried_listed_and_stopped() {
    let api = Api::start_with(|config| {
        config.notification.push.kind = Some(docket_notification::PushKind::Off);
    })
    .await;
    let mut terminal = Terminal::new(&api);
    assert_eq!(good(&terminal, &["deliveries"]).await, "", "there are none");
    assert_eq!(good(&terminal, &["test", "email"]).await, "the test by email is SENT\n");
    let listed = json(&terminal, &["deliveries", "--state", "sent"]).await;
    assert_eq!((listed.len(), &listed[0]["kind"], &listed[0]["attempts"]), (1, &json!("TEST"), &json!(1)));
    assert_eq!(good(&terminal, &["deliveries"]).await.lines().count(), 2, "with the names of the columns");
    let run = remind(&terminal, &["test", "push"]).await;
    assert!(run.code == 1 && run.error.contains("CHANNEL_UNAVAILABLE"), "{run:?}");

    // The link of a message, without a token and without the server's secret.
    good(&terminal, &["preferences", "set", "--locale", "de"]).await;
    let stored = api.store().await.preferences(&"carol".parse().unwrap()).await.unwrap().unwrap();
    let link = unsubscribe_token(&stored.unsubscribe, docket_domain::Channel::Email);
    terminal.secret = None;
    assert_eq!(good(&terminal, &["unsubscribe", &link]).await, "nothing is sent by email any more\n");
    let run = remind(&terminal, &["unsubscribe", "AAAA"]).await;
    assert!(run.code == 1 && run.error.contains("INVALID_FIELDS"), "{run:?}");
    let run = remind(&terminal, &["list"]).await;
    assert!(run.code == 1 && run.error.contains("no token"), "{run:?}");
    let get = v1::GetPreferencesRequest {};
    let preferences = api.caller("carol").notifications().get_preferences(get).await.unwrap().into_inner();
    assert_eq!(preferences.unsubscribed_channels, [i32::from(v1::reminder::Channel::Email)]);
}
