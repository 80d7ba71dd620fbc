//! The answers of repeatable mutations, for targets whose first release had none. On SQLite they share the table of the
//! tasks.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, text, uuid};
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    UserId,
    RequestId,
    Method,
    BodyHash,
    Response,
    CreateTime,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let keys = Table::create()
            .table(IdempotencyKeys::Table)
            .col(text(IdempotencyKeys::UserId))
            .col(uuid(IdempotencyKeys::RequestId))
            .col(text(IdempotencyKeys::Method))
            .col(binary(IdempotencyKeys::BodyHash))
            .col(binary(IdempotencyKeys::Response))
            .col(big_integer(IdempotencyKeys::CreateTime))
            .primary_key(Index::create().col(IdempotencyKeys::UserId).col(IdempotencyKeys::RequestId))
            .to_owned();
        manager.create_table(keys).await?;
        // What may be purged.
        let by_time = Index::create()
            .name("idempotency_keys_by_time")
            .table(IdempotencyKeys::Table)
            .col(IdempotencyKeys::CreateTime)
            .to_owned();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).to_owned()).await
    }
}
