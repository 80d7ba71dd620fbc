//! What can go wrong with the database.

use std::sync::Arc;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::lane::Lost;

/// A failure of the database, or of a row in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do what it was asked to.
    #[error("the database failed")]
    Database(#[source] DbErr),
    /// The database can not be opened.
    #[error("database.url: cannot open {url}")]
    Open {
        /// The database, without credentials.
        url: String,
        /// Why.
        #[source]
        source: DbErr,
    },
    /// The database has no role for the target.
    #[error("database.url: cannot open {url}: a role is missing; run `docket migrate up` first")]
    NoRole {
        /// The database, without credentials.
        url: String,
        /// Which one.
        #[source]
        source: DbErr,
    },
    /// The login may not take the role of the target.
    #[error(
        "database.url: cannot open {url}: the login must be a member of the role of each target it serves; `docket migrate up --grant LOGIN` sees to that"
    )]
    NotMember {
        /// The database, without credentials.
        url: String,
        /// Which one.
        #[source]
        source: DbErr,
    },
    /// The database's file can not be made.
    #[error("database.url: cannot create the file {path}")]
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
    #[error("database.url must start with sqlite: or postgres:// and not be {url}")]
    UnknownDatabase {
        /// The address, without credentials.
        url: String,
    },
    /// The schema lacks steps that this binary needs.
    #[error("the schema of the database lacks {steps}: run `docket migrate up` first")]
    Pending {
        /// The steps, with the schema of each where there are several.
        steps: String,
    },
    /// The schema is not what it should be, and can not be made so.
    #[error(transparent)]
    Migration(docket_migration::Error),
    /// A row holds what this binary can not have written.
    #[error("corrupt {what}: {detail}")]
    Corrupt {
        /// Which column or row.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Another transaction has written first what this one began from.
    #[error("another transaction was faster")]
    Overtaken,
    /// Too many calls wait for the database already; this one was not begun.
    #[error("too many calls wait for the database")]
    Busy,
    /// The work was given up, by a panic or by the end of the process; whether it took place is not known.
    #[error("the work for the database was interrupted")]
    Interrupted,
    /// A key that must be unique is taken.
    #[error("a row with this key exists")]
    Exists(#[source] DbErr),
}

impl Error {
    pub(crate) fn corrupt(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Corrupt { what, detail: detail.into() }
    }

    /// Why a connection could not be made, with what is to be done where that is known.
    pub(crate) fn open(url: String, source: DbErr) -> Self {
        let code = code_of(&source);
        match code.as_deref() {
            // invalid_parameter_value: at the start of a connection, the role that it asks for.
            Some("22023") => Self::NoRole { url, source },
            // insufficient_privilege
            Some("42501") => Self::NotMember { url, source },
            _ => Self::Open { url, source },
        }
    }

    /// Whether the same transaction may pass when it is tried again: serialization failures, deadlocks, a busy file, what
    /// was overtaken.
    pub fn is_conflict(&self) -> bool {
        let error = match self {
            Self::Overtaken => return true,
            Self::Database(error) => error,
            _ => return false,
        };
        // PostgreSQL: serialization_failure, deadlock_detected.
        // SQLite: BUSY, BUSY_RECOVERY, BUSY_SNAPSHOT, BUSY_TIMEOUT, LOCKED.
        matches!(code_of(error).as_deref(), Some("40001" | "40P01" | "5" | "261" | "517" | "773" | "6"))
    }

    /// Whether the server itself gave the statement up: lock_not_available, query_canceled. Then it was rolled back.
    pub(crate) fn is_timeout_of_server(&self) -> bool {
        let Self::Database(error) = self else { return false };
        matches!(code_of(error).as_deref(), Some("55P03" | "57014"))
    }

    /// Whether the database will not have what it was given, now or later: a text that is none, a number out of range, a key
    /// that is too long, a constraint that is broken. Those conflicts that are expected never get here, because statements
    /// pass over them or their callers know them.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::Exists(_) => true,
            // While it is connected to, these are about the connection.
            Self::Database(error @ (DbErr::Exec(_) | DbErr::Query(_))) => {
                code_of(error).is_some_and(|code| is_about_data(&code))
            }
            _ => false,
        }
    }

    /// Whether the database could not be reached in time, or was lost on the way, so that trying again later may do.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Busy | Self::Interrupted => true,
            Self::Database(error) => is_away(error),
            _ => false,
        }
    }
}

/// An error of the driver, where it was spoken to directly.
pub(crate) fn of_driver(error: sea_orm::sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

fn is_away(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error as Sqlx;
    if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) {
        return true;
    }
    let Some(cause) = cause(error) else { return false };
    if matches!(
        cause,
        Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed | Sqlx::WorkerCrashed
    ) {
        return true;
    }
    let Some(code) = code_of(error) else { return false };
    matches!(
        code.as_str(),
        // admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout.
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05"
        // idle_in_transaction_session_timeout, too_many_connections, read_only_sql_transaction (after a failover).
        | "25P03" | "53300" | "25006"
        // lock_not_available, query_canceled: the server's own timeouts.
        | "55P03" | "57014"
    ) || (code.len() == 5 && code.starts_with("08"))
}

/// Only SQLSTATEs have five characters.
fn is_about_data(code: &str) -> bool {
    if code.len() == 5 {
        // data_exception, integrity_constraint_violation; cardinality_violation, program_limit_exceeded.
        return code.starts_with("22") || code.starts_with("23") || matches!(code, "21000" | "54000");
    }
    // TOOBIG, CONSTRAINT, MISMATCH; what is above the first byte says which.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
}

fn cause(error: &DbErr) -> Option<&sea_orm::sqlx::Error> {
    match error {
        DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error))
        | DbErr::Conn(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// PostgreSQL's SQLSTATE, or SQLite's result code.
fn code_of(error: &DbErr) -> Option<String> {
    Some(cause(error)?.as_database_error()?.code()?.into_owned())
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Full => Self::Busy,
            Lost::Unknown => Self::Interrupted,
        }
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

impl From<docket_migration::Error> for Error {
    fn from(error: docket_migration::Error) -> Self {
        match error {
            docket_migration::Error::Database(error) => error.into(),
            error => Self::Migration(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::sync::Arc;

    use sea_orm::sqlx;
    use sea_orm::sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// What the server says, but for the words.
    #[derive(Debug, thiserror::Error)]
    #[error("refused")]
    struct Refusal(&'static str);

    impl DatabaseError for Refusal {
        fn message(&self) -> &str {
            "refused"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn what_is_wrong_with_the_data_is_told_from_everything_else() {
        let refused = |code| Arc::new(sqlx::Error::Database(Box::new(Refusal(code))));
        let query = |code| Error::from(DbErr::Query(RuntimeErr::SqlxError(refused(code))));
        // PostgreSQL's; then SQLite's.
        for code in ["22001", "22021", "22P05", "21000", "23502", "23514", "54000"] {
            assert!(query(code).is_refused(), "{code}");
        }
        for code in ["18", "19", "20", "275", "1299", "1811", "3091"] {
            assert!(query(code).is_refused(), "{code}");
        }
        for code in ["40001", "40P01", "55P03", "57014", "08006", "42501", "42P01", "53100", "25006", "XX000"]
        {
            assert!(!query(code).is_refused(), "{code}");
        }
        for code in ["1", "5", "6", "10", "11", "13", "517", "2314", ""] {
            assert!(!query(code).is_refused(), "{code}");
        }
        let role = Error::from(DbErr::Conn(RuntimeErr::SqlxError(refused("22023"))));
        assert!(!role.is_refused() && role.is_unavailable());
        assert!(!Error::Busy.is_refused() && !Error::Interrupted.is_refused());
    }

    #[test]
    fn what_may_pass_later_is_told_from_what_will_not() {
        let check = |error: sqlx::Error, conflict: bool, unavailable: bool| {
            let shown = format!("{error:?}");
            let source = DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)));
            let error = Error::from(source);
            assert_eq!((error.is_conflict(), error.is_unavailable()), (conflict, unavailable), "{shown}");
        };
        let refused = |code| sqlx::Error::Database(Box::new(Refusal(code)));
        for code in ["40001", "40P01", "5", "517"] {
            check(refused(code), true, false);
        }
        for code in ["57P01", "57P02", "57P03", "08006", "08P01", "53300", "25006", "55P03", "57014"] {
            check(refused(code), false, true);
        }
        for code in ["42501", "42P01", "22001", "08", "0"] {
            check(refused(code), false, false);
        }
        check(sqlx::Error::Io(std::io::ErrorKind::UnexpectedEof.into()), false, true);
        check(sqlx::Error::PoolTimedOut, false, true);
        check(sqlx::Error::Protocol("odd".to_owned()), false, false);
    }
}
