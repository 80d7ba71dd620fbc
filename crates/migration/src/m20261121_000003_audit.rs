//! What the target `audit` owns: the log of every event.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, json, json_null, text, text_null, uuid};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum AuditEntries {
    Table,
    EventId,
    EventType,
    TaskId,
    UserId,
    TaskVersion,
    EventTime,
    RecordTime,
    Before,
    After,
    TraceId,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let entries = Table::create()
            .table(AuditEntries::Table)
            .col(uuid(AuditEntries::EventId).primary_key())
            .col(text(AuditEntries::EventType))
            .col(uuid(AuditEntries::TaskId))
            .col(text(AuditEntries::UserId))
            .col(big_integer(AuditEntries::TaskVersion))
            .col(big_integer(AuditEntries::EventTime))
            .col(big_integer(AuditEntries::RecordTime))
            .col(json_null(AuditEntries::Before))
            .col(json(AuditEntries::After))
            .col(text_null(AuditEntries::TraceId))
            .to_owned();
        manager.create_table(entries).await?;
        let by_time = Index::create()
            .name("audit_entries_by_time")
            .table(AuditEntries::Table)
            .col(AuditEntries::UserId)
            .col(AuditEntries::EventTime)
            .col(AuditEntries::TaskVersion)
            .col(AuditEntries::EventId)
            .to_owned();
        manager.create_index(by_time).await?;
        let by_task = Index::create()
            .name("audit_entries_by_task")
            .table(AuditEntries::Table)
            .col(AuditEntries::TaskId)
            .col(AuditEntries::EventTime)
            .col(AuditEntries::TaskVersion)
            .col(AuditEntries::EventId)
            .to_owned();
        manager.create_index(by_task).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(AuditEntries::Table).to_owned()).await
    }
}
