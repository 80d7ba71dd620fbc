//! Opens the database: one store for each target's schema, or one that all share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use docket_migration::{Schema, State, Step};
use docket_telemetry::instruments::Meter;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbBackend};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::address::{self, Address};
use crate::create::{self, Creating};
use crate::get::{self, Getting};
use crate::metrics::{self, Metrics, Pool, Pools};
use crate::outbox::Changes;
use crate::postgres::{self, Suspicion};
use crate::{Error, Statements, file};

/// Where the data is.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `sqlite:<path>` of the database file, `sqlite::memory:` for a database that ends with the process, or
    /// `postgres://<user>@<host>/<database>`, whose password may as well come from `PGPASSWORD` or `PGPASSFILE`.
    /// Credentials are not written out with the rest.
    #[serde(serialize_with = "address::serialize_without_credentials")]
    pub url: String,
    /// SQLite: how many connections may read at once.
    pub read_connections: u32,
    /// PostgreSQL: how many connections each target may have.
    pub max_connections: u32,
    /// How long a call waits for a connection, in milliseconds.
    pub acquire_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { url: String::new(), read_connections: 4, max_connections: 8, acquire_timeout_ms: 5_000 }
    }
}

/// What a target keeps: connections for reading, and for writing.
///
/// SQLite has one writer at a time, so writers queue for one connection in memory instead of failing on a busy file. On
/// PostgreSQL both are the same connections, whose role sees the target's own tables and no others.
#[derive(Clone)]
pub struct Store {
    pub(crate) write: DatabaseConnection,
    pub(crate) read: DatabaseConnection,
    /// What carries events out of the outbox, on PostgreSQL.
    pub(crate) relay: DatabaseConnection,
    pub(crate) creating: Arc<Creating>,
    /// Only where a statement costs a round trip.
    pub(crate) getting: Option<Arc<Getting>>,
    /// On PostgreSQL shared with the connections.
    pub(crate) suspicion: Suspicion,
    /// What wakes the relay.
    pub(crate) outbox: Arc<Changes>,
    /// What wakes whoever makes alarms.
    pub(crate) reminders: Arc<Notify>,
    /// What wakes whoever sends messages.
    pub(crate) deliveries: Arc<Notify>,
    /// Whose it is; none on SQLite, where all targets share it.
    pub(crate) schema: Option<Schema>,
    statements: Statements,
    pub(crate) metrics: Metrics,
    /// Kept for those who count connections.
    pools: Pools,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    fn new(write: DatabaseConnection, read: DatabaseConnection, statements: &Statements) -> Self {
        let creating = Arc::new(create::lane(write.clone(), statements.clone()));
        let apart = read.get_database_backend() == DbBackend::Postgres;
        let getting = apart.then(|| Arc::new(get::lane(read.clone())));
        Self {
            relay: write.clone(),
            write,
            read,
            creating,
            getting,
            suspicion: Suspicion::default(),
            outbox: Arc::default(),
            reminders: Arc::default(),
            deliveries: Arc::default(),
            schema: None,
            statements: statements.clone(),
            metrics: Metrics::new(&docket_telemetry::no_meter()),
            pools: Pools::default(),
        }
    }

    /// Whether both are the same: the targets that share a file share a store.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.outbox, &other.outbox)
    }

    /// The schema that it works with; `all` where all targets share one.
    pub fn name(&self) -> &'static str {
        self.schema.map_or("all", Schema::name)
    }

    /// Counts what was sent to the database, by whichever store of the process.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Closes its connections, which are also those of its clones; what is running is finished first.
    pub async fn close(self) -> Result<(), Error> {
        self.write.close_by_ref().await?;
        self.relay.close_by_ref().await?;
        Ok(self.read.close_by_ref().await?)
    }
}

/// The database, with a store for each target.
#[derive(Debug)]
pub struct Stores {
    config: Config,
    kind: Kind,
    statements: Statements,
}

#[derive(Debug)]
enum Kind {
    Sqlite(Store),
    /// In the order of [`Schema::ALL`], and those that were asked for.
    Postgres(Vec<Store>, Vec<Schema>),
}

impl Stores {
    /// Opens the database for those who work with these schemas. A file that does not exist is created, readable by its
    /// owner only. What is not among the schemas is not connected to before it is used.
    pub async fn open(config: &Config, schemas: &[Schema]) -> Result<Self, Error> {
        Self::open_with(config, schemas, Statements::default()).await
    }

    /// The same, counting with `statements`.
    pub async fn open_with(
        config: &Config,
        schemas: &[Schema],
        statements: Statements,
    ) -> Result<Self, Error> {
        let kind = match Address::parse(&config.url)? {
            Address::Memory => {
                // Every connection would have a database of its own, so one serves both.
                let only = connect(config, 1, &statements).await?;
                Kind::Sqlite(Store::new(only.clone(), only, &statements))
            }
            Address::File(path) => {
                file::create(&path)?;
                let write = connect(config, 1, &statements).await?;
                let read = connect(config, config.read_connections, &statements).await?;
                Kind::Sqlite(Store::new(write, read, &statements))
            }
            Address::Postgres(url) => {
                let mut stores = Vec::new();
                for schema in Schema::ALL {
                    let wanted = schemas.contains(&schema);
                    let suspicion = Suspicion::default();
                    let usage = (schema, postgres::Use::of(schema));
                    let all = postgres::connect(&url, config, usage, wanted, &statements, &suspicion).await?;
                    let relay = postgres::connect_relay(&url, config, schema, &all, &statements, &suspicion);
                    let relay = relay.await?;
                    let store = Store::new(all.clone(), all, &statements);
                    stores.push(Store { relay, suspicion, schema: Some(schema), ..store });
                }
                Kind::Postgres(stores, schemas.to_vec())
            }
        };
        Ok(Self { config: config.clone(), kind, statements })
    }

    /// The same, telling figures. For those who have just opened it: stores that were handed out before tell nothing.
    pub fn with_meter(mut self, meter: &Meter) -> Self {
        let (stores, opened) = match &mut self.kind {
            Kind::Sqlite(store) => (std::slice::from_mut(store), Schema::ALL.to_vec()),
            Kind::Postgres(stores, opened) => (stores.as_mut_slice(), opened.clone()),
        };
        let told = |store: &&Store| store.schema.is_none_or(|own| opened.contains(&own));
        let pools: Pools = Arc::new(stores.iter().filter(told).flat_map(pools_of).collect());
        metrics::observe(&pools, meter);
        let metrics = Metrics::new(meter);
        for store in stores {
            (store.metrics, store.pools) = (metrics.clone(), pools.clone());
        }
        self
    }

    /// The store of a target.
    pub fn of(&self, schema: Schema) -> Store {
        match &self.kind {
            Kind::Sqlite(store) => store.clone(),
            Kind::Postgres(stores, _) => stores[schema as usize].clone(),
        }
    }

    /// Whether the database is a file, or memory, that nobody else works with: then whoever serves also migrates it.
    pub fn is_embedded(&self) -> bool {
        matches!(self.kind, Kind::Sqlite(_))
    }

    /// Counts what was sent to the database.
    pub fn statements(&self) -> &Statements {
        &self.statements
    }

    /// Applies the steps that are pending, all or the first `limit`. On PostgreSQL with the rights of the login, which
    /// must be the database's owner; roles and schemas that are missing are made.
    pub async fn migrate_up(&self, limit: Option<u32>) -> Result<(), Error> {
        let owner = self.owner().await?;
        let outcome = docket_migration::up(owner.connection(), limit).await;
        owner.close().await?;
        Ok(outcome?)
    }

    /// Lets these logins of PostgreSQL serve the targets of these schemas; what is there already is left as it is. With the
    /// rights of the database's owner.
    pub async fn allow(&self, schemas: &[Schema], logins: &[String]) -> Result<(), Error> {
        let owner = self.owner().await?;
        let outcome = docket_migration::allow(owner.connection(), schemas, logins).await;
        owner.close().await?;
        Ok(outcome?)
    }

    /// Takes back the newest `limit` steps.
    pub async fn migrate_down(&self, limit: u32) -> Result<(), Error> {
        let owner = self.owner().await?;
        let outcome = docket_migration::down(owner.connection(), limit).await;
        owner.close().await?;
        Ok(outcome?)
    }

    /// The steps of every schema, each with how it stands with it.
    pub async fn migrations(&self) -> Result<Vec<Step>, Error> {
        let owner = self.owner().await?;
        let outcome = docket_migration::status(owner.connection(), &Schema::ALL).await;
        owner.close().await?;
        Ok(outcome?)
    }

    /// Refuses a database that lacks a step of the schemas it was opened for; [`Error::Pending`] names them. Steps of a
    /// newer release are no reason: they only expand.
    pub async fn check_schema(&self) -> Result<(), Error> {
        let mut pending = Vec::new();
        match &self.kind {
            Kind::Sqlite(store) => pending.extend(docket_migration::status(&store.read, &[]).await?),
            Kind::Postgres(_, opened) => {
                for schema in opened {
                    let store = self.of(*schema);
                    pending.extend(docket_migration::status(&store.read, &[*schema]).await?);
                }
            }
        }
        pending.retain(|step| step.state == State::Pending);
        if pending.is_empty() { Ok(()) } else { Err(Error::Pending { steps: named(&pending) }) }
    }

    /// Closes every connection; what is running is finished first.
    pub async fn close(self) -> Result<(), Error> {
        let stores = match self.kind {
            Kind::Sqlite(store) => vec![store],
            Kind::Postgres(stores, _) => stores,
        };
        for store in stores {
            store.close().await?;
        }
        Ok(())
    }

    /// Who owns the tables: on SQLite the store itself, on PostgreSQL the login.
    async fn owner(&self) -> Result<Owner, Error> {
        match (&self.kind, Address::parse(&self.config.url)?) {
            (Kind::Sqlite(store), _) => Ok(Owner::Store(store.write.clone())),
            (_, Address::Postgres(url)) => {
                Ok(Owner::Login(postgres::connect_as_owner(&url, &self.config, &self.statements).await?))
            }
            _ => Err(Error::UnknownDatabase { url: address::without_credentials(&self.config.url) }),
        }
    }
}

/// The connections that change the schema.
enum Owner {
    Store(DatabaseConnection),
    Login(DatabaseConnection),
}

impl Owner {
    fn connection(&self) -> &DatabaseConnection {
        match self {
            Self::Store(connection) | Self::Login(connection) => connection,
        }
    }

    async fn close(self) -> Result<(), Error> {
        match self {
            Self::Store(_) => Ok(()),
            Self::Login(connection) => Ok(connection.close().await?),
        }
    }
}

/// The connections of a store. On PostgreSQL those that read also write, and carry events away but for those of tasks.
fn pools_of(store: &Store) -> Vec<Pool> {
    let pool =
        |name: String, connections: &DatabaseConnection| Pool { name, connections: connections.clone() };
    match store.schema {
        Some(Schema::Tasks) => {
            vec![pool("tasks".to_owned(), &store.read), pool("tasks-relay".to_owned(), &store.relay)]
        }
        Some(schema) => vec![pool(schema.name().to_owned(), &store.read)],
        None => vec![pool("read".to_owned(), &store.read), pool("write".to_owned(), &store.write)],
    }
}

/// Steps by name, with their schemas where there are several.
fn named(steps: &[Step]) -> String {
    let name = |step: &Step| match step.schema {
        Some(schema) => format!("{schema}/{}", step.name),
        None => step.name.clone(),
    };
    steps.iter().map(name).collect::<Vec<_>>().join(", ")
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
        .map_err(|source| Error::Open { url: address::without_credentials(&config.url), source })?;
    let statements = statements.clone();
    connection.set_metric_callback(move |info| statements.add(None, &info.statement.sql));
    Ok(connection)
}
