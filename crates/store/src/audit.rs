//! The audit log: every event, once.

mod record;

use docket_domain::{EventId, Instant, TaskId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::entity::audit_entries::{Column, Entity, Model};
use crate::{Error, Store, instant, micros};

pub use record::NewEntry;

/// One event as the log keeps it; `Json` is whatever JSON texts are.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<Json = serde_json::Value> {
    /// Names the event.
    pub event_id: EventId,
    /// The CloudEvents `type`.
    pub event_type: String,
    /// The task.
    pub task_id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// The task's version after it; 0 for what is no change of the task: what became of a reminder.
    pub task_version: i64,
    /// When it happened.
    pub event_time: Instant,
    /// When it was stored.
    pub record_time: Instant,
    /// What changed, as it was before: a JSON object.
    pub before: Option<Json>,
    /// The task after it: a JSON object.
    pub after: Json,
    /// The trace in which it happened.
    pub trace_id: Option<String>,
}

/// Where a page ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cursor {
    event_time: i64,
    task_version: i64,
    event_id: Uuid,
}

impl Cursor {
    /// The place of an entry in a listing.
    pub fn of(entry: &Entry) -> Self {
        Self {
            event_time: micros(entry.event_time),
            task_version: entry.task_version,
            event_id: entry.event_id.as_uuid(),
        }
    }
}

/// Which entries of a user to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Of this task.
    pub task_id: Option<TaskId>,
    /// Of these types; empty for all.
    pub event_types: Vec<String>,
    /// From this instant on.
    pub start_time: Option<Instant>,
    /// Before this instant.
    pub end_time: Option<Instant>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most to answer.
    pub limit: u32,
}

impl Store {
    /// A page of the user's entries in the order in which they happened, and whether there are more.
    pub async fn audit_list(&self, owner: &UserId, listing: &Listing) -> Result<(Vec<Entry>, bool), Error> {
        let mut rows = self.told("list audit_entries", list_query(owner, listing).all(&self.read)).await?;
        let more = rows.len() > listing.limit as usize;
        rows.truncate(listing.limit as usize);
        Ok((rows.into_iter().map(entry).collect::<Result<_, _>>()?, more))
    }

    /// Whether the log has heard of the task as one of the user's.
    pub async fn audit_knows(&self, owner: &UserId, task: TaskId) -> Result<bool, Error> {
        let query = Entity::find()
            .filter(Column::TaskId.eq(task.as_uuid()))
            .filter(Column::UserId.eq(owner.as_str()))
            .limit(1);
        Ok(query.count(&self.read).await? > 0)
    }
}

/// A page of a user's entries: one range of one index, read in its order.
pub(crate) fn list_query(owner: &UserId, listing: &Listing) -> Select<Entity> {
    let mut query = Entity::find().filter(Column::UserId.eq(owner.as_str()));
    if let Some(task) = listing.task_id {
        query = query.filter(Column::TaskId.eq(task.as_uuid()));
    }
    if !listing.event_types.is_empty() {
        query = query.filter(Column::EventType.is_in(&listing.event_types));
    }
    if let Some(start) = listing.start_time {
        query = query.filter(Column::EventTime.gte(micros(start)));
    }
    if let Some(end) = listing.end_time {
        query = query.filter(Column::EventTime.lt(micros(end)));
    }
    if let Some(after) = &listing.after {
        query = query.filter(later_than(after));
    }
    query
        .order_by_asc(Column::EventTime)
        .order_by_asc(Column::TaskVersion)
        .order_by_asc(Column::EventId)
        .limit(u64::from(listing.limit) + 1)
}

/// As one comparison: an index finds its place with it.
fn later_than(cursor: &Cursor) -> SimpleExpr {
    let place =
        [Column::EventTime, Column::TaskVersion, Column::EventId].map(|column| Expr::col((Entity, column)));
    let cursor = [Expr::val(cursor.event_time), Expr::val(cursor.task_version), Expr::val(cursor.event_id)];
    Expr::tuple(place).gt(Expr::tuple(cursor))
}

fn entry(row: Model) -> Result<Entry, Error> {
    Ok(Entry {
        event_id: EventId::from_uuid(row.event_id),
        event_type: row.event_type,
        task_id: TaskId::from_uuid(row.task_id),
        user_id: row.user_id.parse().map_err(|_| Error::corrupt("user_id", &row.user_id))?,
        task_version: row.task_version,
        event_time: instant(row.event_time)?,
        record_time: instant(row.record_time)?,
        before: row.before,
        after: row.after,
        trace_id: row.trace_id,
    })
}
