//! Getting tasks by their ids, many at once: those that are asked for while a statement is under way go in the next.

use std::collections::HashMap;

use docket_domain::{Task, TaskId, UserId};
use sea_orm::sea_query::{ArrayType, Value};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, FromQueryResult as _, Statement};
use tracing::Span;
use uuid::Uuid;

use crate::Error;
use crate::lane::{Lane, Limits};
use crate::patience::in_time;
use crate::spans::batch;
use crate::tasks::TaskRow;

/// A task that is asked for, and whose it must be.
type Key = (Uuid, String);

pub(crate) type Getting = Lane<Key, Result<Option<TaskRow>, Error>>;

const LIMITS: Limits = Limits { width: 2, batch: 128, waiting: 4_096 };

/// The owner is part of the question, so that nobody is ever answered somebody else's task.
const GET: &str = r"SELECT tasks.*, (
    SELECT string_agg(tag, U&'\001f') FROM task_tags WHERE task_tags.task_id = tasks.task_id
) AS joined_tags
FROM unnest($1::uuid[], $2::text[]) AS asked (task_id, user_id) JOIN tasks USING (task_id, user_id)";

pub(crate) fn lane(read: DatabaseConnection) -> Getting {
    Lane::new(LIMITS, move |asked: Vec<Key>| {
        let read = read.clone();
        async move {
            match get_all(&read, &asked).await {
                Ok(mut rows) => asked.iter().map(|key| Ok(rows.get_mut(key).and_then(Vec::pop))).collect(),
                Err(error) => asked.iter().map(|_| Err(Error::from(error.clone()))).collect(),
            }
        }
    })
}

pub(crate) async fn together(lane: &Getting, owner: &UserId, id: TaskId) -> Result<Option<Task>, Error> {
    let (row, together) = lane.submit((id.as_uuid(), owner.to_string())).await?;
    batch(&Span::current(), together);
    row?.map(TaskRow::into_task).transpose()
}

/// The rows, one for each time that a key was asked for.
async fn get_all(read: &DatabaseConnection, asked: &[Key]) -> Result<HashMap<Key, Vec<TaskRow>>, DbErr> {
    let ids = asked.iter().map(|(task, _)| Value::from(*task)).collect();
    let owners = asked.iter().map(|(_, owner)| Value::from(owner.as_str())).collect();
    let values = [
        Value::Array(ArrayType::Uuid, Some(Box::new(ids))),
        Value::Array(ArrayType::String, Some(Box::new(owners))),
    ];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, GET, values);
    let mut found = HashMap::<Key, Vec<TaskRow>>::new();
    for row in in_time(read.query_all_raw(statement)).await? {
        let row = TaskRow::from_query_result(&row, "")?;
        found.entry((row.task.task_id, row.task.user_id.clone())).or_default().push(row);
    }
    Ok(found)
}
