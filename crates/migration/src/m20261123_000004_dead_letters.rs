//! What the target `deadletters` owns: the letters, and what was done about them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, binary, boolean, integer_null, json, text, text_null, uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DeadLetters {
    Table,
    LetterId,
    State,
    Handler,
    EventId,
    EventType,
    Pubsub,
    Topic,
    PartitionKey,
    SourcePartition,
    SourceOffset,
    Headers,
    Reason,
    Original,
    Failures,
    FirstFailureTime,
    LastFailureTime,
    ReplayId,
    UpdateTime,
}

#[derive(DeriveIden)]
enum DeadLetterActions {
    Table,
    ActionId,
    LetterId,
    Action,
    Actor,
    Reason,
    ReplayId,
    OnlyFailedHandler,
    CreateTime,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_letters(manager).await?;
        let actions = Table::create()
            .table(DeadLetterActions::Table)
            .col(uuid(DeadLetterActions::ActionId).primary_key())
            .col(uuid(DeadLetterActions::LetterId))
            .col(text(DeadLetterActions::Action))
            .col(text(DeadLetterActions::Actor))
            .col(text_null(DeadLetterActions::Reason))
            .col(uuid_null(DeadLetterActions::ReplayId))
            .col(boolean(DeadLetterActions::OnlyFailedHandler))
            .col(big_integer(DeadLetterActions::CreateTime))
            .foreign_key(
                // The actions go with their letter, in the one statement that purges it.
                ForeignKey::create()
                    .from(DeadLetterActions::Table, DeadLetterActions::LetterId)
                    .to(DeadLetters::Table, DeadLetters::LetterId)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(actions).await?;
        let by_letter = Index::create()
            .name("dead_letter_actions_by_letter")
            .table(DeadLetterActions::Table)
            .col(DeadLetterActions::LetterId)
            .col(DeadLetterActions::CreateTime)
            .col(DeadLetterActions::ActionId)
            .to_owned();
        manager.create_index(by_letter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DeadLetterActions::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(DeadLetters::Table).to_owned()).await
    }
}

async fn create_letters(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let letters = Table::create()
        .table(DeadLetters::Table)
        .col(uuid(DeadLetters::LetterId).primary_key())
        .col(text(DeadLetters::State))
        .col(text(DeadLetters::Handler))
        .col(uuid(DeadLetters::EventId))
        .col(text_null(DeadLetters::EventType))
        .col(text(DeadLetters::Pubsub))
        .col(text(DeadLetters::Topic))
        .col(text(DeadLetters::PartitionKey))
        .col(integer_null(DeadLetters::SourcePartition))
        .col(big_integer_null(DeadLetters::SourceOffset))
        .col(json(DeadLetters::Headers))
        .col(text(DeadLetters::Reason))
        .col(binary(DeadLetters::Original))
        .col(big_integer(DeadLetters::Failures))
        .col(big_integer(DeadLetters::FirstFailureTime))
        .col(big_integer(DeadLetters::LastFailureTime))
        .col(uuid_null(DeadLetters::ReplayId))
        .col(big_integer(DeadLetters::UpdateTime))
        .to_owned();
    manager.create_table(letters).await?;
    let one_per_failure = Index::create()
        .name("dead_letters_one_per_handler")
        .table(DeadLetters::Table)
        .col(DeadLetters::EventId)
        .col(DeadLetters::Handler)
        .col(DeadLetters::Topic)
        .unique()
        .to_owned();
    manager.create_index(one_per_failure).await?;
    // In the order of the first failure, which never changes, so that nothing moves while somebody pages through it.
    let listings = [
        ("dead_letters_by_time", None),
        ("dead_letters_by_state", Some(DeadLetters::State)),
        ("dead_letters_by_topic", Some(DeadLetters::Topic)),
        ("dead_letters_by_handler", Some(DeadLetters::Handler)),
        ("dead_letters_by_key", Some(DeadLetters::PartitionKey)),
    ];
    for (name, column) in listings {
        let mut index = Index::create().name(name).table(DeadLetters::Table).to_owned();
        if let Some(column) = column {
            index.col(column);
        }
        let index = index.col(DeadLetters::FirstFailureTime).col(DeadLetters::LetterId).to_owned();
        manager.create_index(index).await?;
    }
    // Partial, so that it holds only what may be purged.
    let ended = Index::create()
        .name("dead_letters_ended")
        .table(DeadLetters::Table)
        .col(DeadLetters::UpdateTime)
        .and_where(Expr::col(DeadLetters::State).ne("OPEN"))
        .to_owned();
    manager.create_index(ended).await
}
