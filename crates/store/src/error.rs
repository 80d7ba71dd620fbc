//! What can go wrong with the database.

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// A failure of the database, or of a row in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do what it was asked to.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// The database can not be opened.
    #[error("cannot open the database {url}")]
    Open {
        /// The database, without credentials.
        url: String,
        /// Why.
        #[source]
        source: DbErr,
    },
    /// The database's file can not be made.
    #[error("cannot create the database file {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process works with the database.
    #[error("the database {path} is in use by another process of docket")]
    Locked {
        /// The database's file.
        path: String,
    },
    /// The address is of no kind that is known.
    #[error("database.url must start with sqlite: {url}")]
    UnknownDatabase {
        /// The address, without credentials.
        url: String,
    },
    /// A row holds what this binary can not have written.
    #[error("corrupt {what}: {detail}")]
    Corrupt {
        /// Which column or row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A key that must be unique is taken.
    #[error("a row with this key exists")]
    Exists(#[source] DbErr),
}

impl Error {
    pub(crate) fn corrupt(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Corrupt { what, detail: detail.into() }
    }

    /// Whether the same transaction may pass when it is tried again: serialization failures, deadlocks, a busy file.
    pub fn is_conflict(&self) -> bool {
        let Self::Database(
            DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)),
        ) = self
        else {
            return false;
        };
        let code = error.as_database_error().and_then(|error| error.code());
        // PostgreSQL: serialization_failure, deadlock_detected.
        // SQLite: BUSY, BUSY_RECOVERY, BUSY_SNAPSHOT, BUSY_TIMEOUT, LOCKED.
        matches!(code.as_deref(), Some("40001" | "40P01" | "5" | "261" | "517" | "773" | "6"))
    }

    /// Whether the database could not be reached in time, so that trying again later may do.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Database(DbErr::ConnectionAcquire(_) | DbErr::Conn(_)))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Exists(error),
            _ => Self::Database(error),
        }
    }
}
