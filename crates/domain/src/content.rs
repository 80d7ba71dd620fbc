//! What a user says about a task: the fields that `CreateTask` and `UpdateTask` take.

use std::time::Duration;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::{Instant, Recurrence};

/// A value that breaks a rule; the text says the rule and follows the field's name in a sentence.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// What is to be done: 1 to 500 characters, none of them a control character, not blank.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Title(String);

impl Title {
    /// The most characters of a title.
    pub const MAX_CHARS: usize = 500;

    /// Checks a title; white space around it is dropped.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > Self::MAX_CHARS {
            return Err(Invalid(format!("must have 1 to {} characters", Self::MAX_CHARS)));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid("must not contain control characters".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// More about it: at most 16,384 bytes, no control characters but tab and line breaks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Description(String);

impl Description {
    /// The most bytes of a description.
    pub const MAX_BYTES: usize = 16_384;

    /// Checks a description.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_BYTES {
            return Err(Invalid(format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(Invalid(
                "must not contain control characters other than tab and line breaks".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How much a task matters.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Priority {
    /// May wait.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before the others.
    High,
    /// Now.
    Urgent,
}

/// Labels in alphabetical order, without duplicates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tags(Vec<String>);

impl Tags {
    /// The most labels of a task.
    pub const MAX_COUNT: usize = 32;
    /// The most characters of a label.
    pub const MAX_CHARS: usize = 64;

    /// Checks one label.
    pub fn parse_one(text: &str) -> Result<String, Invalid> {
        let text = text.trim();
        let length = text.chars().count();
        if length == 0 || length > Self::MAX_CHARS {
            return Err(Invalid(format!("must have 1 to {} characters", Self::MAX_CHARS)));
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid("must not contain control characters".to_owned()));
        }
        Ok(text.to_owned())
    }

    /// Collects labels that [`Tags::parse_one`] let pass.
    pub fn collect(mut tags: Vec<String>) -> Result<Self, Invalid> {
        if tags.len() > Self::MAX_COUNT {
            return Err(Invalid(format!("must have at most {} entries", Self::MAX_COUNT)));
        }
        tags.sort();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Invalid("must not contain duplicates".to_owned()));
        }
        Ok(Self(tags))
    }

    /// The labels.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// When a task is due.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Due {
    /// At an instant.
    At(Instant),
    /// On a calendar day of the task's zone.
    On(NaiveDate),
}

impl Due {
    /// The instant at which the due time comes: for a day its first instant in `zone`.
    pub fn instant(self, zone: Tz) -> Instant {
        match self {
            Self::At(instant) => instant,
            Self::On(day) => crate::series::start_of_day(day, zone),
        }
    }
}

/// A way to reach the owner.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Channel {
    /// An electronic mail.
    Email,
    /// A push message.
    Push,
    /// A signed HTTP request.
    Webhook,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 3] = [Self::Email, Self::Push, Self::Webhook];

    /// Its name as stored: `EMAIL`, `PUSH` or `WEBHOOK`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Push => "PUSH",
            Self::Webhook => "WEBHOOK",
        }
    }

    /// The channel with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }
}

/// The moment of a reminder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// So long before the task is due: whole seconds, at most [`Reminder::MAX_OFFSET`].
    Before(Duration),
    /// At an instant.
    At(Instant),
}

/// One moment at which the owner is told of a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reminder {
    /// The moment.
    pub moment: Moment,
    /// The ways to use; empty for those that the owner prefers.
    pub channels: Vec<Channel>,
}

impl Reminder {
    /// The most reminders of a task.
    pub const MAX_COUNT: usize = 10;
    /// The longest time before.
    pub const MAX_OFFSET: Duration = Duration::from_secs(366 * 86_400);
    /// What a task with a due time gets when it names no reminder.
    pub const DEFAULT_OFFSET: Duration = Duration::from_secs(30 * 60);
}

/// What a user says about a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Content {
    /// What is to be done.
    pub title: Title,
    /// More about it.
    pub description: Description,
    /// How much it matters.
    pub priority: Priority,
    /// Labels.
    pub tags: Tags,
    /// When it is due.
    pub due: Option<Due>,
    /// The zone of its wall clock.
    pub time_zone: Tz,
    /// How it repeats.
    pub recurrence: Option<Recurrence>,
    /// When to tell the owner.
    pub reminders: Vec<Reminder>,
}

impl Content {
    /// The content of a new task: one that is due at an instant and names no reminder gets one.
    pub fn with_default_reminder(mut self) -> Self {
        if let (Some(Due::At(_)), true) = (self.due, self.reminders.is_empty()) {
            let moment = Moment::Before(Reminder::DEFAULT_OFFSET);
            self.reminders.push(Reminder { moment, channels: Vec::new() });
        }
        self
    }

    /// The rules that concern several fields at once, as (field path, rule); empty when all hold.
    pub fn contradictions(&self) -> Vec<(&'static str, Invalid)> {
        let mut found = Vec::new();
        if self.recurrence.is_some() && self.due.is_none() {
            found.push(("recurrence", Invalid("needs due_time or due_date".to_owned())));
        }
        if let (Some(recurrence), Some(due)) = (&self.recurrence, self.due)
            && recurrence.ends_before(due.instant(self.time_zone))
        {
            found.push(("recurrence.until", Invalid("must not be before the task is due".to_owned())));
        }
        let relative = self.reminders.iter().any(|reminder| matches!(reminder.moment, Moment::Before(_)));
        if relative && self.due.is_none() {
            found.push(("reminders", Invalid("with an offset need due_time or due_date".to_owned())));
        }
        found
    }

    /// Whether the two plan the same instants: same due time, zone and rule.
    pub fn same_plan(&self, other: &Self) -> bool {
        self.due == other.due && self.time_zone == other.time_zone && self.recurrence == other.recurrence
    }
}
