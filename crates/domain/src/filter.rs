//! Which tasks a listing answers, and in which order: what is left of a filter once its text is understood.

use crate::Instant;
use crate::content::Priority;

/// Conditions that all must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter(pub Vec<Condition>);

/// One condition on a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// It is (`true`) or is not (`false`) in this state.
    State(bool, StateName),
    /// Its priority is one of these.
    Priority(Vec<Priority>),
    /// It has this tag.
    Tag(String),
    /// It is due before this instant.
    DueBefore(Instant),
    /// It is due at this instant or later.
    DueFrom(Instant),
    /// Its title or its description contains this text, letter case ignored.
    Text(String),
}

/// A state without what belongs to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StateName {
    /// Still to be done.
    Open,
    /// Done.
    Completed,
}

/// What a listing is sorted by.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OrderField {
    /// When tasks were created.
    #[default]
    CreateTime,
    /// When tasks last changed.
    UpdateTime,
    /// When tasks are due; those that never are come last.
    Due,
    /// How much tasks matter.
    Priority,
}

/// How a listing is sorted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Order {
    /// By what.
    pub field: OrderField,
    /// The largest first.
    pub descending: bool,
}
