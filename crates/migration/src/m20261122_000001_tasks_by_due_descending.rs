//! The index by due time for those who read it from the end: latest first, and tasks that are never due at the end.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DbBackend, Statement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CREATE: &str =
    "CREATE INDEX tasks_by_due_descending ON tasks (user_id, due_time DESC NULLS LAST, task_id DESC)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        on_postgres(manager, CREATE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        on_postgres(manager, "DROP INDEX tasks_by_due_descending").await
    }
}

/// SQLite takes "no time" for the smallest, so that it reads `tasks_by_due` from its end.
async fn on_postgres(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let backend = manager.get_database_backend();
    if backend == DbBackend::Postgres {
        manager.get_connection().execute_raw(Statement::from_string(backend, sql)).await?;
    }
    Ok(())
}
