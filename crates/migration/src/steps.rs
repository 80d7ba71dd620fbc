//! Applies the steps, takes them back, and tells which are applied.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use sea_orm_migration::sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait as _,
    Schema as Tables, Statement, TransactionTrait as _,
};
use sea_orm_migration::{DbErr, MigrationTrait, SchemaManager, seaql_migrations};

use crate::{
    Error, Schema, logins, m20261121_000001_tasks, m20261121_000002_events, m20261121_000003_audit,
    m20261122_000001_tasks_by_due_descending, m20261122_000002_relays, m20261123_000001_replays,
    m20261123_000002_inbox_by_time, m20261123_000003_published_events, m20261123_000004_dead_letters,
    m20261124_000001_reminders, m20261124_000002_notification, m20261124_000003_idempotency_keys, roles,
};

/// The table that knows the applied steps; its name and shape are sea-orm's.
const TABLE: &str = "seaql_migrations";

/// Held while the schema of a PostgreSQL database changes, so that two who change it do so one after the other. Any
/// number will do, as long as it stays the same.
const LOCK: i64 = 0x646f_636b_6574;

/// A step of a schema.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// Whose step; none on SQLite, where all targets share one file.
    pub schema: Option<Schema>,
    /// The step.
    pub name: String,
    /// How it stands with it.
    pub state: State,
}

/// How it stands with a step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is applied.
    Applied,
    /// It is still to be applied.
    Pending,
    /// It is applied, and of a newer release. That is no error: a step only expands what the release before it knows.
    Newer,
}

type Steps = Vec<Box<dyn MigrationTrait>>;

/// The steps in their order: those of a schema, or of the file that has them all.
fn steps(schema: Option<Schema>) -> Steps {
    let belongs = |owners: &[Schema]| schema.is_none_or(|schema| owners.contains(&schema));
    let all: [(&[Schema], Box<dyn MigrationTrait>); 12] = [
        (&[Schema::Tasks], Box::new(m20261121_000001_tasks::Migration)),
        (&Schema::ALL, Box::new(m20261121_000002_events::Migration)),
        (&[Schema::Audit], Box::new(m20261121_000003_audit::Migration)),
        (&[Schema::Tasks], Box::new(m20261122_000001_tasks_by_due_descending::Migration)),
        (&Schema::ALL, Box::new(m20261122_000002_relays::Migration)),
        (&Schema::ALL, Box::new(m20261123_000001_replays::Migration)),
        (&Schema::ALL, Box::new(m20261123_000002_inbox_by_time::Migration)),
        (&[Schema::Tasks], Box::new(m20261123_000003_published_events::Migration)),
        (&[Schema::DeadLetters], Box::new(m20261123_000004_dead_letters::Migration)),
        (&[Schema::Reminders], Box::new(m20261124_000001_reminders::Migration)),
        (&[Schema::Notification], Box::new(m20261124_000002_notification::Migration)),
        (&[Schema::Reminders, Schema::Notification], Box::new(m20261124_000003_idempotency_keys::Migration)),
    ];
    all.into_iter().filter(|(owners, _)| belongs(owners)).map(|(_, step)| step).collect()
}

/// The schemas of a database: one for each target, or the one that all share.
fn schemas(db: &DatabaseConnection) -> Vec<Option<Schema>> {
    match db.get_database_backend() {
        DbBackend::Postgres => Schema::ALL.map(Some).to_vec(),
        _ => vec![None],
    }
}

/// How it stands with every step of these schemas; of the one that all share on SQLite.
///
/// Only reads, and needs no more rights than who serves has.
pub async fn status(db: &DatabaseConnection, of: &[Schema]) -> Result<Vec<Step>, Error> {
    let mut found = Vec::new();
    for schema in schemas(db) {
        if schema.is_none_or(|schema| of.contains(&schema)) {
            found.extend(status_of(db, schema).await?);
        }
    }
    Ok(found)
}

async fn status_of(db: &impl ConnectionTrait, schema: Option<Schema>) -> Result<Vec<Step>, Error> {
    let mut applied = applied(db, schema).await?;
    let step = |name: String, state| Step { schema, name, state };
    let known = steps(schema).into_iter().map(|known| {
        let name = known.name().to_owned();
        let state = if applied.remove(&name) { State::Applied } else { State::Pending };
        step(name, state)
    });
    let mut found: Vec<Step> = known.collect();
    found.extend(applied.into_iter().map(|name| step(name, State::Newer)));
    Ok(found)
}

async fn applied(db: &impl ConnectionTrait, schema: Option<Schema>) -> Result<BTreeSet<String>, DbErr> {
    let (exists, table) = match schema {
        Some(schema) => (
            format!("SELECT 1 FROM pg_tables WHERE schemaname = '{schema}' AND tablename = '{TABLE}'"),
            format!("{schema}.{TABLE}"),
        ),
        None => (
            format!("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'"),
            TABLE.to_owned(),
        ),
    };
    let backend = db.get_database_backend();
    if db.query_one_raw(Statement::from_string(backend, exists)).await?.is_none() {
        return Ok(BTreeSet::new());
    }
    let names = Statement::from_string(backend, format!("SELECT version FROM {table}"));
    db.query_all_raw(names).await?.iter().map(|row| row.try_get("", "version")).collect()
}

/// Applies what is pending, all of it or the first `limit` steps. On PostgreSQL it makes the roles and schemas first, and
/// gives the roles their rights in the end.
pub async fn up(db: &DatabaseConnection, limit: Option<u32>) -> Result<(), Error> {
    let lock = lock(db).await?;
    if lock.is_some() {
        roles::create(db).await?;
    }
    let pending = status(db, &Schema::ALL).await?.into_iter().filter(|step| step.state == State::Pending);
    let applied = apply(db, newest_or_oldest(pending.collect(), limit, false)).await;
    if lock.is_some() {
        // Also after a step that failed: those before it are there, and are for the roles to work with.
        roles::grant(db).await?;
    }
    applied
}

/// Lets each of these logins serve these schemas: on PostgreSQL, whose roles are there after [`up`]. Other databases have no
/// logins.
pub async fn allow(db: &DatabaseConnection, schemas: &[Schema], logins: &[String]) -> Result<(), Error> {
    let lock = lock(db).await?;
    if lock.is_some() {
        logins::allow(db, schemas, logins).await?;
    }
    Ok(())
}

async fn apply(db: &DatabaseConnection, steps: Vec<Step>) -> Result<(), Error> {
    for step in steps {
        run(db, &step, true).await?;
    }
    Ok(())
}

/// Takes back the newest `limit` steps.
pub async fn down(db: &DatabaseConnection, limit: u32) -> Result<(), Error> {
    let _lock = lock(db).await?;
    let applied = status(db, &Schema::ALL).await?.into_iter().filter(|step| step.state != State::Pending);
    for step in newest_or_oldest(applied.collect(), Some(limit), true) {
        run(db, &step, false).await?;
    }
    Ok(())
}

/// The first `limit` steps in the order of their names, forwards or backwards. A step that several schemas have is one.
fn newest_or_oldest(mut steps: Vec<Step>, limit: Option<u32>, backwards: bool) -> Vec<Step> {
    let names: BTreeSet<String> = steps.iter().map(|step| step.name.clone()).collect();
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let taken: Vec<&String> =
        if backwards { names.iter().rev().take(limit).collect() } else { names.iter().take(limit).collect() };
    steps.retain(|step| taken.contains(&&step.name));
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    if backwards {
        steps.reverse();
    }
    steps
}

/// Waits until nobody else changes the schema; that ends with the transaction. SQLite's file has a lock of its own.
async fn lock(db: &DatabaseConnection) -> Result<Option<DatabaseTransaction>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let lock = db.begin().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    Ok(Some(lock))
}

/// A step and the note that it is applied are one transaction.
async fn run(db: &DatabaseConnection, step: &Step, forwards: bool) -> Result<(), Error> {
    let named = |source| Error::Step { step: step.name.clone(), source };
    let Some(migration) = steps(step.schema).into_iter().find(|known| known.name() == step.name) else {
        return Err(Error::Newer { step: step.name.clone() });
    };
    let tx = db.begin().await?;
    if let Some(schema) = step.schema {
        // Who waits for a lock makes everybody wait who comes after. Better fail, and be run again.
        let setting = format!("SET LOCAL search_path TO {schema}; SET LOCAL lock_timeout TO '5s'");
        tx.execute_unprepared(&setting).await?;
    }
    install(&tx).await?;
    let manager = SchemaManager::new(&tx);
    if forwards {
        migration.up(&manager).await.map_err(named)?;
        let applied_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let row = seaql_migrations::ActiveModel {
            version: Set(step.name.clone()),
            applied_at: Set(i64::try_from(applied_at).unwrap_or_default()),
        };
        seaql_migrations::Entity::insert(row).exec_without_returning(&tx).await?;
    } else {
        migration.down(&manager).await.map_err(named)?;
        seaql_migrations::Entity::delete_by_id(step.name.clone()).exec(&tx).await?;
    }
    Ok(tx.commit().await?)
}

/// The table of the applied steps, if it is not there yet.
async fn install(tx: &DatabaseTransaction) -> Result<(), DbErr> {
    let tables = Tables::new(tx.get_database_backend());
    let mut table = tables.create_table_from_entity(seaql_migrations::Entity);
    tx.execute(table.if_not_exists()).await?;
    Ok(())
}
