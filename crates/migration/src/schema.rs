//! The part of the database that one target owns.

use std::fmt;

/// A target's own tables. On PostgreSQL a schema of that name with a role of its own; on SQLite all are one file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Schema {
    /// Of the target `tasks`.
    Tasks,
    /// Of the target `recurrence`.
    Recurrence,
    /// Of the target `audit`.
    Audit,
    /// Of the target `deadletters`.
    DeadLetters,
    /// Of the target `reminders`.
    Reminders,
    /// Of the target `notification`.
    Notification,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Self; 6] =
        [Self::Tasks, Self::Recurrence, Self::Audit, Self::DeadLetters, Self::Reminders, Self::Notification];

    /// The name of the schema, which is the target's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Recurrence => "recurrence",
            Self::Audit => "audit",
            Self::DeadLetters => "deadletters",
            Self::Reminders => "reminders",
            Self::Notification => "notification",
        }
    }

    /// The role that may work with the tables, and only that: who serves the target does so as this role.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Tasks => "docket_tasks",
            Self::Recurrence => "docket_recurrence",
            Self::Audit => "docket_audit",
            Self::DeadLetters => "docket_deadletters",
            Self::Reminders => "docket_reminders",
            Self::Notification => "docket_notification",
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
