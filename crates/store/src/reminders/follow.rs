//! Following the tasks: what is known of them, and what becomes of it.

use std::collections::{BTreeSet, HashMap};

use docket_domain::{ClockTime, TaskId, TaskReminder, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, Statement,
};

use super::row::{self, reminders_arrays, reminders_json, tasks_arrays, tasks_json};
use super::{Known, TaskSnapshot};
use crate::among::{among, among_texts, json_of};
use crate::entity::{reminder_tasks as tasks, reminder_users as users, reminders};
use crate::row::parse;
use crate::{Error, Store, Tx};

const PUT_TASKS: &str = include_str!("put_tasks.sql");
const PUT_TASKS_IN_PROCESS: &str = include_str!("put_tasks.sqlite.sql");
const PUT: &str = include_str!("put.sql");
const PUT_IN_PROCESS: &str = include_str!("put.sqlite.sql");
const DAY_TIME: &str = include_str!("day_time.sql");

/// Locks the users, also those who are not there yet: whoever says another time of day waits until the tasks that were
/// planned with the one before can be seen.
const DAY_TIMES: &str = include_str!("day_times.sql");

impl Tx<'_> {
    /// What is known of these tasks, which nobody else changes until the transaction has ended. Two statements, one when
    /// nothing is known.
    pub async fn reminders_known(&self, ids: &[TaskId]) -> Result<HashMap<TaskId, Known>, Error> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let ids = ids.iter().map(|id| id.as_uuid()).collect();
        let found = tasks::Entity::find()
            .filter(among(self.0.get_database_backend(), tasks::Column::TaskId, ids))
            .order_by_asc(tasks::Column::TaskId)
            .lock_exclusive();
        self.with_reminders(found).await
    }

    /// The open all-day tasks of the user, locked like those.
    pub async fn reminders_all_day_of(&self, user: &UserId) -> Result<Vec<Known>, Error> {
        let mut known: Vec<Known> = self.with_reminders(all_day_query(user)).await?.into_values().collect();
        known.sort_by_key(|known| known.task.task_id);
        Ok(known)
    }

    async fn with_reminders(&self, query: Select<tasks::Entity>) -> Result<HashMap<TaskId, Known>, Error> {
        let mut known = HashMap::new();
        for task in query.all(&self.0).await? {
            let task = row::task(task)?;
            known.insert(task.task_id, Known { task, reminders: Vec::new() });
        }
        if known.is_empty() {
            return Ok(known);
        }
        let ids = known.keys().map(|id| id.as_uuid()).collect();
        let theirs = reminders::Entity::find()
            .filter(among(self.0.get_database_backend(), reminders::Column::TaskId, ids))
            .order_by_asc(reminders::Column::TaskId)
            .order_by_asc(reminders::Column::Number)
            .lock_exclusive();
        for reminder in theirs.all(&self.0).await? {
            let reminder = row::reminder(reminder)?;
            if let Some(known) = known.get_mut(&reminder.task_id) {
                known.reminders.push(reminder);
            }
        }
        Ok(known)
    }

    /// Writes tasks and reminders; both may be none. A reminder that is in another state or generation than before has no
    /// alarm. `known` is what [`Tx::reminders_known`] answered in this transaction, and has all of the tasks that were
    /// there; when another transaction has been faster with one of them, the error is a conflict. A statement for each.
    pub async fn reminders_put(
        &self,
        known: &HashMap<TaskId, Known>,
        tasks: &[TaskSnapshot],
        reminders: &[TaskReminder],
    ) -> Result<(), Error> {
        let backend = self.0.get_database_backend();
        if !tasks.is_empty() {
            let tasks: Vec<&TaskSnapshot> = tasks.iter().collect();
            let locked = tasks.iter().filter(|task| known.contains_key(&task.task_id));
            let locked = locked.map(|task| task.task_id.as_uuid()).collect::<Vec<_>>();
            let put = match backend {
                DbBackend::Postgres => {
                    let mut values = tasks_arrays(&tasks)?;
                    values.push(locked.into());
                    Statement::from_sql_and_values(backend, PUT_TASKS, values)
                }
                _ => {
                    let values = [tasks_json(&tasks)?, json_of(&locked).into()];
                    Statement::from_sql_and_values(backend, PUT_TASKS_IN_PROCESS, values)
                }
            };
            let written = self.0.execute_raw(put).await?.rows_affected();
            if written != tasks.len() as u64 {
                return Err(Error::Overtaken);
            }
        }
        if !reminders.is_empty() {
            let reminders: Vec<&TaskReminder> = reminders.iter().collect();
            let put = match backend {
                DbBackend::Postgres => {
                    Statement::from_sql_and_values(backend, PUT, reminders_arrays(&reminders)?)
                }
                _ => Statement::from_sql_and_values(backend, PUT_IN_PROCESS, [reminders_json(&reminders)?]),
            };
            self.0.execute_raw(put).await?;
        }
        Ok(())
    }

    /// From which time of day these users have the reminders of their all-day tasks counted; without those who never said.
    /// Nobody changes it until the transaction has ended. One statement.
    pub async fn reminder_day_times(&self, ids: &[UserId]) -> Result<HashMap<UserId, ClockTime>, Error> {
        let names: BTreeSet<&str> = ids.iter().map(UserId::as_str).collect();
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let found = match self.0.get_database_backend() {
            DbBackend::Postgres => {
                let locked = Statement::from_sql_and_values(DbBackend::Postgres, DAY_TIMES, [names.into()]);
                users::Entity::find().from_raw_sql(locked).all(&self.0).await?
            }
            _ => {
                let said = among_texts(DbBackend::Sqlite, users::Column::UserId, names);
                users::Entity::find().filter(said).all(&self.0).await?
            }
        };
        let time = |row: users::Model| match day_time(&row) {
            Ok(None) => None,
            Ok(Some(time)) => Some(parse("user_id", &row.user_id).map(|user| (user, time))),
            Err(error) => Some(Err(error)),
        };
        found.into_iter().filter_map(time).collect()
    }

    /// Keeps what the user has said, the `sequence`th time; false when a later word is known. One statement.
    pub async fn reminder_day_time_put(
        &self,
        user: &UserId,
        time: ClockTime,
        sequence: i64,
    ) -> Result<bool, Error> {
        let values = [user.as_str().into(), sequence.into(), time.minutes().cast_signed().into()];
        let put = Statement::from_sql_and_values(self.0.get_database_backend(), DAY_TIME, values);
        Ok(self.0.execute_raw(put).await?.rows_affected() > 0)
    }
}

impl Tx<'_> {
    /// From which time of day the user has the reminders of all-day tasks counted, if the user has said. One statement.
    pub async fn reminder_day_time(&self, user: &UserId) -> Result<Option<ClockTime>, Error> {
        day_time_of(user, &self.0).await
    }
}

impl Store {
    /// From which time of day the user has the reminders of all-day tasks counted, if the user has said. One statement.
    pub async fn reminder_day_time(&self, user: &UserId) -> Result<Option<ClockTime>, Error> {
        day_time_of(user, &self.read).await
    }
}

async fn day_time_of(user: &UserId, connection: &impl ConnectionTrait) -> Result<Option<ClockTime>, Error> {
    let row = users::Entity::find_by_id(user.as_str()).one(connection).await?;
    row.map_or(Ok(None), |row| day_time(&row))
}

fn day_time(row: &users::Model) -> Result<Option<ClockTime>, Error> {
    let Some(minutes) = row.all_day_minutes else { return Ok(None) };
    let time = u16::try_from(minutes).ok().and_then(ClockTime::from_minutes);
    time.map(Some).ok_or_else(|| Error::corrupt("all_day_minutes", minutes.to_string()))
}

pub(super) fn all_day_query(user: &UserId) -> Select<tasks::Entity> {
    tasks::Entity::find()
        .filter(tasks::Column::UserId.eq(user.as_str()))
        // As the partial index has it.
        .filter(Expr::col((tasks::Entity, tasks::Column::Open)))
        .filter(Expr::col((tasks::Entity, tasks::Column::DueDate)).is_not_null())
        .order_by_asc(tasks::Column::TaskId)
        .lock_exclusive()
}
