//! The events of tasks that have left the outbox, kept for a while: what a reader of events has missed can be published
//! once more.
//!
//! They come here by [`Store::outbox_remove`], at the time that the database tells.

use docket_domain::{EventId, Instant, TaskId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};

use crate::among::among;
use crate::entity::outbox;
use crate::entity::published_events::{Column, Entity, Model};
use crate::outbox::{Trace, shard};
use crate::{Error, Store, Tx, instant, micros};

/// An event that was published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// Names the event.
    pub event_id: EventId,
    /// Where it went.
    pub topic: String,
    /// What it was in order with: the task's id.
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
    /// When it left the outbox.
    pub publish_time: Instant,
}

/// An event that is to be published once more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Again {
    /// The event.
    pub event: EventId,
    /// Names the replay: receipts are given under this id, which was never used before.
    pub replay: EventId,
}

impl Store {
    /// The events of a task on this topic that are still kept, in the order in which they happened, at most `limit`: those
    /// after the event that happened then and has this id, or the first ones.
    pub async fn published_of(
        &self,
        topic: &str,
        task: TaskId,
        after: Option<(Instant, EventId)>,
        limit: u64,
    ) -> Result<Vec<Published>, Error> {
        let rows = of_query(topic, task, after, limit).all(&self.read).await?;
        rows.into_iter().map(published).collect()
    }
}

impl Tx<'_> {
    /// Adds events to the outbox once more, for this handler alone, in the order in which they happened; they leave after
    /// the commit as [`PendingEvent::republish_of`](crate::outbox::PendingEvent::republish_of). Answers how many: those
    /// that are not kept any more are left out.
    pub async fn published_again(&self, events: &[Again], handler: &str) -> Result<u64, Error> {
        let backend = self.0.get_database_backend();
        let ids = events.iter().map(|again| again.event.as_uuid()).collect();
        let kept = Entity::find()
            .filter(among(backend, Column::EventId, ids))
            .order_by_asc(Column::CreateTime)
            .order_by_asc(Column::EventId);
        let kept = kept.all(&self.0).await?;
        let again = |row: Model| {
            let again = events.iter().find(|again| again.event.as_uuid() == row.event_id)?;
            Some(pending_again(row, again.replay, handler))
        };
        let rows: Vec<outbox::Model> = kept.into_iter().filter_map(again).collect();
        let count = rows.len() as u64;
        self.outbox_insert(rows.into_iter()).await?;
        Ok(count)
    }
}

pub(crate) fn of_query(
    topic: &str,
    task: TaskId,
    after: Option<(Instant, EventId)>,
    limit: u64,
) -> Select<Entity> {
    let mut of_task = Entity::find().filter(Column::PartitionKey.eq(task.to_string()));
    if let Some((time, event)) = after {
        let place =
            Expr::tuple([Column::CreateTime, Column::EventId].map(|column| Expr::col((Entity, column))));
        of_task =
            of_task.filter(place.gt(Expr::tuple([Expr::val(micros(time)), Expr::val(event.as_uuid())])));
    }
    of_task = of_task.filter(Column::Topic.eq(topic));
    of_task.order_by_asc(Column::CreateTime).order_by_asc(Column::EventId).limit(limit)
}

fn pending_again(row: Model, replay: EventId, handler: &str) -> outbox::Model {
    outbox::Model {
        position: 0,
        event_id: replay.as_uuid(),
        shard: shard(&row.partition_key),
        topic: row.topic,
        partition_key: row.partition_key,
        event_type: row.event_type,
        source: row.source,
        payload: row.payload,
        traceparent: row.traceparent,
        tracestate: row.tracestate,
        create_time: row.create_time,
        raw: false,
        handler: Some(handler.to_owned()),
        republish_of: Some(row.event_id),
    }
}

pub(crate) fn published(row: Model) -> Result<Published, Error> {
    Ok(Published {
        event_id: EventId::from_uuid(row.event_id),
        topic: row.topic,
        key: row.partition_key,
        event_type: row.event_type,
        source: row.source,
        payload: row.payload,
        trace: row.traceparent.map(|parent| Trace { parent, state: row.tracestate }),
        time: instant(row.create_time)?,
        publish_time: instant(row.publish_time)?,
    })
}
