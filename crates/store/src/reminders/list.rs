//! Pages of a user's reminders, in the order of their instants.

use docket_domain::{Instant, ReminderState, TaskId, TaskReminder, UserId};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, Value};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::TaskSnapshot;
use super::row::{both, number_column, pairs};
use crate::{Error, Store, micros};

/// Which reminders of a user to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Of this task.
    pub task_id: Option<TaskId>,
    /// In one of these states; empty for all.
    pub states: Vec<ReminderState>,
    /// At this instant or later.
    pub start_time: Option<Instant>,
    /// Before this instant.
    pub end_time: Option<Instant>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most to answer.
    pub limit: u32,
}

/// Where a page ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cursor {
    remind_time: i64,
    task_id: Uuid,
    number: i16,
}

impl Cursor {
    /// The place of a reminder in a listing.
    pub fn of(reminder: &TaskReminder) -> Result<Self, Error> {
        Ok(Self {
            remind_time: micros(reminder.remind_at),
            task_id: reminder.task_id.as_uuid(),
            number: number_column(reminder.number)?,
        })
    }
}

impl Store {
    /// A page of the user's reminders with their tasks, the earliest instant first, and whether there are more. One
    /// statement.
    pub async fn reminders_list(
        &self,
        owner: &UserId,
        listing: &Listing,
    ) -> Result<(Vec<(TaskReminder, TaskSnapshot)>, bool), Error> {
        let statement = list_statement(self.read.get_database_backend(), owner, listing);
        let mut found = pairs(self.read.query_all_raw(statement).await)?;
        let more = found.len() > listing.limit as usize;
        found.truncate(listing.limit as usize);
        Ok((found, more))
    }
}

/// A page of a user's reminders: one range of one index, read in its order.
pub(super) fn list_statement(backend: DbBackend, owner: &UserId, listing: &Listing) -> Statement {
    let mut values: Vec<Value> = vec![owner.as_str().into()];
    let mut condition = "reminders.user_id = $1".to_owned();
    let mut add = |column: &str, comparison: &str, value: Value| {
        values.push(value);
        condition += &format!(" AND {column} {}", comparison.replace('?', &format!("${}", values.len())));
    };
    if let Some(task) = listing.task_id {
        add("reminders.task_id", "= ?", task.as_uuid().into());
    }
    if !listing.states.is_empty() {
        let states: Vec<String> = listing.states.iter().map(|state| state.name().to_owned()).collect();
        match backend {
            DbBackend::Postgres => add("reminders.state", "= ANY (?::text[])", states.into()),
            _ => {
                let states = serde_json::json!(states).to_string();
                add("reminders.state", "IN (SELECT value FROM json_each(?))", states.into());
            }
        }
    }
    if let Some(start) = listing.start_time {
        add("reminders.remind_time", ">= ?", micros(start).into());
    }
    if let Some(end) = listing.end_time {
        add("reminders.remind_time", "< ?", micros(end).into());
    }
    if let Some(Cursor { remind_time, task_id, number }) = listing.after {
        let place = values.len();
        values.extend([remind_time.into(), task_id.into(), number.into()]);
        let place = [1, 2, 3].map(|next| format!("${}", place + next)).join(", ");
        condition +=
            &format!(" AND (reminders.remind_time, reminders.task_id, reminders.number) > ({place})");
    }
    values.push((i64::from(listing.limit) + 1).into());
    let sql = format!(
        "SELECT {} FROM reminders JOIN reminder_tasks ON reminder_tasks.task_id = reminders.task_id
        WHERE {condition} ORDER BY reminders.remind_time, reminders.task_id, reminders.number LIMIT ${}",
        both(),
        values.len()
    );
    Statement::from_sql_and_values(backend, sql, values)
}
