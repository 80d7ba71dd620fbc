//! What each request asks for, once every field of it has been checked.

mod audit;
mod content;
mod dead_letter;
pub mod notification;
mod preferences;
pub mod reminder;
mod task;
mod update;

use std::fmt::Display;
use std::str::FromStr;

pub use audit::{ListEntries, list_entries};
pub use dead_letter::{
    DiscardLetters, Letters, LettersFilter, ListLetters, MAX_LETTERS, ReplayLetters, discard_letters,
    get_letter, list_letters, replay_letters,
};
pub use task::{
    Create, Gaps, List, Preview, PreviewSource, Transition, check, complete, create, delete, gaps, get, list,
    preview, reopen,
};
pub use update::{Patch, Update, update};

use docket_domain::Instant;
use docket_domain::content::Invalid;
use pbjson_types::Timestamp;

use crate::{InvalidFields, Violations, value};

/// The most things that one question of a service names.
pub const MAX_CHECKED: usize = 500;

/// How many results a page has: `wanted`, or `default` for 0, and never more than `most` (AIP-158).
fn page_size(wanted: i32, default: u32, most: u32, violations: &mut Violations) -> Option<u32> {
    match u32::try_from(wanted) {
        Ok(0) => Some(default),
        Ok(size) => Some(size.min(most)),
        Err(_) => {
            violations.add("page_size", "must not be negative");
            None
        }
    }
}

/// Reads states, each once; unspecified is none.
fn states<S: PartialEq>(
    numbers: &[i32],
    read: impl Fn(i32) -> Result<Option<S>, Invalid>,
    violations: &mut Violations,
) -> Vec<S> {
    let mut states = Vec::new();
    for (i, number) in numbers.iter().enumerate() {
        let state = violations.check(format!("states[{i}]"), read(*number).and_then(value::some));
        states.extend(state.filter(|state| !states.contains(state)));
    }
    states
}

/// Reads a stretch of time of which both ends may be open.
fn period(
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    violations: &mut Violations,
) -> (Option<Instant>, Option<Instant>) {
    let start = start.and_then(|time| violations.check("start_time", value::instant(time)));
    let end = end.and_then(|time| violations.check("end_time", value::instant(time)));
    if start.zip(end).is_some_and(|(start, end)| start >= end) {
        violations.add("end_time", "must be later than start_time");
    }
    (start, end)
}

/// Parses a text that must be there.
fn required<T>(field: &str, text: &str, violations: &mut Violations) -> Option<T>
where
    T: FromStr<Err: Display>,
{
    if text.is_empty() {
        violations.add(field, "is required");
        return None;
    }
    violations.check(field, text.parse())
}

/// Parses a text that may be absent, which proto3 says with an empty one.
fn optional<T>(field: &str, text: &str, violations: &mut Violations) -> Option<Option<T>>
where
    T: FromStr<Err: Display>,
{
    if text.is_empty() { Some(None) } else { violations.check(field, text.parse()).map(Some) }
}

/// A text that may be absent and has no form of its own.
fn opaque(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Parses the names of what a service asks about: each once, in the order of the question.
fn named<T>(field: &str, texts: &[String]) -> Result<Vec<T>, InvalidFields>
where
    T: FromStr<Err: Display> + PartialEq,
{
    let mut violations = Violations::default();
    let v = &mut violations;
    if !(1..=MAX_CHECKED).contains(&texts.len()) {
        v.add(field, format_args!("must have 1 to {MAX_CHECKED} entries"));
        return violations.into_result(None);
    }
    let mut names: Vec<T> = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let name = required(&format!("{field}[{i}]"), text, v);
        names.extend(name.filter(|name| !names.contains(name)));
    }
    violations.into_result(Some(names))
}
