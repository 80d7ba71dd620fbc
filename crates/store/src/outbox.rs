//! Events that are still to be published, in the order in which they must be.

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query, SimpleExpr, UnionType};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    Select,
};

use crate::entity::{inbox, outbox};
use crate::text::{SEPARATOR, join_texts};
use crate::{Error, Store, Tx, instant, micros};

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
    /// The handlers of this database that are done with it.
    pub receipts: Vec<String>,
}

/// How many parts the outbox is cut into, so that several relays can share it. A key is always in the same part.
const SHARDS: u32 = 64;

impl Tx<'_> {
    /// Adds events; they leave after the commit.
    pub async fn outbox_append(&self, events: Vec<NewEvent>) -> Result<(), Error> {
        let row = |event: NewEvent| {
            let (traceparent, tracestate) = match event.trace {
                Some(trace) => (Some(trace.parent), trace.state),
                None => (None, None),
            };
            outbox::ActiveModel {
                position: NotSet,
                event_id: Set(event.id.as_uuid()),
                shard: Set(shard(&event.key)),
                topic: Set(event.topic),
                partition_key: Set(event.key),
                event_type: Set(event.event_type.to_owned()),
                source: Set(event.source),
                payload: Set(event.payload),
                traceparent: Set(traceparent),
                tracestate: Set(tracestate),
                create_time: Set(micros(event.time)),
            }
        };
        outbox::Entity::insert_many(events.into_iter().map(row)).exec_without_returning(&self.0).await?;
        Ok(())
    }
}

impl Store {
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
        self.with_receipts(heads).await
    }

    /// The event that follows each of these in its key, where there is one. One statement, one look into the index for
    /// each event.
    pub async fn outbox_next(&self, events: &[PendingEvent]) -> Result<Vec<PendingEvent>, Error> {
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
            Query::select()
                .column(outbox::Column::Position)
                .from_subquery(first, Alias::new("next"))
                .to_owned()
        };
        let Some((first, rest)) = events.split_first() else { return Ok(Vec::new()) };
        let mut positions = next(first);
        for event in rest {
            positions.union(UnionType::All, next(event));
        }
        let following = outbox::Entity::find().filter(outbox::Column::Position.in_subquery(positions));
        self.with_receipts(following.order_by_asc(outbox::Column::Position)).await
    }

    async fn with_receipts(&self, query: Select<outbox::Entity>) -> Result<Vec<PendingEvent>, Error> {
        let handler = Expr::col((inbox::Entity, inbox::Column::Handler));
        let joined = join_texts(self.read.get_database_backend(), handler);
        let receipts = Query::select()
            .expr(joined)
            .from(inbox::Entity)
            .and_where(
                Expr::col((inbox::Entity, inbox::Column::EventId))
                    .equals((outbox::Entity, outbox::Column::EventId)),
            )
            .to_owned();
        let query = query.expr_as(SimpleExpr::SubQuery(None, Box::new(receipts.into())), "receipts");
        let rows: Vec<PendingRow> = query.into_model().all(&self.read).await?;
        rows.into_iter().map(pending).collect()
    }

    /// Removes events that have arrived.
    pub async fn outbox_remove(&self, events: &[EventId]) -> Result<(), Error> {
        let ids = events.iter().map(|event| event.as_uuid());
        outbox::Entity::delete_many().filter(outbox::Column::EventId.is_in(ids)).exec(&self.write).await?;
        Ok(())
    }

    /// How many events wait.
    pub async fn outbox_depth(&self) -> Result<u64, Error> {
        use sea_orm::PaginatorTrait as _;
        Ok(outbox::Entity::find().count(&self.read).await?)
    }
}

/// A row of `outbox` together with the handlers that are done with its event.
#[derive(FromQueryResult)]
struct PendingRow {
    #[sea_orm(nested)]
    event: outbox::Model,
    receipts: Option<String>,
}

fn pending(PendingRow { event: row, receipts }: PendingRow) -> Result<PendingEvent, Error> {
    Ok(PendingEvent {
        receipts: receipts.iter().flat_map(|names| names.split(SEPARATOR)).map(str::to_owned).collect(),
        position: row.position,
        id: EventId::from_uuid(row.event_id),
        topic: row.topic,
        key: row.partition_key,
        event_type: row.event_type,
        source: row.source,
        payload: row.payload,
        trace: row.traceparent.map(|parent| Trace { parent, state: row.tracestate }),
        time: instant(row.create_time)?,
    })
}

/// FNV-1a, because the number must be the same in every process and every release.
fn shard(key: &str) -> i16 {
    let hash =
        key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i16::try_from(hash % SHARDS).unwrap_or_default()
}
