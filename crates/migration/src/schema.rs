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
}

impl Schema {
    /// Every schema.
    pub const ALL: [Self; 4] = [Self::Tasks, Self::Recurrence, Self::Audit, Self::DeadLetters];

    /// The name of the schema, which is the target's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Recurrence => "recurrence",
            Self::Audit => "audit",
            Self::DeadLetters => "deadletters",
        }
    }

    /// The role that may work with the tables, and only that: who serves the target does so as this role.
    pub const fn role(self) -> &'static str {
        match self {
            Self::Tasks => "docket_tasks",
            Self::Recurrence => "docket_recurrence",
            Self::Audit => "docket_audit",
            Self::DeadLetters => "docket_deadletters",
        }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
