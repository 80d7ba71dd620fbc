//! What tells whether the target `reminders` has heard of every task: how far the tasks have come, how far it knows them,
//! and what is on its way to it. Of everybody's tasks, for who operates Docket.

#[cfg(test)]
mod plans;

use std::collections::{HashMap, HashSet};

use docket_domain::content::Moment;
use docket_domain::{Instant, Task, TaskId};
use sea_orm::{
    ColumnTrait as _, Condition, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, Select, Statement,
};
use uuid::Uuid;

use crate::among::{among, among_texts};
use crate::entity::{outbox, published_events, reminder_tasks, tasks};
use crate::published::{Published, published};
use crate::row::reminders_of;
use crate::tasks::{TaskRow, with_tags};
use crate::{Error, Store, instant, micros};

const PUBLISHED_AT: &str = include_str!("refill/published_at.sql");
const PUBLISHED_AT_IN_PROCESS: &str = include_str!("refill/published_at.sqlite.sql");

/// The CloudEvents `source` of what happens to tasks. In an SQLite file others leave by the same outbox.
const SOURCE: &str = "docket/tasks";

/// How far a task has come, and whether that concerns its reminders.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The task.
    pub task_id: TaskId,
    /// Its version.
    pub version: i64,
    /// When that was made: the time of its event.
    pub update_time: Instant,
    /// Whether it is still to be done: neither completed nor deleted.
    pub open: bool,
    /// Whether it has a reminder with a moment: a fixed one, or one that is counted from when it is due.
    pub reminds: bool,
}

/// What `reminders` knows of a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heard {
    /// The version.
    pub version: i64,
    /// Whether it takes the task for one that is still to be done.
    pub open: bool,
}

#[derive(FromQueryResult)]
struct StandingRow {
    task_id: Uuid,
    version: i64,
    update_time: i64,
    state: String,
    delete_time: Option<i64>,
    due_time: Option<i64>,
    reminders: serde_json::Value,
}

impl Store {
    /// The next `limit` tasks after `after`, in the order of their ids, with the completed and the deleted ones. One
    /// statement, like all that follow.
    pub async fn task_standings_after(
        &self,
        after: Option<TaskId>,
        limit: u64,
    ) -> Result<Vec<Standing>, Error> {
        let rows = standings_query(after, limit).into_model::<StandingRow>().all(&self.read).await?;
        rows.into_iter().map(standing).collect()
    }

    /// What `reminders` knows of these tasks; without those that it has never heard of.
    pub async fn reminders_heard(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, Heard>, Error> {
        let query = heard_query(ids, self.read.get_database_backend());
        let rows: Vec<(Uuid, i64, bool)> = query.into_tuple().all(&self.read).await?;
        let heard = |(id, version, open)| (TaskId::from_uuid(id), Heard { version, open });
        Ok(rows.into_iter().map(heard).collect())
    }

    /// Those of these tasks of which an event is in the outbox that this handler is going to hear. Events of a task leave in
    /// the order of its versions, so the newest one is among them.
    pub async fn outbox_waiting(
        &self,
        topic: &str,
        ids: &[TaskId],
        handler: &str,
    ) -> Result<HashSet<TaskId>, Error> {
        let query = waiting_query(topic, ids, handler, self.read.get_database_backend());
        let keys: Vec<String> = query.into_tuple().all(&self.read).await?;
        Ok(keys.iter().filter_map(|key| key.parse().ok()).collect())
    }

    /// The events of these tasks on this topic that happened at these times and are still kept.
    pub async fn published_at(
        &self,
        topic: &str,
        times: &[(TaskId, Instant)],
    ) -> Result<Vec<Published>, Error> {
        let query = published_at_query(topic, times, self.read.get_database_backend());
        let rows = published_events::Entity::find().from_raw_sql(query).all(&self.read).await?;
        rows.into_iter().map(published).collect()
    }

    /// These tasks as they are, whoever's they are, deleted ones too.
    pub async fn tasks_named(&self, ids: &[TaskId]) -> Result<Vec<Task>, Error> {
        let query = named_query(ids, self.read.get_database_backend());
        let rows = query.into_model::<TaskRow>().all(&self.read).await?;
        rows.into_iter().map(TaskRow::into_task).collect()
    }
}

pub(crate) fn standings_query(after: Option<TaskId>, limit: u64) -> Select<tasks::Entity> {
    let standings = tasks::Entity::find().select_only().columns([
        tasks::Column::TaskId,
        tasks::Column::Version,
        tasks::Column::UpdateTime,
        tasks::Column::State,
        tasks::Column::DeleteTime,
        tasks::Column::DueTime,
        tasks::Column::Reminders,
    ]);
    let standings = standings.order_by_asc(tasks::Column::TaskId).limit(limit);
    match after {
        Some(task) => standings.filter(tasks::Column::TaskId.gt(task.as_uuid())),
        None => standings,
    }
}

pub(crate) fn heard_query(ids: &[TaskId], backend: DbBackend) -> Select<reminder_tasks::Entity> {
    use reminder_tasks::Column;
    let heard = reminder_tasks::Entity::find().select_only();
    let heard = heard.columns([Column::TaskId, Column::Version, Column::Open]);
    heard.filter(among(backend, Column::TaskId, uuids(ids)))
}

pub(crate) fn waiting_query(
    topic: &str,
    ids: &[TaskId],
    handler: &str,
    backend: DbBackend,
) -> Select<outbox::Entity> {
    use outbox::Column;
    let keys = ids.iter().map(ToString::to_string).collect();
    let to_it = Condition::any().add(Column::Handler.is_null()).add(Column::Handler.eq(handler));
    let waiting = outbox::Entity::find().select_only().column(Column::PartitionKey).distinct();
    waiting
        .filter(among_texts(backend, Column::PartitionKey, keys))
        .filter(Column::Topic.eq(topic))
        .filter(Column::Source.eq(SOURCE))
        .filter(Column::Raw.eq(false))
        .filter(to_it)
}

pub(crate) fn published_at_query(topic: &str, times: &[(TaskId, Instant)], backend: DbBackend) -> Statement {
    let wanted = times.iter().map(|(id, time)| (id.to_string(), micros(*time)));
    match backend {
        DbBackend::Postgres => {
            let (keys, times): (Vec<String>, Vec<i64>) = wanted.unzip();
            let values = [keys.into(), times.into(), topic.into()];
            Statement::from_sql_and_values(backend, PUBLISHED_AT, values)
        }
        _ => {
            let wanted = serde_json::json!(wanted.collect::<Vec<_>>()).to_string();
            Statement::from_sql_and_values(backend, PUBLISHED_AT_IN_PROCESS, [wanted.into(), topic.into()])
        }
    }
}

pub(crate) fn named_query(ids: &[TaskId], backend: DbBackend) -> Select<tasks::Entity> {
    with_tags(backend).filter(among(backend, tasks::Column::TaskId, uuids(ids)))
}

fn uuids(ids: &[TaskId]) -> Vec<Uuid> {
    ids.iter().map(|id| id.as_uuid()).collect()
}

fn standing(row: StandingRow) -> Result<Standing, Error> {
    let reminders = reminders_of(row.reminders)?;
    let has_moment = |moment: &Moment| matches!(moment, Moment::At(_)) || row.due_time.is_some();
    Ok(Standing {
        task_id: TaskId::from_uuid(row.task_id),
        version: row.version,
        update_time: instant(row.update_time)?,
        open: row.state == "OPEN" && row.delete_time.is_none(),
        reminds: reminders.iter().any(|reminder| has_moment(&reminder.moment)),
    })
}
