//! What commands write: lines for people, JSON for programs.

use std::borrow::Cow;
use std::io::Write as _;

use anyhow::Context as _;
use pbjson_types::Timestamp;
use serde_json::Value;

use crate::args::Format;

/// A part of the answer, on standard output.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

/// What is about the answer, and no part of it.
pub(crate) fn note(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stderr(), "{line}").context("cannot write to standard error")
}

/// A thing as it was asked for.
pub(crate) fn look(format: Format, text: impl FnOnce() -> String, json: impl FnOnce() -> Value) -> String {
    match format {
        Format::Text => text(),
        Format::Json => json().to_string(),
    }
}

/// A text that somebody else wrote, on one line and without what a terminal would obey.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let shown = |letter: char| -> Cow<'static, str> {
        if letter.is_control() {
            letter.escape_default().to_string().into()
        } else {
            letter.to_string().into()
        }
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// An instant in RFC 3339, to the millisecond; empty when there is none.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    let time =
        time.and_then(|time| chrono::DateTime::from_timestamp(time.seconds, time.nanos.cast_unsigned()));
    time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)).unwrap_or_default()
}
