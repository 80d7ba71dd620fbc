//! Firing reminders, and what comes of it.

use std::collections::BTreeSet;

use docket_domain::{Instant, ReminderId, ReminderNumber, TaskId, TaskReminder, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query, SimpleExpr};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, FromQueryResult, QueryFilter as _,
    QuerySelect as _, Select, Statement,
};

use super::row::{self, both, fired_arrays, named_arrays, named_json, number_column, pairs, reminders_json};
use super::{Set, TaskSnapshot};
use crate::among::among;
use crate::entity::{reminder_tasks as tasks, reminders};
use crate::{Error, Store, Tx, micros};

/// Which pending reminders may be fired.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Due {
    /// Those whose alarms rang, as far as they are still set to the instant of the alarm; no more than are named. Whoever has
    /// one is waited for.
    Named(Vec<Set>),
    /// Those whose instant is before this one, the oldest first. What somebody else has is passed over.
    Until(Instant),
}

/// A firing that is still to be told to the owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The firing.
    pub firing: ReminderId,
    /// Its task.
    pub task_id: TaskId,
    /// The version of the task that is known.
    pub task_version: i64,
}

const FIRED: &str = include_str!("fired.sql");
const FIRED_IN_PROCESS: &str = include_str!("fired.sqlite.sql");

impl Tx<'_> {
    /// Pending reminders that are to be fired, with their tasks; at most `limit` of those that are not named. Nobody else has
    /// them until the transaction has ended. One statement.
    pub async fn reminders_lock_due(
        &self,
        what: &Due,
        limit: u64,
    ) -> Result<Vec<(TaskReminder, TaskSnapshot)>, Error> {
        if matches!(what, Due::Named(named) if named.is_empty()) {
            return Ok(Vec::new());
        }
        let statement = due_statement(self.0.get_database_backend(), what, limit)?;
        pairs(self.0.query_all_raw(statement).await)
    }

    /// Writes the states and firings of reminders that are locked: they were fired, or missed. A firing counts as published
    /// when it was. One statement.
    pub async fn reminders_fired(&self, reminders: &[TaskReminder]) -> Result<(), Error> {
        if reminders.is_empty() {
            return Ok(());
        }
        let reminders: Vec<&TaskReminder> = reminders.iter().collect();
        let backend = self.0.get_database_backend();
        let fired = match backend {
            DbBackend::Postgres => Statement::from_sql_and_values(backend, FIRED, fired_arrays(&reminders)?),
            _ => Statement::from_sql_and_values(backend, FIRED_IN_PROCESS, [reminders_json(&reminders)?]),
        };
        self.0.execute_raw(fired).await?;
        Ok(())
    }

    /// Fired reminders that were last published before an instant and whose firing has not ended, the oldest first, at most
    /// `limit`: they count as published `now`. What somebody else has is passed over. Two statements.
    pub async fn reminders_unclosed(
        &self,
        before: Instant,
        now: Instant,
        limit: u64,
    ) -> Result<Vec<(TaskReminder, TaskSnapshot)>, Error> {
        let backend = self.0.get_database_backend();
        let only = "reminders.state = 'FIRED' AND reminders.publish_time < $1";
        let query = format!(
            "SELECT {} FROM reminders JOIN reminder_tasks ON reminder_tasks.task_id = reminders.task_id
            WHERE {only} ORDER BY reminders.publish_time LIMIT {limit}{}",
            both(),
            skip_locked(backend)
        );
        let query = Statement::from_sql_and_values(backend, query, [micros(before).into()]);
        let found = pairs(self.0.query_all_raw(query).await)?;
        if !found.is_empty() {
            let ids = found.iter().filter_map(|(reminder, _)| Some(reminder.firing?.id.as_uuid())).collect();
            let published = reminders::Entity::update_many()
                .col_expr(reminders::Column::PublishTime, micros(now).into())
                .filter(among(backend, reminders::Column::FiringId, ids));
            published.exec(&self.0).await?;
        }
        Ok(found)
    }

    /// A reminder of the user's with its task, both locked. One statement, two when the task is known.
    pub async fn reminder_lock(
        &self,
        user: &UserId,
        task: TaskId,
        number: ReminderNumber,
    ) -> Result<Option<(TaskReminder, TaskSnapshot)>, Error> {
        let task = tasks::Entity::find_by_id(task.as_uuid())
            .filter(tasks::Column::UserId.eq(user.as_str()))
            .lock_exclusive();
        let Some(task) = task.one(&self.0).await? else { return Ok(None) };
        let reminder = reminders::Entity::find_by_id((task.task_id, number_column(number)?));
        let Some(reminder) = reminder.lock_exclusive().one(&self.0).await? else { return Ok(None) };
        Ok(Some((row::reminder(reminder)?, row::task(task)?)))
    }
}

impl Store {
    /// Those of the firings that are still to be told to the owner. One statement.
    pub async fn reminders_standing(&self, firings: &[ReminderId]) -> Result<Vec<Standing>, Error> {
        let found = standing_query(self.read.get_database_backend(), firings);
        let mut standing = Vec::new();
        let found = found.into_model::<FiringRow>().all(&self.read);
        for found in self.told("check reminders", found).await? {
            let reminder = row::reminder(found.reminder)?;
            let firing = reminder.firing.map(|firing| firing.id).filter(|firing| reminder.stands(*firing));
            standing.extend(firing.map(|firing| Standing {
                firing,
                task_id: reminder.task_id,
                task_version: found.task_version,
            }));
        }
        Ok(standing)
    }
}

/// Firings by their names. What is known of their tasks is looked up row by row: of a join, the planner may read the table.
pub(super) fn standing_query(backend: DbBackend, firings: &[ReminderId]) -> Select<reminders::Entity> {
    let ids = firings.iter().map(|firing| firing.as_uuid()).collect();
    let same = Expr::col((tasks::Entity, tasks::Column::TaskId))
        .equals((reminders::Entity, reminders::Column::TaskId));
    let version = Query::select()
        .column((tasks::Entity, tasks::Column::Version))
        .from(tasks::Entity)
        .and_where(same)
        .to_owned();
    reminders::Entity::find()
        .expr_as(SimpleExpr::SubQuery(None, Box::new(version.into())), "task_version")
        .filter(among(backend, reminders::Column::FiringId, ids))
}

/// A reminder that was fired, with the version of its task.
#[derive(FromQueryResult)]
struct FiringRow {
    #[sea_orm(nested)]
    reminder: reminders::Model,
    task_version: i64,
}

/// The limit is a part of the text: PostgreSQL reads a table rather than an index when it does not know how few rows are
/// wanted.
pub(super) fn due_statement(backend: DbBackend, what: &Due, limit: u64) -> Result<Statement, Error> {
    let joined = "JOIN reminder_tasks ON reminder_tasks.task_id = reminders.task_id
        WHERE reminders.state = 'PENDING' AND";
    let both = both();
    let (sql, values) = match (what, backend) {
        (Due::Named(named), DbBackend::Postgres) => {
            let sql = format!(
                "SELECT {both}
                FROM unnest($1::uuid[], $2::smallint[], $3::bigint[]) AS named (task_id, number, generation)
                JOIN reminders ON reminders.task_id = named.task_id AND reminders.number = named.number
                {joined} reminders.generation = named.generation
                ORDER BY reminders.task_id, reminders.number FOR UPDATE OF reminders"
            );
            (sql, named_arrays(&once(named))?)
        }
        (Due::Named(named), _) => {
            let sql = format!(
                "SELECT {both} FROM json_each($1) AS named
                JOIN reminders ON reminders.task_id = unhex(named.value ->> 0) AND reminders.number = named.value ->> 1
                {joined} reminders.generation = named.value ->> 2
                ORDER BY reminders.task_id, reminders.number"
            );
            (sql, vec![named_json(&once(named))])
        }
        (Due::Until(instant), _) => {
            let sql = format!(
                "SELECT {both} FROM reminders {joined} reminders.remind_time < $1
                ORDER BY reminders.remind_time LIMIT {limit}{}",
                skip_locked(backend)
            );
            (sql, vec![micros(*instant).into()])
        }
    };
    Ok(Statement::from_sql_and_values(backend, sql, values))
}

/// An alarm may ring twice; its reminder is one row all the same.
fn once(named: &[Set]) -> Vec<Set> {
    named.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

fn skip_locked(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => " FOR UPDATE OF reminders SKIP LOCKED",
        _ => "",
    }
}
