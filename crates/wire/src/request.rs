//! What each request asks for, once every field of it has been checked.

mod audit;
mod content;
mod dead_letter;
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
    Create, Gaps, List, Preview, PreviewSource, Transition, complete, create, delete, gaps, get, list,
    preview, reopen,
};
pub use update::{Patch, Update, update};

use crate::Violations;

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
