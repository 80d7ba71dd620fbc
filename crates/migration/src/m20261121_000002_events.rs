//! What every target with events owns: the outbox (what is to be published) and the inbox (what was handled).

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, small_integer, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Position,
    EventId,
    Shard,
    Topic,
    PartitionKey,
    EventType,
    Source,
    Payload,
    Traceparent,
    Tracestate,
    CreateTime,
}

#[derive(DeriveIden)]
enum Inbox {
    Table,
    Handler,
    EventId,
    State,
    Reason,
    CreateTime,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let outbox = Table::create()
            .table(Outbox::Table)
            // AUTOINCREMENT on SQLite: a position is never given twice, so rows of one key stay in order.
            .col(ColumnDef::new(Outbox::Position).big_integer().not_null().auto_increment().primary_key())
            .col(uuid(Outbox::EventId).unique_key())
            .col(small_integer(Outbox::Shard))
            .col(text(Outbox::Topic))
            .col(text(Outbox::PartitionKey))
            .col(text(Outbox::EventType))
            .col(text(Outbox::Source))
            .col(binary(Outbox::Payload))
            .col(text_null(Outbox::Traceparent))
            .col(text_null(Outbox::Tracestate))
            .col(big_integer(Outbox::CreateTime))
            .to_owned();
        manager.create_table(outbox).await?;
        let heads = Index::create()
            .name("outbox_by_key")
            .table(Outbox::Table)
            .col(Outbox::PartitionKey)
            .col(Outbox::Topic)
            .col(Outbox::Position)
            .to_owned();
        manager.create_index(heads).await?;
        let inbox = Table::create()
            .table(Inbox::Table)
            .col(text(Inbox::Handler))
            .col(uuid(Inbox::EventId))
            .col(text(Inbox::State))
            .col(text_null(Inbox::Reason))
            .col(big_integer(Inbox::CreateTime))
            // The event first: the relay asks which handlers have seen an event.
            .primary_key(Index::create().col(Inbox::EventId).col(Inbox::Handler))
            .to_owned();
        manager.create_table(inbox).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Inbox::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Outbox::Table).to_owned()).await
    }
}
