//! What the log of a Docket must not say, and what its errors must: read at the end of each one that a test has started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use serde_json::Value;

/// Shorter ones are found by accident: in an id, or in a word of the log's own.
const SHORTEST: usize = 8;

/// So much of a title is looked for: some are as long as they may be.
const LONGEST: usize = 48;

/// How many titles are kept: whoever logs titles does not log only the last ones.
const MOST: usize = 2_000;

/// How many bad lines are shown.
const SHOWN: usize = 5;

/// The titles of tasks that tests have made, in this process: the Docket that logs one may be another test's.
static TITLES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a title, or another text of a user's, that no log of a Docket may have which this process has started.
pub fn keep_secret(title: &str) {
    let title = &title[..title.floor_char_boundary(LONGEST)];
    if title.len() >= SHORTEST {
        known(|titles| {
            if titles.len() < MOST && !titles.contains(title) {
                titles.insert(title.to_owned());
            }
        });
    }
}

fn known<T>(with: impl FnOnce(&mut BTreeSet<String>) -> T) -> T {
    // A set is as good as before when somebody has panicked.
    with(&mut TITLES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Title,
    Token,
    Secret,
    Address,
    /// An error that nobody can tell where it belongs to.
    Nowhere,
}

/// Reads a log. The environment is that of the process: what of it is secret must not be repeated. What errors must say is asked
/// of the release under test alone.
///
/// # Panics
/// When a line is wrong; it is shown.
pub(crate) fn check(name: &str, log: &str, environment: &BTreeMap<String, String>, under_test: bool) {
    let titles: Vec<String> = known(|titles| titles.iter().cloned().collect());
    let mut wrong = faults(log, &titles, &secrets(environment));
    wrong.retain(|(fault, _)| under_test || *fault != Fault::Nowhere);
    let shown: Vec<String> =
        wrong.iter().take(SHOWN).map(|(fault, line)| format!("{fault:?}: {line}")).collect();
    assert!(wrong.is_empty(), "{} lines of the log of {name} are wrong:\n{}", wrong.len(), shown.join("\n"));
}

fn faults<'a>(log: &'a str, titles: &[String], secrets: &[String]) -> Vec<(Fault, &'a str)> {
    // Tests make thousands of titles, and read few lines: what is soon built counts, not what is soon searched.
    let mut finder = AhoCorasick::builder();
    finder.kind(Some(AhoCorasickKind::NoncontiguousNFA));
    let [titles, secrets] =
        [titles, secrets].map(|words| finder.build(words).expect("they are words of tests"));
    let mut faults = Vec::new();
    for line in log.lines() {
        let checks = [
            (titles.is_match(line), Fault::Title),
            (has_token(line), Fault::Token),
            (secrets.is_match(line), Fault::Secret),
            (has_address(line), Fault::Address),
            (is_error(line) && !belongs_somewhere(line), Fault::Nowhere),
        ];
        faults.extend(checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, fault)| (fault, line)));
    }
    faults
}

/// The variables whose values nobody may see, and the password of the database.
fn secrets(environment: &BTreeMap<String, String>) -> Vec<String> {
    let secret = |name: &str| ["TOKEN", "SECRET", "PASSWORD"].iter().any(|end| name.ends_with(end));
    let mut secrets: Vec<String> =
        environment.iter().filter(|(name, _)| secret(name)).map(|(_, value)| value.clone()).collect();
    let url = environment.get("DOCKET_DATABASE__URL").and_then(|url| url.split_once("://"));
    let login = url.and_then(|(_, rest)| rest.rsplit_once('@')).and_then(|(login, _)| login.split_once(':'));
    secrets.extend(login.map(|(_, password)| password.to_owned()));
    secrets.retain(|secret| secret.len() >= SHORTEST);
    secrets
}

/// A JSON Web Token, or whatever follows `Bearer`.
fn has_token(line: &str) -> bool {
    let long = |text: &str| text.bytes().take_while(|byte| is_of_token(*byte)).count() >= 16;
    let jwt = line.match_indices("eyJ").any(|(at, _)| long(&line[at..]));
    let lower = line.to_ascii_lowercase();
    jwt || lower.match_indices("bearer ").any(|(at, found)| long(&line[at + found.len()..]))
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// `somebody@host.domain`.
fn has_address(line: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    line.match_indices('@').any(|(at, _)| {
        let before = line[..at].bytes().next_back().is_some_and(is_name);
        let host: String = line[at + 1..].chars().take_while(|c| c.is_ascii() && is_name(*c as u8)).collect();
        let host = host.trim_end_matches('.');
        let top = host.rsplit_once('.').map(|(_, top)| top);
        before && top.is_some_and(|top| top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic()))
    })
}

fn json(line: &str) -> Option<Value> {
    line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten()
}

fn is_error(line: &str) -> bool {
    match json(line) {
        Some(line) => line["level"] == "ERROR",
        // The time, then the level.
        None => line.split_ascii_whitespace().nth(1) == Some("ERROR"),
    }
}

/// Whether it says which trace it is of, or which part of the process.
fn belongs_somewhere(line: &str) -> bool {
    match json(line) {
        Some(line) => {
            let spans = line["spans"].as_array();
            let task = spans.is_some_and(|spans| spans.iter().any(|span| span["task"].is_string()));
            task || line["trace_id"].is_string()
        }
        None => line.contains("trace_id=") || line.contains("task="),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_must_not_say_is_found() {
        let environment = [
            ("APP_API_TOKEN", "0123456789abcdef"),
            ("DOCKET_DATABASE__URL", "postgres://docket:open-sesame@127.0.0.1/d"),
            ("DOCKET_LOG", "information"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (titles, secrets) = (["Call the landlord".to_owned()], secrets(&environment));
        let check = |line: &str, expect: &[Fault]| {
            let found: Vec<Fault> = faults(line, &titles, &secrets).iter().map(|(fault, _)| *fault).collect();
            assert_eq!(found, expect, "{line}");
        };
        let info = |text: &str| format!("2026-11-21T12:00:00.000001Z  INFO docket_server: {text}");
        check(&info("docket is ready"), &[]);
        check(&info("bearer of bad news"), &[]);
        check(&info("the task \"Call the landlord\" is late"), &[Fault::Title]);
        check(&info("token eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.x"), &[Fault::Token]);
        check(&info("authorization: Bearer 0a1b2c3d4e5f6a7b8"), &[Fault::Token]);
        check(&info("no eye for eyJ"), &[]);
        check(&info("dapr-api-token 0123456789abcdef"), &[Fault::Secret]);
        check(&info("postgres://docket:open-sesame@127.0.0.1/d"), &[Fault::Secret]);
        check(&info("information"), &[]);
        check(&info("sent to alice@docket.test"), &[Fault::Address]);
        check(&info("mailto:alice+b@mail.example.com."), &[Fault::Address]);
        check(&info("docket@127.0.0.1, dapr@v1.18.3, @every 5m, a@b"), &[]);
    }

    #[test]
    fn an_error_says_where_it_belongs() {
        let check = |line: &str, expect: &[Fault]| {
            let found: Vec<Fault> = faults(line, &[], &[]).iter().map(|(fault, _)| *fault).collect();
            assert_eq!(found, expect, "{line}");
        };
        check("2026-11-21T12:00:00Z ERROR docket_outbox: lost", &[Fault::Nowhere]);
        check("2026-11-21T12:00:00Z ERROR background{task=\"relay\"}: docket_outbox: lost", &[]);
        check("2026-11-21T12:00:00Z ERROR rpc{trace_id=\"4bf9\"}: docket_rpc: call failed", &[]);
        check("2026-11-21T12:00:00Z  WARN docket_outbox: an ERROR", &[]);
        check(r#"{"level":"ERROR","message":"lost"}"#, &[Fault::Nowhere]);
        check(r#"{"level":"ERROR","message":"task= trace_id="}"#, &[Fault::Nowhere]);
        check(r#"{"level":"ERROR","message":"lost","trace_id":"4bf9"}"#, &[]);
        check(r#"{"level":"ERROR","spans":[{"name":"background","task":"relay"}]}"#, &[]);
        check("docket: cannot start", &[]);
    }

    #[test]
    fn titles_of_tasks_are_kept_secret() {
        crate::once("A title that nobody has logged yet");
        crate::once("short");
        assert!(known(|titles| titles.contains("A title that nobody has logged yet")));
        assert!(!known(|titles| titles.contains("short")));
    }
}
