//! Finds the oldest rows of an inbox, which are purged.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Inbox {
    Table,
    CreateTime,
}

const NAME: &str = "inbox_by_time";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_time = Index::create().name(NAME).table(Inbox::Table).col(Inbox::CreateTime).to_owned();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(NAME).table(Inbox::Table).to_owned()).await
    }
}
