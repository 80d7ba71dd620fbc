//! The database schema, step by step, for SQLite and PostgreSQL alike.
#![doc = include_str!("../README.md")]

mod logins;
mod m20261121_000001_tasks;
mod m20261121_000002_events;
mod m20261121_000003_audit;
mod m20261122_000001_tasks_by_due_descending;
mod m20261122_000002_relays;
mod m20261123_000001_replays;
mod m20261123_000002_inbox_by_time;
mod m20261123_000003_published_events;
mod m20261123_000004_dead_letters;
mod m20261124_000001_reminders;
mod m20261124_000002_notification;
mod m20261124_000003_idempotency_keys;
mod roles;
mod schema;
mod steps;

pub use schema::Schema;
pub use steps::{State, Step, allow, down, status, up};

use sea_orm_migration::DbErr;

/// Why the schema is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do what it was asked to.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// A step could not be applied, or taken back.
    #[error("the step {step} of the schema failed")]
    Step {
        /// The step.
        step: String,
        /// Why.
        #[source]
        source: DbErr,
    },
    /// Roles are missing, and the login may not create them.
    #[error("the login may not create the roles that docket needs; let an administrator run: {sql}")]
    MissingRoles {
        /// What is to be run.
        sql: String,
    },
    /// Logins that are to serve are not there.
    #[error("there is no login {logins}; let an administrator run: {sql}")]
    UnknownLogins {
        /// Which ones.
        logins: String,
        /// What is to be run.
        sql: String,
    },
    /// Logins lack a right that the owner of the database may not give.
    #[error("the login may not give what others need to serve; let an administrator run: {sql}")]
    MayNotGrant {
        /// What is to be run.
        sql: String,
    },
    /// The newest steps are of a newer release.
    #[error("the schema has the step {step} of a newer release: take it back with that release")]
    Newer {
        /// The step.
        step: String,
    },
}

impl From<DbErr> for Error {
    fn from(source: DbErr) -> Self {
        Self::Database(source)
    }
}
