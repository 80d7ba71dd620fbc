//! Connections to PostgreSQL: which role they have, how long they may wait, and how a broken one is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use docket_migration::Schema;
use sea_orm::sqlx::pool::PoolConnectionMetadata;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::sqlx::{self, ConnectOptions as _, Connection as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};

use crate::address::without_credentials;
use crate::error::of_driver;
use crate::{Config, Error, Statements};

/// No statement of ours takes this long. One that does is given up by the server, so that no call outlives its caller
/// by much.
const STATEMENT_TIMEOUT: &str = "15s";

/// How long a statement waits for a row that another transaction has; more than it takes to find a deadlock.
const LOCK_TIMEOUT: &str = "5s";

/// A process that is stopped in the middle of a transaction must not keep its locks for ever.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "15s";

/// Connections beyond the first are closed when nobody has needed them for so long.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// Connections are made anew after so long, so that they follow a database that moved behind its name.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A connection that has rested for so long is asked whether it is still there. A busy one is not: that would double the
/// round trips.
const RESTED: Duration = Duration::from_secs(1);

/// How long such an answer may take before the connection counts as broken.
const ANSWER: Duration = Duration::from_secs(2);

/// How long connections are closed that come back after a BEGIN was given up, in milliseconds: longer than the way back
/// takes.
const CONDEMNED: u64 = 5_000;

/// How many statements each connection keeps prepared: more than there are.
const PREPARED: usize = 512;

/// Remembers when a connection last broke. Whichever has rested since before then is asked before it is used: when the
/// server restarts, those find out whose calls were under way, and not one more for each connection of the pool.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    start: Instant,
    /// Milliseconds after `start`; 0 for never.
    broken: Arc<AtomicU64>,
    /// Until when connections are closed that come back, in milliseconds after `start`.
    condemned: Arc<AtomicU64>,
}

impl Default for Suspicion {
    fn default() -> Self {
        Self { start: Instant::now(), broken: Arc::default(), condemned: Arc::default() }
    }
}

impl Suspicion {
    /// One broke just now.
    pub(crate) fn raise(&self) {
        self.broken.fetch_max(self.now().saturating_add(1), Ordering::Relaxed);
    }

    /// A connection is about to come back on which a transaction may begin at any moment, and nobody can tell which it is.
    pub(crate) fn condemn(&self) {
        self.condemned.fetch_max(self.now().saturating_add(CONDEMNED), Ordering::Relaxed);
    }

    /// Whether what comes back now is closed.
    fn condemns(&self) -> bool {
        self.now() < self.condemned.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a connection must be asked that has rested for so long.
    fn is_about(&self, rested: Duration) -> bool {
        let resting_since = self.start.elapsed().saturating_sub(rested);
        let broken = self.broken.load(Ordering::Relaxed);
        rested >= RESTED || resting_since.as_millis() < u128::from(broken)
    }
}

/// The most connections of the tasks' relay: as many as it has calls to the sidecar under way by default, and one.
const RELAYING: u32 = 5;

/// What connections are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    /// Statements about one thing, which is what callers wait for: what they cost to plan counts.
    Calls,
    /// Statements about hundreds of things at once. A plan that was kept is of the moment when it was made, and a table that
    /// was empty then is read as a whole ever after: with thousands of events in an outbox, once for each of them.
    Batches,
}

impl Use {
    /// What the target of a schema mostly does.
    pub(crate) fn of(schema: Schema) -> Self {
        if schema == Schema::Tasks { Self::Calls } else { Self::Batches }
    }

    /// `plan_cache_mode`.
    fn plans(self) -> &'static str {
        match self {
            Self::Calls => "auto",
            Self::Batches => "force_custom_plan",
        }
    }
}

/// Connects the relay of a schema: with the connections of its target, or some of its own where those are for something
/// else.
pub(crate) async fn connect_relay(
    url: &str,
    config: &Config,
    schema: Schema,
    target: &DatabaseConnection,
    statements: &Statements,
    suspicion: &Suspicion,
) -> Result<DatabaseConnection, Error> {
    if Use::of(schema) == Use::Batches {
        return Ok(target.clone());
    }
    let config = Config { max_connections: config.max_connections.min(RELAYING), ..config.clone() };
    connect(url, &config, (schema, Use::Batches), false, statements, suspicion).await
}

/// Connects as the role of the schema; at once, or when somebody first needs it.
pub(crate) async fn connect(
    url: &str,
    config: &Config,
    (schema, usage): (Schema, Use),
    at_once: bool,
    statements: &Statements,
    suspicion: &Suspicion,
) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(url);
    let suspicion = suspicion.clone();
    let (asked, told) = (suspicion.clone(), suspicion.clone());
    options
        .max_connections(config.max_connections)
        .min_connections(u32::from(at_once))
        .connect_lazy(!at_once)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |options| as_role(options, schema, usage))
        .map_sqlx_postgres_before_acquire(move |connection, PoolConnectionMetadata { idle_for, .. }| {
            let ask = asked.is_about(idle_for);
            Box::pin(async move {
                if ask {
                    soon(connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .map_sqlx_postgres_pool_opts(move |options| {
            let suspicion = suspicion.clone();
            options.after_release(move |connection, _| {
                let suspicion = suspicion.clone();
                Box::pin(async move {
                    // A call that was given up, or whose connection broke, has left an answer under way. It is waited for,
                    // but not for ever: where the network swallows everything, the connection would keep its place in
                    // the pool. Else this sends nothing.
                    let usable = !suspicion.condemns() && soon(connection.flush()).await.is_ok();
                    if !usable {
                        suspicion.raise();
                    }
                    Ok(usable)
                })
            })
        });
    let mut connection = open(url, options).await?;
    let statements = statements.clone();
    connection.set_metric_callback(move |info| {
        statements.add(Some(schema), &info.statement.sql);
        // Before the caller knows, who may be back sooner than the connection. That most failures are of another kind costs
        // a question to each connection that rests.
        if info.failed {
            told.raise();
        }
    });
    Ok(connection)
}

async fn open(url: &str, options: ConnectOptions) -> Result<DatabaseConnection, Error> {
    match Database::connect(options).await {
        Ok(connection) => Ok(connection),
        Err(source) => Err(Error::open(without_credentials(url), reason(url, source).await)),
    }
}

/// Why there is no connection. A pool goes on trying, and in the end only says that it had none in time: then one attempt alone
/// is made, which says more.
async fn reason(url: &str, source: DbErr) -> DbErr {
    let DbErr::Conn(RuntimeErr::SqlxError(error)) = &source else { return source };
    let (sqlx::Error::PoolTimedOut, Ok(alone)) = (error.as_ref(), url.parse::<PgConnectOptions>()) else {
        return source;
    };
    match tokio::time::timeout(ANSWER, alone.connect()).await {
        Ok(Err(error)) => of_driver(error),
        // It is there by now, or does not answer at all.
        Ok(Ok(_)) | Err(_) => source,
    }
}

/// Connects as the login itself, to change the schema: one connection for the lock, and one for the work.
pub(crate) async fn connect_as_owner(
    url: &str,
    config: &Config,
    statements: &Statements,
) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(2)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| options.application_name("docket-migrate"));
    let mut connection = open(url, options).await?;
    let statements = statements.clone();
    connection.set_metric_callback(move |info| statements.add(None, &info.statement.sql));
    Ok(connection)
}

fn as_role(options: PgConnectOptions, schema: Schema, usage: Use) -> PgConnectOptions {
    options
        .application_name(&format!("docket-{schema}"))
        .statement_cache_capacity(PREPARED)
        // With the connection, not by a statement after it: then there is no moment without them.
        .options([
            ("role", schema.role()),
            ("search_path", schema.name()),
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT),
            ("plan_cache_mode", usage.plans()),
        ])
}

async fn soon(answer: impl Future<Output = Result<(), sqlx::Error>>) -> Result<(), sqlx::Error> {
    let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(ANSWER, answer).await.unwrap_or_else(|_| Err(late()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rested_through_a_failure_is_suspect() {
        let suspicion = Suspicion { start: Instant::now() - Duration::from_secs(60), ..Suspicion::default() };
        let short = Duration::from_millis(100);
        assert!(!suspicion.is_about(short), "nothing has failed");
        assert!(suspicion.is_about(RESTED), "it has rested for long");
        suspicion.raise();
        assert!(suspicion.is_about(short), "it rested when something failed");
        assert!(suspicion.is_about(Duration::ZERO), "it may have failed in the same moment");
        assert!(!suspicion.condemns());
        suspicion.condemn();
        assert!(suspicion.condemns(), "a transaction may be open on it");
        let later = Suspicion { start: suspicion.start - Duration::from_secs(10), ..suspicion };
        assert!(!later.is_about(short), "it was used after that");
    }
}
