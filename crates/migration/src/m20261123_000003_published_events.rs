//! The events of tasks that were published, kept for a while so that they can be published again; and finds the oldest
//! idempotency keys, which are purged like them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, binary, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum PublishedEvents {
    Table,
    EventId,
    PartitionKey,
    Topic,
    EventType,
    Source,
    Payload,
    Traceparent,
    Tracestate,
    CreateTime,
    PublishTime,
}

#[derive(DeriveIden)]
enum IdempotencyKeys {
    Table,
    CreateTime,
}

const KEYS_BY_TIME: &str = "idempotency_keys_by_time";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let events = Table::create()
            .table(PublishedEvents::Table)
            .col(uuid(PublishedEvents::EventId).primary_key())
            .col(text(PublishedEvents::PartitionKey))
            .col(text(PublishedEvents::Topic))
            .col(text(PublishedEvents::EventType))
            .col(text(PublishedEvents::Source))
            .col(binary(PublishedEvents::Payload))
            .col(text_null(PublishedEvents::Traceparent))
            .col(text_null(PublishedEvents::Tracestate))
            .col(big_integer(PublishedEvents::CreateTime))
            .col(big_integer(PublishedEvents::PublishTime))
            .to_owned();
        manager.create_table(events).await?;
        let by_key = Index::create()
            .name("published_events_by_key")
            .table(PublishedEvents::Table)
            .col(PublishedEvents::PartitionKey)
            .col(PublishedEvents::CreateTime)
            .col(PublishedEvents::EventId)
            .to_owned();
        manager.create_index(by_key).await?;
        let by_time = Index::create()
            .name("published_events_by_time")
            .table(PublishedEvents::Table)
            .col(PublishedEvents::PublishTime)
            .to_owned();
        manager.create_index(by_time).await?;
        let keys = Index::create()
            .name(KEYS_BY_TIME)
            .table(IdempotencyKeys::Table)
            .col(IdempotencyKeys::CreateTime)
            .to_owned();
        manager.create_index(keys).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let keys = Index::drop().name(KEYS_BY_TIME).table(IdempotencyKeys::Table).to_owned();
        manager.drop_index(keys).await?;
        manager.drop_table(Table::drop().table(PublishedEvents::Table).to_owned()).await
    }
}
