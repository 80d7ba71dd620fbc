//! Events that are still to be published, in the order in which they must be.

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Func, Query, SimpleExpr};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _};

use crate::entity::{inbox, outbox};
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
        let rows = outbox::Entity::find()
            .filter(outbox::Column::Position.gt(after))
            .filter(outbox::Column::Topic.is_in(topics))
            .filter(Expr::exists(in_front).not())
            .order_by_asc(outbox::Column::Position)
            .limit(limit)
            .all(&self.read)
            .await?;
        rows.into_iter().map(pending).collect()
    }

    /// Removes the events that the broker has.
    pub async fn outbox_remove(&self, events: &[EventId]) -> Result<(), Error> {
        let ids = events.iter().map(|event| event.as_uuid());
        outbox::Entity::delete_many().filter(outbox::Column::EventId.is_in(ids)).exec(&self.write).await?;
        Ok(())
    }

    /// Removes those of the events that every one of `handlers` has done with, and answers which. One statement.
    pub async fn outbox_confirm(&self, events: &[EventId], handlers: &[&str]) -> Result<Vec<EventId>, Error> {
        let receipts = Query::select()
            .expr(Func::count(Expr::col((inbox::Entity, inbox::Column::Handler))))
            .from(inbox::Entity)
            .and_where(
                Expr::col((inbox::Entity, inbox::Column::EventId))
                    .equals((outbox::Entity, outbox::Column::EventId)),
            )
            .and_where(Expr::col((inbox::Entity, inbox::Column::Handler)).is_in(handlers.iter().copied()))
            .to_owned();
        let receipts = SimpleExpr::SubQuery(None, Box::new(receipts.into()));
        let needed = i64::try_from(handlers.len()).unwrap_or(i64::MAX);
        let ids = events.iter().map(|event| event.as_uuid());
        let removed = outbox::Entity::delete_many()
            .filter(outbox::Column::EventId.is_in(ids))
            .filter(receipts.gte(needed))
            .exec_with_returning(&self.write)
            .await?;
        Ok(removed.into_iter().map(|row| EventId::from_uuid(row.event_id)).collect())
    }

    /// How many events wait.
    pub async fn outbox_depth(&self) -> Result<u64, Error> {
        use sea_orm::PaginatorTrait as _;
        Ok(outbox::Entity::find().count(&self.read).await?)
    }
}

fn pending(row: outbox::Model) -> Result<PendingEvent, Error> {
    Ok(PendingEvent {
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
