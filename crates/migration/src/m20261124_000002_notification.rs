//! What the target `notification` owns: how users want to be told, and the ledger of what was sent.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, binary_null, boolean, integer, json, json_null, text, text_null,
    uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Preferences {
    Table,
    UserId,
    Version,
    TimeZone,
    AllDayTime,
    Channels,
    Email,
    PushTokens,
    WebhookUrl,
    WebhookSecret,
    QuietStart,
    QuietEnd,
    DigestTime,
    DigestChannels,
    Locale,
    Unsubscribed,
    UnsubscribeToken,
    NextDigestTime,
    UpdateTime,
}

#[derive(DeriveIden)]
enum Deliveries {
    Table,
    DeliveryId,
    Kind,
    Subject,
    Channel,
    UserId,
    TaskId,
    ReminderId,
    Title,
    Content,
    Traceparent,
    Tracestate,
    RemindTime,
    State,
    Attempts,
    WakeTime,
    Postponed,
    Reason,
    CreateTime,
    FinishTime,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_preferences(manager).await?;
        create_deliveries(manager).await?;
        index_deliveries(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Deliveries::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Preferences::Table).to_owned()).await
    }
}

async fn create_preferences(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let preferences = Table::create()
        .table(Preferences::Table)
        .col(text(Preferences::UserId).primary_key())
        .col(big_integer(Preferences::Version))
        .col(text(Preferences::TimeZone))
        .col(text(Preferences::AllDayTime))
        .col(json(Preferences::Channels))
        .col(text_null(Preferences::Email))
        .col(json(Preferences::PushTokens))
        .col(text_null(Preferences::WebhookUrl))
        .col(binary_null(Preferences::WebhookSecret))
        .col(text_null(Preferences::QuietStart))
        .col(text_null(Preferences::QuietEnd))
        .col(text_null(Preferences::DigestTime))
        .col(json_null(Preferences::DigestChannels))
        .col(text(Preferences::Locale))
        .col(json(Preferences::Unsubscribed))
        .col(binary(Preferences::UnsubscribeToken))
        .col(big_integer_null(Preferences::NextDigestTime))
        .col(big_integer(Preferences::UpdateTime))
        .to_owned();
    manager.create_table(preferences).await?;
    let by_token = Index::create()
        .name("preferences_one_per_token")
        .table(Preferences::Table)
        .col(Preferences::UnsubscribeToken)
        .unique()
        .to_owned();
    manager.create_index(by_token).await?;
    // Partial, so that it holds only those who want a digest.
    let digests = Index::create()
        .name("preferences_by_digest")
        .table(Preferences::Table)
        .col(Preferences::NextDigestTime)
        .col(Preferences::UserId)
        .and_where(Expr::col(Preferences::NextDigestTime).is_not_null())
        .to_owned();
    manager.create_index(digests).await
}

async fn create_deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let deliveries = Table::create()
        .table(Deliveries::Table)
        .col(uuid(Deliveries::DeliveryId).primary_key())
        .col(text(Deliveries::Kind))
        .col(text(Deliveries::Subject))
        .col(text(Deliveries::Channel))
        .col(text(Deliveries::UserId))
        .col(uuid_null(Deliveries::TaskId))
        .col(uuid_null(Deliveries::ReminderId))
        .col(text(Deliveries::Title))
        .col(json(Deliveries::Content))
        .col(text_null(Deliveries::Traceparent))
        .col(text_null(Deliveries::Tracestate))
        .col(big_integer(Deliveries::RemindTime))
        .col(text(Deliveries::State))
        .col(integer(Deliveries::Attempts))
        // When somebody is to look at it: while it waits the next attempt, while it is being sent the end of the claim. None
        // once it has ended. One column, so that one range of one index has all that there is to do.
        .col(big_integer_null(Deliveries::WakeTime))
        .col(boolean(Deliveries::Postponed))
        .col(text_null(Deliveries::Reason))
        .col(big_integer(Deliveries::CreateTime))
        .col(big_integer_null(Deliveries::FinishTime))
        .to_owned();
    manager.create_table(deliveries).await
}

async fn index_deliveries(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let one_per_channel = Index::create()
        .name("deliveries_one_per_channel")
        .table(Deliveries::Table)
        .col(Deliveries::Subject)
        .col(Deliveries::Channel)
        .unique()
        .to_owned();
    manager.create_index(one_per_channel).await?;
    // By channel, because one that is stuck must not stand in front of the others. Partial, so that it holds only what is
    // still to be sent.
    let waking = Index::create()
        .name("deliveries_by_wake")
        .table(Deliveries::Table)
        .col(Deliveries::Channel)
        .col(Deliveries::WakeTime)
        .col(Deliveries::DeliveryId)
        .and_where(Expr::col(Deliveries::WakeTime).is_not_null())
        .to_owned();
    manager.create_index(waking).await?;
    let by_user = Index::create()
        .name("deliveries_by_user")
        .table(Deliveries::Table)
        .col(Deliveries::UserId)
        .col(Deliveries::CreateTime)
        .col(Deliveries::DeliveryId)
        .to_owned();
    manager.create_index(by_user).await?;
    // Partial, like the next: only reminders are about a task, and only what has ended is purged.
    let by_task = Index::create()
        .name("deliveries_by_task")
        .table(Deliveries::Table)
        .col(Deliveries::TaskId)
        .col(Deliveries::CreateTime)
        .col(Deliveries::DeliveryId)
        .and_where(Expr::col(Deliveries::TaskId).is_not_null())
        .to_owned();
    manager.create_index(by_task).await?;
    let ended = Index::create()
        .name("deliveries_ended")
        .table(Deliveries::Table)
        .col(Deliveries::FinishTime)
        .and_where(Expr::col(Deliveries::FinishTime).is_not_null())
        .to_owned();
    manager.create_index(ended).await
}
