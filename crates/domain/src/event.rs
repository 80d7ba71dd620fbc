//! What happens and is told: the mutations of tasks, what becomes of reminders, and changed preferences.

use crate::Task;

/// What happened to a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EventKind {
    /// It was created.
    Created,
    /// Fields of it changed.
    Updated,
    /// It was completed.
    Completed,
    /// It was opened again.
    Reopened,
    /// It was deleted.
    Deleted,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Completed, Self::Reopened, Self::Deleted];

    /// The CloudEvents `type`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "com.todo.task.created",
            Self::Updated => "com.todo.task.updated",
            Self::Completed => "com.todo.task.completed",
            Self::Reopened => "com.todo.task.reopened",
            Self::Deleted => "com.todo.task.deleted",
        }
    }

    /// The kind with this CloudEvents `type`.
    pub fn from_event_type(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.event_type() == event_type)
    }
}

/// What happened to a reminder.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ReminderEventKind {
    /// Its moment has come.
    Due,
    /// It went out on at least one channel.
    Sent,
    /// No channel took it.
    Failed,
    /// It was found too late to be given.
    Missed,
}

impl ReminderEventKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Due, Self::Sent, Self::Failed, Self::Missed];

    /// The CloudEvents `type`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Due => "com.todo.reminder.due",
            Self::Sent => "com.todo.reminder.sent",
            Self::Failed => "com.todo.reminder.failed",
            Self::Missed => "com.todo.reminder.missed",
        }
    }

    /// The kind with this CloudEvents `type`.
    pub fn from_event_type(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.event_type() == event_type)
    }
}

/// The CloudEvents `type` of changed preferences.
pub const PREFERENCES_UPDATED: &str = "com.todo.preferences.updated";

/// What an event that was heard is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// A task.
    Task(EventKind),
    /// A reminder of a task.
    Reminder(ReminderEventKind),
    /// A user's preferences.
    Preferences,
}

impl Heard {
    /// The CloudEvents `type`.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Task(kind) => kind.event_type(),
            Self::Reminder(kind) => kind.event_type(),
            Self::Preferences => PREFERENCES_UPDATED,
        }
    }

    /// What an event with this CloudEvents `type` is about; `None` for one that nobody here publishes.
    pub fn from_event_type(event_type: &str) -> Option<Self> {
        let task = EventKind::from_event_type(event_type).map(Self::Task);
        task.or_else(|| ReminderEventKind::from_event_type(event_type).map(Self::Reminder))
            .or_else(|| (event_type == PREFERENCES_UPDATED).then_some(Self::Preferences))
    }
}

/// One mutation of one task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// What happened.
    pub kind: EventKind,
    /// The task before it; absent for a creation.
    pub before: Option<Task>,
    /// The task after it.
    pub after: Task,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_heard() {
        let tasks = EventKind::ALL.map(Heard::Task);
        let reminders = ReminderEventKind::ALL.map(Heard::Reminder);
        for heard in tasks.into_iter().chain(reminders).chain([Heard::Preferences]) {
            assert_eq!(Heard::from_event_type(heard.event_type()), Some(heard));
        }
        for strange in ["", "com.todo.task.painted", "com.todo.reminder.", "com.todo.preferences.Updated"] {
            assert_eq!(Heard::from_event_type(strange), None, "{strange:?}");
        }
    }
}
