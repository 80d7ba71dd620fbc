//! Events that are still to be published, in the order in which they must be.

use std::sync::atomic::{AtomicBool, Ordering};

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Statement,
};
use tokio::sync::Notify;

use crate::entity::outbox;
use crate::patience::in_time;
use crate::row::event_row;
use crate::{Error, Store, Tx, instant};

/// An event that is to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewEvent {
    /// Names the event.
    pub id: EventId,
    /// Where it goes.
    pub topic: String,
    /// Events with the same key and topic are published one after the other, in the order of their commits.
    pub key: String,
    /// The CloudEvents `type`.
    pub event_type: &'static str,
    /// The CloudEvents `source`.
    pub source: String,
    /// The CloudEvents `data`: JSON.
    pub payload: Vec<u8>,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// When it happened.
    pub time: Instant,
}

/// W3C Trace Context, as the caller sent it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The header `traceparent`.
    pub parent: String,
    /// The header `tracestate`.
    pub state: Option<String>,
}

/// An event in the outbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingEvent {
    /// Grows with the order of the events of one key.
    pub position: i64,
    /// Names the event.
    pub id: EventId,
    /// Where it goes.
    pub topic: String,
    /// What it must stay in order with.
    pub key: String,
    /// The part of the outbox that its key is in.
    pub shard: i16,
    /// The CloudEvents `type`.
    pub event_type: String,
    /// The CloudEvents `source`.
    pub source: String,
    /// The CloudEvents `data`: JSON.
    pub payload: Vec<u8>,
    /// The trace in which it happened.
    pub trace: Option<Trace>,
    /// When it happened.
    pub time: Instant,
}

/// How many parts the outbox is cut into, so that several relays can share it. A key is always in the same part.
pub const SHARDS: u32 = 64;

/// What a process tells the relay of an outbox.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    changed: Notify,
    appended: AtomicBool,
}

/// One look into the index for each event, in one statement whose text never changes.
const NEXT: &str = include_str!("relay/next.sql");

impl Tx<'_> {
    /// Adds events; they leave after the commit.
    pub async fn outbox_append(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        let row = |event| outbox::ActiveModel { position: NotSet, ..event_row(event).into() };
        outbox::Entity::insert_many(events.into_iter().map(row)).exec_without_returning(&self.0).await?;
        Ok(())
    }
}

impl Store {
    /// Wakes the relay of this outbox: events were committed.
    pub fn outbox_appended(&self) {
        self.outbox.appended.store(true, Ordering::Release);
        self.outbox.changed.notify_one();
    }

    /// Wakes the relay of this outbox: handlers are done with events, or others have committed some.
    pub fn outbox_changed(&self) {
        self.outbox.changed.notify_one();
    }

    /// Waits until the relay is woken; once before counts.
    pub async fn outbox_change(&self) {
        self.outbox.changed.notified().await;
    }

    /// Whether events were committed by this process since this was last asked.
    pub fn outbox_take_appended(&self) -> bool {
        self.outbox.appended.swap(false, Ordering::AcqRel)
    }

    /// The oldest event of each key beyond `after`, at most `limit`, of these topics. One statement.
    ///
    /// `after` only pages through one pass over the outbox: each pass starts from the beginning, because a transaction
    /// may commit after another one that took a later position.
    pub async fn outbox_heads(
        &self,
        topics: &[String],
        after: i64,
        limit: u64,
    ) -> Result<Vec<PendingEvent>, Error> {
        let earlier = Alias::new("earlier");
        let of_earlier = |column: outbox::Column| Expr::col((earlier.clone(), column));
        let same_key =
            of_earlier(outbox::Column::PartitionKey).equals((outbox::Entity, outbox::Column::PartitionKey));
        let same_topic = of_earlier(outbox::Column::Topic).equals((outbox::Entity, outbox::Column::Topic));
        let before =
            of_earlier(outbox::Column::Position).lt(Expr::col((outbox::Entity, outbox::Column::Position)));
        let in_front = Query::select()
            .expr(Expr::val(1))
            .from_as(outbox::Entity, earlier.clone())
            .and_where(same_key)
            .and_where(same_topic)
            .and_where(before)
            .to_owned();
        let heads = outbox::Entity::find()
            .filter(outbox::Column::Position.gt(after))
            .filter(outbox::Column::Topic.is_in(topics))
            .filter(Expr::exists(in_front).not())
            .order_by_asc(outbox::Column::Position)
            .limit(limit);
        heads.all(&self.read).await?.into_iter().map(pending).collect()
    }

    /// The event that follows each of these in its key, where there is one. One statement, one look into the index for
    /// each event.
    pub async fn outbox_next(&self, events: &[PendingEvent]) -> Result<Vec<PendingEvent>, Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match self.read.get_database_backend() {
            DbBackend::Postgres => {
                let values = [
                    events.iter().map(|event| event.key.clone()).collect::<Vec<_>>().into(),
                    events.iter().map(|event| event.topic.clone()).collect::<Vec<_>>().into(),
                    events.iter().map(|event| event.position).collect::<Vec<_>>().into(),
                ];
                let next = Statement::from_sql_and_values(DbBackend::Postgres, NEXT, values);
                in_time(outbox::Entity::find().from_raw_sql(next).all(&self.read)).await?
            }
            _ => {
                let following = outbox::Column::Position.in_subquery(positions_of_next(events));
                let following = outbox::Entity::find().filter(following);
                following.order_by_asc(outbox::Column::Position).all(&self.read).await?
            }
        };
        rows.into_iter().map(pending).collect()
    }

    /// How many events wait.
    pub async fn outbox_depth(&self) -> Result<u64, Error> {
        use sea_orm::PaginatorTrait as _;
        Ok(outbox::Entity::find().count(&self.read).await?)
    }
}

/// Where the events are that follow, as a list of looks into the index: SQLite has no other way to give one statement
/// several of them.
fn positions_of_next(events: &[PendingEvent]) -> SelectStatement {
    let next = |event: &PendingEvent| {
        let first = Query::select()
            .column(outbox::Column::Position)
            .from(outbox::Entity)
            .and_where(outbox::Column::PartitionKey.eq(event.key.as_str()))
            .and_where(outbox::Column::Topic.eq(event.topic.as_str()))
            .and_where(outbox::Column::Position.gt(event.position))
            .order_by(outbox::Column::Position, sea_orm::Order::Asc)
            .limit(1)
            .to_owned();
        // Wrapped, because a part of a UNION can not have an order of its own.
        Query::select().column(outbox::Column::Position).from_subquery(first, Alias::new("next")).to_owned()
    };
    let mut parts = events.iter().map(next);
    let mut positions = parts.next().unwrap_or_default();
    for part in parts {
        positions.union(UnionType::All, part);
    }
    positions
}

pub(crate) fn pending(row: outbox::Model) -> Result<PendingEvent, Error> {
    Ok(PendingEvent {
        position: row.position,
        id: EventId::from_uuid(row.event_id),
        topic: row.topic,
        key: row.partition_key,
        shard: row.shard,
        event_type: row.event_type,
        source: row.source,
        payload: row.payload,
        trace: row.traceparent.map(|parent| Trace { parent, state: row.tracestate }),
        time: instant(row.create_time)?,
    })
}

/// FNV-1a, because the number must be the same in every process and every release.
pub(crate) fn shard(key: &str) -> i16 {
    let hash =
        key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i16::try_from(hash % SHARDS).unwrap_or_default()
}
