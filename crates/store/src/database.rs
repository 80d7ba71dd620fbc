//! Opens the database, and brings its schema up to date.

use std::fmt;
use std::time::Duration;

use docket_migration::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use serde::{Deserialize, Serialize};

use crate::{Error, Statements, file};

/// Where the data is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:<path>` of the database file, or `sqlite::memory:` for a database that ends with the process. Credentials
    /// are not written out with the rest.
    #[serde(serialize_with = "file::serialize_without_credentials")]
    pub url: String,
    /// How many connections may read at once.
    pub read_connections: u32,
    /// How long a call waits for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: String::new(), read_connections: 4, acquire_timeout_ms: 5_000 }
    }
}

/// The database: connections for reading, and one for writing.
///
/// SQLite has one writer at a time, so writers queue for one connection in memory instead of failing on a busy file.
#[derive(Clone)]
pub struct Store {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    statements: Statements,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database; a file that does not exist is created, readable by its owner only.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        let statements = Statements::default();
        let Some(path) = file::path(&config.url)? else {
            // Every connection would have a database of its own, so one serves both.
            let only = connect(config, 1, &statements).await?;
            return Ok(Self { write: only.clone(), read: only, statements });
        };
        file::create(&path)?;
        let write = connect(config, 1, &statements).await?;
        let read = connect(config, config.read_connections, &statements).await?;
        Ok(Self { write, read, statements })
    }

    /// Counts what was sent to the database.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Applies the steps that are pending, all or the first `steps`.
    pub async fn migrate_up(&self, steps: Option<u32>) -> Result<(), Error> {
        Ok(Migrator::up(&self.write, steps).await?)
    }

    /// Takes back the newest `steps` steps.
    pub async fn migrate_down(&self, steps: u32) -> Result<(), Error> {
        Ok(Migrator::down(&self.write, Some(steps)).await?)
    }

    /// The steps by name, each with whether it is applied.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, Error> {
        let steps = Migrator::get_migration_with_status_read_only(&self.read).await?;
        let applied = |status| matches!(status, docket_migration::MigrationStatus::Applied);
        Ok(steps.iter().map(|step| (step.name().to_owned(), applied(step.status()))).collect())
    }

    /// Closes every connection; what is running is finished first.
    pub async fn close(self) -> Result<(), Error> {
        self.write.close_by_ref().await?;
        Ok(self.read.close_by_ref().await?)
    }
}

async fn connect(
    config: &Config,
    connections: u32,
    statements: &Statements,
) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(&config.url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
        .idle_timeout(None)
        .max_lifetime(None)
        // A ping per acquired connection would double the round trips.
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|options| {
            options
                .pragma("journal_mode", "WAL")
                // "OK" to a client means that the disk has it.
                .pragma("synchronous", "FULL")
                .pragma("foreign_keys", "ON")
                .busy_timeout(Duration::from_secs(5))
        });
    let mut connection = Database::connect(options)
        .await
        .map_err(|source| Error::Open { url: file::without_credentials(&config.url), source })?;
    let statements = statements.clone();
    connection.set_metric_callback(move |_| statements.add_one());
    Ok(connection)
}
