//! Finding letters: pages of them, one with all that is known, and those that something is to be done about.
//!
//! The order is that of the first failure, which never changes: nothing moves while somebody goes through the pages, and
//! what is replayed goes out as it came in.

use std::collections::BTreeMap;

use docket_domain::{DeadLetterId, EventId, Instant, LetterState};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Found, Letter, action, state};
use crate::among::among;
use crate::entity::dead_letter_actions as actions;
use crate::entity::dead_letters::{Column, Entity, Model};
use crate::{Error, Store, Tx, instant, micros};

/// Which letters: those for which all of it holds. The default is all letters.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of these; empty for all.
    pub ids: Vec<DeadLetterId>,
    /// In one of these states; empty for all.
    pub states: Vec<LetterState>,
    /// Of this topic.
    pub topic: Option<String>,
    /// Given up by this handler.
    pub handler: Option<String>,
    /// Of this type.
    pub event_type: Option<String>,
    /// With this partition key.
    pub key: Option<String>,
    /// That failed last at this instant or later.
    pub start_time: Option<Instant>,
    /// That failed last before this instant.
    pub end_time: Option<Instant>,
}

/// Where a page ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cursor {
    first_failure_time: i64,
    letter_id: Uuid,
}

impl Cursor {
    /// The place of a letter in a listing.
    pub fn of(letter: &Letter) -> Self {
        Self { first_failure_time: micros(letter.first_failure_time), letter_id: letter.id.as_uuid() }
    }
}

/// A page of letters.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Which letters.
    pub filter: Filter,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most to answer.
    pub limit: u32,
}

/// A letter without its message, which may be large.
#[derive(FromQueryResult)]
struct LetterRow {
    letter_id: Uuid,
    state: String,
    handler: String,
    event_id: Uuid,
    event_type: Option<String>,
    pubsub: String,
    topic: String,
    partition_key: String,
    source_partition: Option<i32>,
    source_offset: Option<i64>,
    reason: String,
    failures: i64,
    first_failure_time: i64,
    last_failure_time: i64,
    replay_id: Option<Uuid>,
    update_time: i64,
    size: i64,
}

impl Store {
    /// A page of letters, the oldest first failure first, and whether there are more. One statement.
    pub async fn letter_list(&self, listing: &Listing) -> Result<(Vec<Letter>, bool), Error> {
        let query = list_query(self.read.get_database_backend(), listing);
        let query = query.into_model::<LetterRow>();
        let mut rows = self.told("list dead_letters", query.all(&self.read)).await?;
        let more = rows.len() > listing.limit as usize;
        rows.truncate(listing.limit as usize);
        Ok((rows.into_iter().map(letter).collect::<Result<_, _>>()?, more))
    }

    /// A letter with everything that is known of it.
    pub async fn letter_get(&self, id: DeadLetterId) -> Result<Option<Found>, Error> {
        let Some(mut row) = Entity::find_by_id(id.as_uuid()).one(&self.read).await? else { return Ok(None) };
        let actions = actions::Entity::find()
            .filter(actions::Column::LetterId.eq(id.as_uuid()))
            .order_by_asc(actions::Column::CreateTime)
            .order_by_asc(actions::Column::ActionId);
        let actions = actions.all(&self.read).await?.into_iter().map(action);
        let headers: BTreeMap<String, String> = serde_json::from_value(row.headers.take())
            .map_err(|error| Error::corrupt("headers", error.to_string()))?;
        let (letter, original) = whole(row)?;
        Ok(Some(Found { letter, headers, original, actions: actions.collect::<Result<_, _>>()? }))
    }
}

impl Tx<'_> {
    /// Letters that something is to be done about, the oldest first failure first, at most `limit`; and whether there are
    /// more. Nobody else does anything about them until the transaction has ended; what somebody else was doing is waited
    /// for, and the filter holds for what the letters are then. One statement.
    pub async fn letters_lock(&self, filter: &Filter, limit: u32) -> Result<(Vec<Letter>, bool), Error> {
        let query = lock_query(self.0.get_database_backend(), filter, limit);
        let mut rows = query.into_model::<LetterRow>().all(&self.0).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok((rows.into_iter().map(letter).collect::<Result<_, _>>()?, more))
    }

    /// The messages of letters, byte for byte. One statement.
    pub async fn letters_originals(
        &self,
        ids: &[DeadLetterId],
    ) -> Result<BTreeMap<DeadLetterId, Vec<u8>>, Error> {
        let ids = ids.iter().map(|id| id.as_uuid()).collect();
        let originals = Entity::find().select_only().columns([Column::LetterId, Column::Original]);
        let originals = originals.filter(among(self.0.get_database_backend(), Column::LetterId, ids));
        let rows: Vec<(Uuid, Vec<u8>)> = originals.into_tuple().all(&self.0).await?;
        Ok(rows.into_iter().map(|(id, original)| (DeadLetterId::from_uuid(id), original)).collect())
    }
}

/// A page of letters: one range of one index, read in its order.
pub(crate) fn list_query(backend: DbBackend, listing: &Listing) -> Select<Entity> {
    let mut query = without_originals();
    if let Some(after) = &listing.after {
        let place = [Column::FirstFailureTime, Column::LetterId].map(|column| Expr::col((Entity, column)));
        let cursor = [Expr::val(after.first_failure_time), Expr::val(after.letter_id)];
        query = query.filter(Expr::tuple(place).gt(Expr::tuple(cursor)));
    }
    in_order(query.filter(condition(backend, &listing.filter)), listing.limit)
}

pub(crate) fn lock_query(backend: DbBackend, filter: &Filter, limit: u32) -> Select<Entity> {
    in_order(without_originals().filter(condition(backend, filter)), limit).lock_exclusive()
}

fn without_originals() -> Select<Entity> {
    let size: SimpleExpr = Func::cust("length").arg(Expr::col((Entity, Column::Original))).into();
    Entity::find()
        .select_only()
        .columns([
            Column::LetterId,
            Column::State,
            Column::Handler,
            Column::EventId,
            Column::EventType,
            Column::Pubsub,
            Column::Topic,
            Column::PartitionKey,
            Column::SourcePartition,
            Column::SourceOffset,
            Column::Reason,
            Column::Failures,
            Column::FirstFailureTime,
            Column::LastFailureTime,
            Column::ReplayId,
            Column::UpdateTime,
        ])
        .expr_as(size.cast_as("bigint"), "size")
}

fn in_order(query: Select<Entity>, limit: u32) -> Select<Entity> {
    let query = query.order_by_asc(Column::FirstFailureTime).order_by_asc(Column::LetterId);
    query.limit(u64::from(limit) + 1)
}

fn condition(backend: DbBackend, filter: &Filter) -> Condition {
    let ids = filter.ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>();
    let ids = (!ids.is_empty()).then(|| among(backend, Column::LetterId, ids));
    let others = LetterState::ALL.into_iter().filter(|state| !filter.states.contains(state));
    let states = match (filter.states.as_slice(), others.collect::<Vec<_>>().as_slice()) {
        ([], _) | (_, []) => None,
        (_, [other]) => Some(Expr::col((Entity, Column::State)).ne(literal(*other))),
        ([one, ..], _) => Some(Expr::col((Entity, Column::State)).eq(literal(*one))),
    };
    let text = |column: Column, text: &Option<String>| text.as_ref().map(|text| column.eq(text.as_str()));
    let conditions = [
        ids,
        // One state is a range of an index; several are read in the order of another one, and sorted out.
        states,
        text(Column::Topic, &filter.topic),
        text(Column::Handler, &filter.handler),
        text(Column::EventType, &filter.event_type),
        text(Column::PartitionKey, &filter.key),
        filter.start_time.map(|time| Column::LastFailureTime.gte(micros(time))),
        filter.end_time.map(|time| Column::LastFailureTime.lt(micros(time))),
        // What failed last before has failed first before, too: where the range of the index ends.
        filter.end_time.map(|time| Column::FirstFailureTime.lt(micros(time))),
    ];
    conditions.into_iter().flatten().fold(Condition::all(), Condition::add)
}

/// A part of the text, so that the planner knows which it is: open letters are few among those that have ended.
fn literal(state: LetterState) -> SimpleExpr {
    Expr::cust(format!("'{}'", state.name()))
}

fn letter(row: LetterRow) -> Result<Letter, Error> {
    Ok(Letter {
        id: DeadLetterId::from_uuid(row.letter_id),
        state: state(&row.state)?,
        handler: row.handler,
        reason: row.reason,
        failures: row.failures,
        first_failure_time: instant(row.first_failure_time)?,
        last_failure_time: instant(row.last_failure_time)?,
        event_id: EventId::from_uuid(row.event_id),
        event_type: row.event_type,
        pubsub: row.pubsub,
        topic: row.topic,
        key: row.partition_key,
        partition: row.source_partition,
        offset: row.source_offset,
        size: row.size,
        replay_id: row.replay_id.map(EventId::from_uuid),
        update_time: instant(row.update_time)?,
    })
}

fn whole(row: Model) -> Result<(Letter, Vec<u8>), Error> {
    let summary = LetterRow {
        letter_id: row.letter_id,
        state: row.state,
        handler: row.handler,
        event_id: row.event_id,
        event_type: row.event_type,
        pubsub: row.pubsub,
        topic: row.topic,
        partition_key: row.partition_key,
        source_partition: row.source_partition,
        source_offset: row.source_offset,
        reason: row.reason,
        failures: row.failures,
        first_failure_time: row.first_failure_time,
        last_failure_time: row.last_failure_time,
        replay_id: row.replay_id,
        update_time: row.update_time,
        size: i64::try_from(row.original.len()).unwrap_or(i64::MAX),
    };
    Ok((letter(summary)?, row.original))
}
