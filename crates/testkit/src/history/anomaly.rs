//! What can be wrong with a run, by its name.

use std::fmt::{Display, Formatter, Result};

use uuid::Uuid;

/// A kind of anomaly; the names are Jepsen's where it has one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Name {
    /// A change was acknowledged, and is missing in the database, in the audit log, on the topic or for its owner.
    LostWrite,
    /// An event tells of what never happened, or of what was refused.
    Ghost,
    /// What may happen once happened twice.
    DuplicateEffect,
    /// Something old came after something newer.
    Nonmonotonic,
    /// Something between is missing.
    Gap,
    /// An event was published, and a consumer neither applied it nor gave it up.
    Unseen,
    /// A change took place in part, or differs from place to place.
    Half,
    /// A change took place, visibly so, and its repetition was refused.
    Forgotten,
    /// A consumer gave an event up, and applied it.
    Both,
    /// A consumer gave up an event that nobody had made to be given up.
    Buried,
    /// Somebody was shown what is another user's.
    Leak,
}

impl Name {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::LostWrite,
        Self::Ghost,
        Self::DuplicateEffect,
        Self::Nonmonotonic,
        Self::Gap,
        Self::Unseen,
        Self::Half,
        Self::Forgotten,
        Self::Both,
        Self::Buried,
        Self::Leak,
    ];

    /// Its name in a report.
    pub const fn text(self) -> &'static str {
        match self {
            Self::LostWrite => "lost-write",
            Self::Ghost => "ghost",
            Self::DuplicateEffect => "duplicate-effect",
            Self::Nonmonotonic => "nonmonotonic",
            Self::Gap => "gap",
            Self::Unseen => "unseen",
            Self::Half => "half",
            Self::Forgotten => "forgotten",
            Self::Both => "both",
            Self::Buried => "buried",
            Self::Leak => "leak",
        }
    }
}

/// What an anomaly concerns.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// A version of a task.
    Change {
        /// The task.
        task: Uuid,
        /// The version.
        version: i64,
    },
    /// A version of a task, at one consumer or on the topic.
    At {
        /// The consumer, or `topic`.
        place: String,
        /// The task.
        task: Uuid,
        /// The version.
        version: i64,
    },
    /// An event at one consumer.
    Event {
        /// The consumer.
        consumer: String,
        /// The event.
        event: Uuid,
    },
    /// An operation of a client's, by its request id.
    Request(Uuid),
    /// A task.
    Task(Uuid),
    /// An instant of a series.
    Instant {
        /// The series.
        series: Uuid,
        /// The instant.
        instant: i64,
    },
    /// A call, by its place in the history.
    Call(usize),
}

/// Something that is wrong with a run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Anomaly {
    /// What kind of thing.
    pub name: Name,
    /// What it concerns.
    pub subject: Subject,
    /// What was seen.
    pub detail: String,
}

impl Display for Name {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.write_str(self.text())
    }
}

impl Display for Subject {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        match self {
            Self::Change { task, version } => write!(formatter, "version {version} of task {task}"),
            Self::At { place, task, version } => {
                write!(formatter, "version {version} of task {task} at {place}")
            }
            Self::Event { consumer, event } => write!(formatter, "event {event} at {consumer}"),
            Self::Request(request) => write!(formatter, "request {request}"),
            Self::Task(task) => write!(formatter, "task {task}"),
            Self::Instant { series, instant } => write!(formatter, "instant {instant} of series {series}"),
            Self::Call(call) => write!(formatter, "call {call}"),
        }
    }
}

impl Display for Anomaly {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{}: {}: {}", self.name, self.subject, self.detail)
    }
}
