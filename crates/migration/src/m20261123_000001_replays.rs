//! What an outbox needs to publish again: whole messages as they were, for all handlers or one, and events that were
//! published before.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{boolean, text_null, uuid_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Raw,
    Handler,
    RepublishOf,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, boolean(Outbox::Raw).default(false).take()).await?;
        add(manager, text_null(Outbox::Handler)).await?;
        add(manager, uuid_null(Outbox::RepublishOf)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [Outbox::RepublishOf, Outbox::Handler, Outbox::Raw] {
            let table = Table::alter().table(Outbox::Table).drop_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}

/// One by one, because SQLite takes no more at once.
async fn add(manager: &SchemaManager<'_>, mut column: ColumnDef) -> Result<(), DbErr> {
    manager.alter_table(Table::alter().table(Outbox::Table).add_column(&mut column).to_owned()).await
}
