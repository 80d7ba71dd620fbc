//! What tells whether the audit log has every event: the versions that it knows of each task, and the versions that the
//! tasks have. Of everybody's tasks, for who operates Docket; nothing but versions is read.

use std::ops::RangeInclusive;

use docket_domain::{TaskId, UserId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::entity::tasks::{Column, Entity};
use crate::{Error, Store};

/// The versions of a task that the audit log has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Versions {
    /// The task.
    pub task_id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// The highest version.
    pub highest: i64,
    /// Those that are missing between 1 and the highest, ascending.
    pub missing: Vec<RangeInclusive<i64>>,
}

/// How far a task has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// The task.
    pub task_id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// Its version.
    pub version: i64,
}

#[derive(FromQueryResult)]
struct VersionRow {
    task_id: Uuid,
    user_id: String,
    task_version: i64,
    previous: i64,
    is_last: bool,
}

#[derive(FromQueryResult)]
struct HeadRow {
    task_id: Uuid,
    user_id: String,
    version: i64,
}

impl Store {
    /// The next `limit` tasks of the audit log after `after`, in the order of their ids. One statement.
    pub async fn audit_versions(&self, after: Option<TaskId>, limit: u64) -> Result<Vec<Versions>, Error> {
        let rows = self.read.query_all_raw(versions_query(self.read.get_database_backend(), after, limit));
        let mut found: Vec<Versions> = Vec::new();
        let mut missing = Vec::new();
        for row in rows.await? {
            let row = VersionRow::from_query_result(&row, "")?;
            if row.previous + 1 < row.task_version {
                missing.push(row.previous + 1..=row.task_version - 1);
            }
            if row.is_last {
                found.push(Versions {
                    task_id: TaskId::from_uuid(row.task_id),
                    user_id: owner(&row.user_id)?,
                    highest: row.task_version,
                    missing: std::mem::take(&mut missing),
                });
            }
        }
        Ok(found)
    }

    /// The next `limit` tasks after `after`, in the order of their ids, with the deleted ones. One statement.
    pub async fn task_heads_after(&self, after: Option<TaskId>, limit: u64) -> Result<Vec<Head>, Error> {
        let rows = heads_after_query(after, limit).into_model::<HeadRow>().all(&self.read).await?;
        let head = |row: HeadRow| {
            let user_id = owner(&row.user_id)?;
            Ok(Head { task_id: TaskId::from_uuid(row.task_id), user_id, version: row.version })
        };
        rows.into_iter().map(head).collect()
    }
}

/// A row for each hole in a task's versions, and for its highest. The tasks of a page are found, and their entries read, in
/// the order of an index, so that no more than one page is ever in memory. Entries of version 0 tell of reminders.
pub(crate) fn versions_query(backend: DbBackend, after: Option<TaskId>, limit: u64) -> Statement {
    let mut values = vec![i64::try_from(limit).unwrap_or(i64::MAX).into()];
    values.extend(after.map(|task| task.as_uuid().into()));
    let beyond = if after.is_some() { "AND task_id > $2" } else { "" };
    let sql = format!(
        "WITH page AS (
            SELECT task_id FROM audit_entries WHERE task_version > 0 {beyond}
            GROUP BY task_id ORDER BY task_id LIMIT $1
        ), versions AS (
            SELECT entries.task_id, user_id, task_version,
                COALESCE(lag(task_version) OVER by_version, 0) AS previous,
                lead(task_version) OVER by_version IS NULL AS is_last
            FROM page JOIN audit_entries AS entries ON entries.task_id = page.task_id AND task_version > 0
            WINDOW by_version AS (PARTITION BY entries.task_id ORDER BY task_version, event_id)
        )
        SELECT task_id, user_id, task_version, previous, is_last FROM versions
        WHERE is_last OR task_version > previous + 1
        ORDER BY task_id, task_version, is_last"
    );
    Statement::from_sql_and_values(backend, sql, values)
}

pub(crate) fn heads_after_query(after: Option<TaskId>, limit: u64) -> Select<Entity> {
    let heads = Entity::find().select_only().columns([Column::TaskId, Column::UserId, Column::Version]);
    let heads = heads.order_by_asc(Column::TaskId).limit(limit);
    match after {
        Some(task) => heads.filter(Column::TaskId.gt(task.as_uuid())),
        None => heads,
    }
}

fn owner(text: &str) -> Result<UserId, Error> {
    text.parse().map_err(|_| Error::corrupt("user_id", text))
}
