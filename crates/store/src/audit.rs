//! The audit log: every event, once.

use std::fmt::Display;

use docket_domain::{EventId, Instant, TaskId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _, SimpleExpr, Value};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Select, Statement,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::among::digits;
use crate::entity::audit_entries::{Column, Entity, Model};
use crate::{Error, Store, Tx, instant, micros};

/// The same text however many entries it stores.
const INSERT: &str = include_str!("audit/insert.sql");
const INSERT_IN_PROCESS: &str = include_str!("audit/insert.sqlite.sql");

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

impl Tx<'_> {
    /// Stores entries, whose JSON is what their `Json` is displayed as; nothing happens with those whose event the log has already. Answers how many it did not have. One
    /// statement.
    pub async fn audit_insert_all<Json: Display + Sync>(
        &self,
        entries: &[&Entry<Json>],
    ) -> Result<u64, Error> {
        if entries.is_empty() {
            return Ok(0);
        }
        let insert = match self.0.get_database_backend() {
            DbBackend::Postgres => {
                Statement::from_sql_and_values(DbBackend::Postgres, INSERT, columns(entries))
            }
            _ => {
                let rows = entries.iter().map(|entry| row(entry)).collect::<serde_json::Value>();
                let rows = rows.to_string();
                Statement::from_sql_and_values(DbBackend::Sqlite, INSERT_IN_PROCESS, [rows.into()])
            }
        };
        Ok(self.0.execute_raw(insert).await?.rows_affected())
    }
}

fn row<Json: Display>(entry: &Entry<Json>) -> serde_json::Value {
    serde_json::json!({
        "event_id": digits(entry.event_id.as_uuid()),
        "event_type": entry.event_type,
        "task_id": digits(entry.task_id.as_uuid()),
        "user_id": entry.user_id.as_str(),
        "task_version": entry.task_version,
        "event_time": micros(entry.event_time),
        "record_time": micros(entry.record_time),
        "before": entry.before.as_ref().map(ToString::to_string),
        "after": entry.after.to_string(),
        "trace_id": entry.trace_id,
    })
}

/// The columns of the entries, as arrays. Those hold no NULL: an empty text stands for it.
fn columns<Json: Display>(entries: &[&Entry<Json>]) -> [Value; 10] {
    fn of<Json, T>(entries: &[&Entry<Json>], column: impl Fn(&Entry<Json>) -> T) -> Vec<T> {
        entries.iter().map(|entry| column(entry)).collect()
    }
    let json = |value: &Option<Json>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    [
        of(entries, |entry| entry.event_id.as_uuid()).into(),
        of(entries, |entry| entry.event_type.clone()).into(),
        of(entries, |entry| entry.task_id.as_uuid()).into(),
        of(entries, |entry| entry.user_id.to_string()).into(),
        of(entries, |entry| entry.task_version).into(),
        of(entries, |entry| micros(entry.event_time)).into(),
        of(entries, |entry| micros(entry.record_time)).into(),
        of(entries, |entry| json(&entry.before)).into(),
        of(entries, |entry| entry.after.to_string()).into(),
        of(entries, |entry| entry.trace_id.clone().unwrap_or_default()).into(),
    ]
}

impl Store {
    /// A page of the user's entries in the order in which they happened, and whether there are more.
    pub async fn audit_list(&self, owner: &UserId, listing: &Listing) -> Result<(Vec<Entry>, bool), Error> {
        let mut rows = list_query(owner, listing).all(&self.read).await?;
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
