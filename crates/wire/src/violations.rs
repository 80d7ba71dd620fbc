//! Collects everything that is wrong with a request, so that a caller can mend it in one go.

use std::fmt::Display;

/// One field that breaks a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// The field's path, as the client wrote it: `task.reminders[2].offset`.
    pub field: String,
    /// The rule, to be read after the field's name: `must have 1 to 500 characters`.
    pub description: String,
}

/// A request with fields that break rules: all of them, up to [`Violations::MAX`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", summary(.0))]
pub struct InvalidFields(pub Vec<Violation>);

/// The first violation and how many more there are: an answer carries them all as details, and its trailers must not grow
/// beyond what clients take.
fn summary(violations: &[Violation]) -> String {
    match violations {
        [] => "the request is invalid".to_owned(),
        [one] => format!("{} {}", one.field, one.description),
        [one, rest @ ..] => format!("{} {} (and {} more)", one.field, one.description, rest.len()),
    }
}

/// Gathers violations while a request is parsed.
#[derive(Debug, Default)]
pub struct Violations {
    found: Vec<Violation>,
}

impl Violations {
    /// The most violations that are told: they travel in trailers, which clients limit to a few kilobytes.
    pub const MAX: usize = 32;

    /// Notes a violation.
    pub fn add(&mut self, field: impl Into<String>, description: impl Display) {
        if self.found.len() < Self::MAX {
            self.found.push(Violation { field: field.into(), description: description.to_string() });
        }
    }

    /// Takes the value of a field, or notes what is wrong with it.
    pub fn check<T, E: Display>(&mut self, field: impl Into<String>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(field, error)).ok()
    }

    /// Answers `value` when nothing is wrong. A missing value without a violation can not be; should it be all the same,
    /// it is an error without details rather than a panic.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, InvalidFields> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => Err(InvalidFields(self.found)),
        }
    }
}
