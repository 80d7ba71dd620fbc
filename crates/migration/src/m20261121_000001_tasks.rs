//! What the target `tasks` owns: tasks, tags, occurrences, the users' sequences, idempotency keys.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer_null, json, json_null,
};
use sea_orm_migration::schema::{small_integer, text, text_null, uuid, uuid_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Tasks {
    Table,
    TaskId,
    UserId,
    Title,
    Description,
    State,
    Priority,
    DueTime,
    DueDate,
    TimeZone,
    Recurrence,
    Reminders,
    SeriesId,
    OccurrenceTime,
    SeriesStart,
    SeriesStartIndex,
    SeriesIndex,
    AwaitsSuccessor,
    Version,
    UserSeq,
    CreateTime,
    UpdateTime,
    CompleteTime,
    CompleteVersion,
    DeleteTime,
}

#[derive(DeriveIden)]
enum TaskTags {
    Table,
    TaskId,
    Tag,
}

#[derive(DeriveIden)]
enum Occurrences {
    Table,
    TaskId,
    SeriesId,
    OccurrenceTime,
    PredecessorId,
}

#[derive(DeriveIden)]
enum UserSequences {
    Table,
    UserId,
    LastSeq,
}

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
        create_tasks(manager).await?;
        create_occurrences(manager).await?;
        let tags = Table::create()
            .table(TaskTags::Table)
            .col(uuid(TaskTags::TaskId))
            .col(text(TaskTags::Tag))
            .primary_key(Index::create().col(TaskTags::TaskId).col(TaskTags::Tag))
            .foreign_key(
                ForeignKey::create()
                    .from(TaskTags::Table, TaskTags::TaskId)
                    .to(Tasks::Table, Tasks::TaskId)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(tags).await?;
        let sequences = Table::create()
            .table(UserSequences::Table)
            .col(text(UserSequences::UserId).primary_key())
            .col(big_integer(UserSequences::LastSeq))
            .to_owned();
        manager.create_table(sequences).await?;
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
        manager.create_table(keys).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(UserSequences::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(TaskTags::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Occurrences::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Tasks::Table).to_owned()).await
    }
}

async fn create_tasks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let tasks = Table::create()
        .table(Tasks::Table)
        .col(uuid(Tasks::TaskId).primary_key())
        .col(text(Tasks::UserId))
        .col(text(Tasks::Title))
        .col(text(Tasks::Description))
        .col(text(Tasks::State))
        // 1 (low) to 4 (urgent): a number, because it is sorted and compared.
        .col(small_integer(Tasks::Priority))
        // Set for an all-day task too (its first instant), so that one index serves filters and sorting.
        .col(big_integer_null(Tasks::DueTime))
        .col(text_null(Tasks::DueDate))
        .col(text(Tasks::TimeZone))
        .col(json_null(Tasks::Recurrence))
        .col(json(Tasks::Reminders))
        .col(uuid_null(Tasks::SeriesId))
        .col(big_integer_null(Tasks::OccurrenceTime))
        .col(text_null(Tasks::SeriesStart))
        .col(integer_null(Tasks::SeriesStartIndex))
        .col(integer_null(Tasks::SeriesIndex))
        .col(boolean(Tasks::AwaitsSuccessor))
        .col(big_integer(Tasks::Version))
        .col(big_integer(Tasks::UserSeq))
        .col(big_integer(Tasks::CreateTime))
        .col(big_integer(Tasks::UpdateTime))
        .col(big_integer_null(Tasks::CompleteTime))
        .col(big_integer_null(Tasks::CompleteVersion))
        .col(big_integer_null(Tasks::DeleteTime))
        .to_owned();
    manager.create_table(tasks).await?;
    let by_creation = Index::create()
        .name("tasks_by_creation")
        .table(Tasks::Table)
        .col(Tasks::UserId)
        .col(Tasks::CreateTime)
        .col(Tasks::TaskId)
        .to_owned();
    manager.create_index(by_creation).await?;
    let by_update = Index::create()
        .name("tasks_by_update")
        .table(Tasks::Table)
        .col(Tasks::UserId)
        .col(Tasks::UpdateTime)
        .col(Tasks::TaskId)
        .to_owned();
    manager.create_index(by_update).await?;
    let by_priority = Index::create()
        .name("tasks_by_priority")
        .table(Tasks::Table)
        .col(Tasks::UserId)
        .col(Tasks::Priority)
        .col(Tasks::TaskId)
        .to_owned();
    manager.create_index(by_priority).await?;
    let by_due = Index::create()
        .name("tasks_by_due")
        .table(Tasks::Table)
        .col(Tasks::UserId)
        .col(Tasks::DueTime)
        .col(Tasks::TaskId)
        .to_owned();
    manager.create_index(by_due).await?;
    // Partial, so that it holds only the few completed tasks whose successor is on its way.
    let gaps = Index::create()
        .name("tasks_awaiting_successor")
        .table(Tasks::Table)
        .col(Tasks::CompleteTime)
        .col(Tasks::TaskId)
        .and_where(Expr::col(Tasks::AwaitsSuccessor).eq(true))
        .to_owned();
    manager.create_index(gaps).await
}

/// Apart from `tasks`, because these keys outlive the tasks: they make "exactly one next occurrence" true for ever.
async fn create_occurrences(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let occurrences = Table::create()
        .table(Occurrences::Table)
        .col(uuid(Occurrences::TaskId).primary_key())
        .col(uuid(Occurrences::SeriesId))
        .col(big_integer(Occurrences::OccurrenceTime))
        .col(uuid_null(Occurrences::PredecessorId))
        .to_owned();
    manager.create_table(occurrences).await?;
    let one_successor = Index::create()
        .name("occurrences_one_successor")
        .table(Occurrences::Table)
        .col(Occurrences::PredecessorId)
        .unique()
        .to_owned();
    manager.create_index(one_successor).await?;
    let one_per_instant = Index::create()
        .name("occurrences_one_per_instant")
        .table(Occurrences::Table)
        .col(Occurrences::SeriesId)
        .col(Occurrences::OccurrenceTime)
        .unique()
        .to_owned();
    manager.create_index(one_per_instant).await
}
