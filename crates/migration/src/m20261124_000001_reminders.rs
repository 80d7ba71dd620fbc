//! What the target `reminders` owns: what it knows of the tasks, their reminders, and what it knows of the users.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, json, small_integer, small_integer_null, text, text_null, uuid,
    uuid_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ReminderTasks {
    Table,
    TaskId,
    UserId,
    Version,
    Open,
    Title,
    Priority,
    DueTime,
    DueDate,
    TimeZone,
    Reminders,
    Traceparent,
    Tracestate,
    UpdateTime,
}

#[derive(DeriveIden)]
enum Reminders {
    Table,
    TaskId,
    Number,
    UserId,
    PlannedTime,
    RemindTime,
    Channels,
    State,
    Generation,
    Snoozed,
    FiringId,
    FireTime,
    PublishTime,
    ArmedBy,
    ClaimExpireTime,
    UpdateTime,
}

#[derive(DeriveIden)]
enum ReminderUsers {
    Table,
    UserId,
    Sequence,
    AllDayMinutes,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_tasks(manager).await?;
        create_reminders(manager).await?;
        index_reminders(manager).await?;
        let users = Table::create()
            .table(ReminderUsers::Table)
            .col(text(ReminderUsers::UserId).primary_key())
            .col(big_integer(ReminderUsers::Sequence))
            // Absent for a user who never said one: the row is there to be locked.
            .col(small_integer_null(ReminderUsers::AllDayMinutes))
            .to_owned();
        manager.create_table(users).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(ReminderUsers::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Reminders::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(ReminderTasks::Table).to_owned()).await
    }
}

async fn create_tasks(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let tasks = Table::create()
        .table(ReminderTasks::Table)
        .col(uuid(ReminderTasks::TaskId).primary_key())
        .col(text(ReminderTasks::UserId))
        .col(big_integer(ReminderTasks::Version))
        .col(boolean(ReminderTasks::Open))
        .col(text(ReminderTasks::Title))
        .col(small_integer(ReminderTasks::Priority))
        .col(big_integer_null(ReminderTasks::DueTime))
        .col(text_null(ReminderTasks::DueDate))
        .col(text(ReminderTasks::TimeZone))
        .col(json(ReminderTasks::Reminders))
        .col(text_null(ReminderTasks::Traceparent))
        .col(text_null(ReminderTasks::Tracestate))
        .col(big_integer(ReminderTasks::UpdateTime))
        .to_owned();
    manager.create_table(tasks).await?;
    // What moves when a user says another time of day.
    let all_day = Index::create()
        .name("reminder_tasks_all_day")
        .table(ReminderTasks::Table)
        .col(ReminderTasks::UserId)
        .col(ReminderTasks::TaskId)
        .and_where(Expr::col(ReminderTasks::Open))
        .and_where(Expr::col(ReminderTasks::DueDate).is_not_null())
        .to_owned();
    manager.create_index(all_day).await?;
    // What may be purged.
    let over = Index::create()
        .name("reminder_tasks_over")
        .table(ReminderTasks::Table)
        .col(ReminderTasks::UpdateTime)
        .and_where(Expr::col(ReminderTasks::Open).not())
        .to_owned();
    manager.create_index(over).await
}

async fn create_reminders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let reminders = Table::create()
        .table(Reminders::Table)
        .col(uuid(Reminders::TaskId))
        .col(small_integer(Reminders::Number))
        .col(text(Reminders::UserId))
        .col(big_integer(Reminders::PlannedTime))
        .col(big_integer(Reminders::RemindTime))
        .col(json(Reminders::Channels))
        .col(text(Reminders::State))
        .col(big_integer(Reminders::Generation))
        .col(boolean(Reminders::Snoozed))
        .col(uuid_null(Reminders::FiringId))
        .col(big_integer_null(Reminders::FireTime))
        .col(big_integer_null(Reminders::PublishTime))
        .col(text_null(Reminders::ArmedBy))
        .col(big_integer_null(Reminders::ClaimExpireTime))
        .col(big_integer(Reminders::UpdateTime))
        .primary_key(Index::create().col(Reminders::TaskId).col(Reminders::Number))
        .foreign_key(
            // The reminders go with their task, in the one statement that purges it.
            ForeignKey::create()
                .from(Reminders::Table, Reminders::TaskId)
                .to(ReminderTasks::Table, ReminderTasks::TaskId)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned();
    manager.create_table(reminders).await
}

async fn index_reminders(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let by_user = Index::create()
        .name("reminders_by_user")
        .table(Reminders::Table)
        .col(Reminders::UserId)
        .col(Reminders::RemindTime)
        .col(Reminders::TaskId)
        .col(Reminders::Number)
        .to_owned();
    manager.create_index(by_user).await?;
    let by_firing = Index::create()
        .name("reminders_one_per_firing")
        .table(Reminders::Table)
        .col(Reminders::FiringId)
        .unique()
        .and_where(Expr::col(Reminders::FiringId).is_not_null())
        .to_owned();
    manager.create_index(by_firing).await?;
    // Partial, so that what the alarms ask for again and again is read from these alone, however many reminders are still to
    // come and however many there were.
    let pending = || Expr::col(Reminders::State).eq("PENDING");
    let fired = Expr::col(Reminders::State).eq("FIRED");
    for (name, time, only) in [
        ("reminders_due", Reminders::RemindTime, pending()),
        ("reminders_unarmed", Reminders::RemindTime, pending().and(Expr::col(Reminders::ArmedBy).is_null())),
        ("reminders_unclosed", Reminders::PublishTime, fired),
    ] {
        let index = Index::create().name(name).table(Reminders::Table).col(time).and_where(only).to_owned();
        manager.create_index(index).await?;
    }
    Ok(())
}
