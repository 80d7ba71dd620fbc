//! Events that are still to be published, in the order in which they must be.

use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, Ordering};

use docket_domain::{EventId, Instant};
use docket_telemetry::TraceContext;
use sea_orm::ActiveValue::NotSet;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Statement,
};
use tokio::sync::Notify;

use crate::entity::outbox;
use crate::page::{self, page_bytes};
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

impl Trace {
    /// To be stored; none of a context that is empty.
    pub fn of(context: TraceContext) -> Option<Self> {
        context.traceparent.map(|parent| Self { parent, state: context.tracestate })
    }

    /// To go on with; empty when what was stored is damaged.
    pub fn context(&self) -> TraceContext {
        TraceContext::parse(Some(&self.parent), self.state.as_deref())
    }
}

/// An event in the outbox.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingEvent {
    /// Grows with the order of the events of one key.
    pub position: i64,
    /// Names the row, and what receipts are given under: the event, or the replay of one.
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
    /// Whether `payload` is the whole message, which is published as it is, and not the `data` of an event. Then
    /// `event_type` and `source` are empty.
    pub raw: bool,
    /// The one handler that it is for; the others only give a receipt. None: it is for all.
    pub handler: Option<String>,
    /// The event that is published once more: the CloudEvents `id` of the message, while `id` names the replay. None when
    /// `id` names the event itself, and in a row that is `raw`, whose message names it.
    pub republish_of: Option<EventId>,
}

impl PendingEvent {
    /// Whether it was published before, under another row; `id` names the replay then.
    pub fn is_replay(&self) -> bool {
        self.raw || self.republish_of.is_some()
    }
}

/// A message that is to be published once more, byte for byte.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewReplay {
    /// Names the replay: receipts are given under this id.
    pub id: EventId,
    /// Where it goes.
    pub topic: String,
    /// What it must stay in order with.
    pub key: String,
    /// The one handler that it is for; none when it is for all.
    pub handler: Option<String>,
    /// The whole message.
    pub message: Vec<u8>,
    /// The trace in which the replay was asked for.
    pub trace: Option<Trace>,
    /// When it was asked for.
    pub time: Instant,
}

/// How many parts the outbox is cut into, so that several relays can share it. A key is always in the same part.
pub const SHARDS: u32 = 64;

/// How many rows a statement may insert: SQLite takes 32,766 values.
const ROWS: usize = 1_000;

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
        self.outbox_insert(events.into_iter().map(event_row)).await
    }

    /// Adds events that are published once more, to all their handlers, each under a replay that was never used before.
    pub async fn outbox_again(&self, events: Vec<(NewEvent, EventId)>) -> Result<(), Error> {
        self.outbox_insert(events.into_iter().map(again_row)).await
    }

    /// The same for one handler alone; the others only give receipts.
    pub async fn outbox_again_for(
        &self,
        handler: &str,
        events: Vec<(NewEvent, EventId)>,
    ) -> Result<(), Error> {
        let again = |event| outbox::Model { handler: Some(handler.to_owned()), ..again_row(event) };
        self.outbox_insert(events.into_iter().map(again)).await
    }

    /// Adds messages that are published once more, as they were; they leave after the commit. One statement for a
    /// thousand.
    pub async fn outbox_replay(&self, replays: Vec<NewReplay>) -> Result<(), Error> {
        self.outbox_insert(replays.into_iter().map(replay_row)).await
    }

    /// One statement for as many as the databases take values of.
    pub(crate) async fn outbox_insert(&self, rows: impl Iterator<Item = outbox::Model>) -> Result<(), Error> {
        let row = |row: outbox::Model| outbox::ActiveModel { position: NotSet, ..row.into() };
        let mut rows = rows.map(row);
        loop {
            let next: Vec<outbox::ActiveModel> = rows.by_ref().take(ROWS).collect();
            if next.is_empty() {
                return Ok(());
            }
            outbox::Entity::insert_many(next).exec_without_returning(&self.0).await?;
        }
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

    /// The oldest event of each key beyond `after`, at most `limit` and a page, of these topics. One statement.
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
        self.page(heads).await
    }

    /// The events that follow each of these in its key, at most `each`; as many as fit into a page, in the order of their
    /// positions. One statement, one look into the index for each event.
    pub async fn outbox_next<E: Borrow<PendingEvent>>(
        &self,
        events: &[E],
        each: u32,
    ) -> Result<Vec<PendingEvent>, Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let events: Vec<&PendingEvent> = events.iter().map(Borrow::borrow).collect();
        if self.read.get_database_backend() != DbBackend::Postgres {
            let following = outbox::Column::Position.in_subquery(positions_of_next(&events, each));
            return self.page(outbox::Entity::find().filter(following)).await;
        }
        let values = [
            events.iter().map(|event| event.key.clone()).collect::<Vec<_>>().into(),
            events.iter().map(|event| event.topic.clone()).collect::<Vec<_>>().into(),
            events.iter().map(|event| event.position).collect::<Vec<_>>().into(),
            page_bytes().into(),
            i64::from(each).into(),
        ];
        let next = Statement::from_sql_and_values(DbBackend::Postgres, NEXT, values);
        let rows = in_time(outbox::Entity::find().from_raw_sql(next).all(&self.relay)).await?;
        rows.into_iter().map(pending).collect()
    }

    async fn page(&self, rows: Select<outbox::Entity>) -> Result<Vec<PendingEvent>, Error> {
        let rows = self.read.query_all(&page::within(rows)).await?;
        rows.iter().map(|row| pending(outbox::Model::from_query_result(row, "")?)).collect()
    }

    /// The events of a key that wait, in their order, at most `limit`: those beyond the position `after`.
    pub async fn outbox_of(
        &self,
        topic: &str,
        key: &str,
        after: i64,
        limit: u64,
    ) -> Result<Vec<PendingEvent>, Error> {
        let of_key = outbox::Entity::find()
            .filter(outbox::Column::PartitionKey.eq(key))
            .filter(outbox::Column::Topic.eq(topic))
            .filter(outbox::Column::Position.gt(after))
            .order_by_asc(outbox::Column::Position)
            .limit(limit);
        of_key.all(&self.read).await?.into_iter().map(pending).collect()
    }

    /// How many events wait.
    pub async fn outbox_depth(&self) -> Result<u64, Error> {
        use sea_orm::PaginatorTrait as _;
        Ok(outbox::Entity::find().count(&self.read).await?)
    }
}

/// Where the events are that follow, as a list of looks into the index: SQLite has no other way to give one statement
/// several of them.
fn positions_of_next(events: &[&PendingEvent], each: u32) -> SelectStatement {
    let next = |event: &&PendingEvent| {
        let first = Query::select()
            .column(outbox::Column::Position)
            .from(outbox::Entity)
            .and_where(outbox::Column::PartitionKey.eq(event.key.as_str()))
            .and_where(outbox::Column::Topic.eq(event.topic.as_str()))
            .and_where(outbox::Column::Position.gt(event.position))
            .order_by(outbox::Column::Position, sea_orm::Order::Asc)
            .limit(u64::from(each))
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

fn again_row((event, replay): (NewEvent, EventId)) -> outbox::Model {
    let row = event_row(event);
    outbox::Model { event_id: replay.as_uuid(), republish_of: Some(row.event_id), ..row }
}

fn replay_row(replay: NewReplay) -> outbox::Model {
    let event = NewEvent {
        id: replay.id,
        topic: replay.topic,
        key: replay.key,
        event_type: "",
        source: String::new(),
        payload: replay.message,
        trace: replay.trace,
        time: replay.time,
    };
    outbox::Model { raw: true, handler: replay.handler, ..event_row(event) }
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
        raw: row.raw,
        handler: row.handler,
        republish_of: row.republish_of.map(EventId::from_uuid),
    })
}

/// FNV-1a, because the number must be the same in every process and every release.
pub(crate) fn shard(key: &str) -> i16 {
    let hash =
        key.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    i16::try_from(hash % SHARDS).unwrap_or_default()
}
