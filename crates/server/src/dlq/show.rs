//! How letters look: as lines for people, as JSON for programs.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use docket_proto::v1;
use docket_proto::v1::dead_letter::action::Kind;
use docket_proto::v1::dead_letter::{Action, State};
use docket_proto::v1::discard_dead_letters_response::Discard;
use docket_proto::v1::replay_dead_letters_response::Replay;
use serde_json::{Value, json};

use crate::terminal::{plain, time};

fn state(letter: &v1::DeadLetter) -> &'static str {
    match letter.state() {
        State::Unspecified => "UNSPECIFIED",
        State::Open => "OPEN",
        State::Replayed => "REPLAYED",
        State::Discarded => "DISCARDED",
    }
}

/// The names of the columns of [`line`].
pub(super) const HEAD: &str = "DEAD LETTER                           STATE      FAILURES  LAST FAILURE              HANDLER     TOPIC            EVENT TYPE                   REASON";

/// A letter on one line.
pub(super) fn line(letter: &v1::DeadLetter) -> String {
    let row = format!(
        "{:<36}  {:<9}  {:>8}  {:<24}  {:<10}  {:<15}  {:<27}  {}",
        letter.dead_letter_id,
        state(letter),
        letter.failures,
        time(letter.last_failure_time),
        plain(&letter.handler),
        plain(&letter.topic),
        plain(&letter.event_type),
        plain(&letter.reason),
    );
    row.trim_end().to_owned()
}

/// A letter with all that is known of it.
pub(super) fn page(letter: &v1::DeadLetter) -> String {
    let number =
        |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_else(|| "-".to_owned());
    let mut text = String::new();
    let fields = [
        ("dead letter", letter.dead_letter_id.clone()),
        ("state", state(letter).to_owned()),
        ("handler", letter.handler.clone()),
        ("reason", letter.reason.clone()),
        ("failures", letter.failures.to_string()),
        ("first failure", time(letter.first_failure_time)),
        ("last failure", time(letter.last_failure_time)),
        ("event", letter.event_id.clone()),
        ("event type", letter.event_type.clone()),
        ("pub/sub", letter.pubsub.clone()),
        ("topic", letter.topic.clone()),
        ("key", letter.key.clone()),
        ("partition", number(letter.partition.map(i64::from))),
        ("offset", number(letter.offset)),
    ];
    // Writing to a text can not fail.
    for (name, value) in fields {
        let _ = writeln!(text, "{name:<14} {}", plain(&value));
    }
    let mut headers: Vec<_> = letter.headers.iter().collect();
    headers.sort();
    for (name, value) in headers {
        let _ = writeln!(text, "{:<14} {}: {}", "header", plain(name), plain(value));
    }
    for action in &letter.actions {
        let _ = writeln!(text, "{:<14} {}", "action", plain(&done(action)));
    }
    let _ = match std::str::from_utf8(&letter.original) {
        Ok(original) => write!(text, "{:<14} {}", "original", plain(original)),
        Err(_) => write!(text, "{:<14} {}", "base64", STANDARD.encode(&letter.original)),
    };
    text
}

fn done(action: &Action) -> String {
    let (when, who) = (time(action.action_time), &action.actor);
    match action.kind() {
        Kind::Replay => {
            let only = if action.only_failed_handler { ", for the failed handler alone" } else { "" };
            format!("{when} {who} replayed it as {}{only}", action.replay_id)
        }
        Kind::Discard => format!("{when} {who} discarded it: {}", action.reason),
        Kind::Unspecified => format!("{when} {who}"),
    }
}

/// A letter that was replayed, or would be.
pub(super) fn replay(replay: &Replay, dry_run: bool) -> String {
    let verb = if dry_run { "would be replayed to" } else { "replayed to" };
    let to = match replay.only_failed_handler {
        true => format!("{} of {}", plain(&replay.handler), plain(&replay.topic)),
        false => plain(&replay.topic).into_owned(),
    };
    format!("{} {verb} {to}", replay.dead_letter_id)
}

/// A letter that was discarded, or would be.
pub(super) fn discard(discard: &Discard, dry_run: bool) -> String {
    let verb = if dry_run { "would be discarded" } else { "discarded" };
    format!("{} {verb}", discard.dead_letter_id)
}

/// A letter as JSON; `all` when it has headers, bytes and actions.
pub(super) fn letter_json(letter: &v1::DeadLetter, all: bool) -> Value {
    let mut value = json!({
        "dead_letter_id": letter.dead_letter_id,
        "state": state(letter),
        "handler": letter.handler,
        "reason": letter.reason,
        "failures": letter.failures,
        "first_failure_time": time(letter.first_failure_time),
        "last_failure_time": time(letter.last_failure_time),
        "event_id": letter.event_id,
        "event_type": letter.event_type,
        "pubsub": letter.pubsub,
        "topic": letter.topic,
        "key": letter.key,
        "partition": letter.partition,
        "offset": letter.offset,
        "original_size": letter.original_size,
    });
    if all {
        value["headers"] = letter.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        value["actions"] = letter.actions.iter().map(action_json).collect();
        match std::str::from_utf8(&letter.original) {
            Ok(text) => value["original"] = text.into(),
            Err(_) => value["original_base64"] = STANDARD.encode(&letter.original).into(),
        }
    }
    value
}

fn action_json(action: &Action) -> Value {
    let common = json!({ "actor": action.actor, "action_time": time(action.action_time) });
    let mut value = common;
    match action.kind() {
        Kind::Replay => {
            value["kind"] = "REPLAY".into();
            value["replay_id"] = action.replay_id.as_str().into();
            value["only_failed_handler"] = action.only_failed_handler.into();
        }
        Kind::Discard => {
            value["kind"] = "DISCARD".into();
            value["reason"] = action.reason.as_str().into();
        }
        Kind::Unspecified => {}
    }
    value
}

/// The same for what was replayed.
pub(super) fn replay_json(replay: &Replay) -> Value {
    json!({
        "dead_letter_id": replay.dead_letter_id,
        "topic": replay.topic,
        "handler": replay.handler,
        "event_id": replay.event_id,
        "replay_id": replay.replay_id,
        "only_failed_handler": replay.only_failed_handler,
    })
}

/// The same for what was discarded.
pub(super) fn discard_json(discard: &Discard) -> Value {
    json!({
        "dead_letter_id": discard.dead_letter_id,
        "topic": discard.topic,
        "handler": discard.handler,
        "event_id": discard.event_id,
    })
}

#[cfg(test)]
mod tests {
    use pbjson_types::Timestamp;

    use super::*;

    fn letter() -> v1::DeadLetter {
        v1::DeadLetter {
            dead_letter_id: "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".to_owned(),
            state: State::Open.into(),
            handler: "audit".to_owned(),
            reason: "it\n\u{1b}[31mis red".to_owned(),
            failures: 2,
            first_failure_time: Some(Timestamp { seconds: 0, nanos: 0 }),
            last_failure_time: Some(Timestamp { seconds: 1, nanos: 500_000_000 }),
            topic: "task-events".to_owned(),
            offset: Some(9_007_199_254_740_993),
            headers: [("x-tenant".to_owned(), "7".to_owned())].into(),
            original: b"{}".to_vec(),
            actions: vec![Action {
                kind: Kind::Discard.into(),
                actor: "alice".to_owned(),
                reason: "never again".to_owned(),
                ..Action::default()
            }],
            ..v1::DeadLetter::default()
        }
    }

    #[test]
    fn no_letter_tells_the_terminal_what_to_do() {
        for text in [line(&letter()), page(&letter())] {
            assert!(text.contains("it\\n\\u{1b}[31mis red"), "{text}");
            assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
        }
        assert_eq!(line(&letter()).lines().count(), 1);
    }

    #[test]
    fn columns_stand_under_their_names() {
        let line = line(&v1::DeadLetter { reason: "REASON".to_owned(), ..letter() });
        assert_eq!(line.find("REASON"), HEAD.find("REASON"));
        assert_eq!(line.find("audit"), HEAD.find("HANDLER"));
        assert_eq!(line.find("1970-01-01T00:00:01.500Z"), HEAD.find("LAST FAILURE"));
    }

    #[test]
    fn a_program_gets_all_of_it() {
        let value = letter_json(&letter(), true);
        assert_eq!(value["offset"], 9_007_199_254_740_993_i64);
        assert_eq!(value["partition"], Value::Null);
        assert_eq!((&value["original"], &value["headers"]["x-tenant"]), (&json!("{}"), &json!("7")));
        assert_eq!(value["actions"][0]["kind"], "DISCARD");
        let binary = v1::DeadLetter { original: vec![0xff], ..letter() };
        let value = letter_json(&binary, true);
        assert_eq!((&value["original"], &value["original_base64"]), (&Value::Null, &json!("/w==")));
        assert_eq!(letter_json(&letter(), false)["original"], Value::Null);
    }
}
