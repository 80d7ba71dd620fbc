//! Which relay has which shard of an outbox. On PostgreSQL alone: the file of an SQLite database has one relay.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, small_integer, uuid, uuid_null};
use sea_orm_migration::sea_orm::{DbBackend, Statement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Relays {
    Table,
    RelayId,
    ExpireTime,
}

#[derive(DeriveIden)]
enum RelayShards {
    Table,
    Shard,
    RelayId,
    Epoch,
}

/// As many as the outbox is cut into.
const SHARDS: &str = "INSERT INTO relay_shards (shard, epoch) SELECT generate_series(0, 63), 0";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        if backend != DbBackend::Postgres {
            return Ok(());
        }
        let relays = Table::create()
            .table(Relays::Table)
            .col(uuid(Relays::RelayId).primary_key())
            .col(big_integer(Relays::ExpireTime))
            .to_owned();
        manager.create_table(relays).await?;
        // No foreign key: a shard whose relay has no row any more is free, so that a relay ends with one row.
        let shards = Table::create()
            .table(RelayShards::Table)
            .col(small_integer(RelayShards::Shard).primary_key())
            .col(uuid_null(RelayShards::RelayId))
            .col(big_integer(RelayShards::Epoch))
            .to_owned();
        manager.create_table(shards).await?;
        manager.get_connection().execute_raw(Statement::from_string(backend, SHARDS)).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        manager.drop_table(Table::drop().table(RelayShards::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Relays::Table).to_owned()).await
    }
}
