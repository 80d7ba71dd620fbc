//! The batch as one statement, which is one round trip and one commit. Its text never changes, so that PostgreSQL plans it
//! once for each connection.

use std::collections::HashSet;

use docket_migration::Schema;
use futures::TryFutureExt as _;
use sea_orm::sqlx;
use sea_orm::{DatabaseConnection, DbErr};
use uuid::Uuid;

use crate::Statements;
use crate::create::Rows;
use crate::entity::idempotency_keys;
use crate::error::of_driver;
use crate::patience::in_time;

/// The statement; answers the ids of the tasks that it has written.
const CREATE: &str = include_str!("create.sql");

/// Writes all; answers the tasks that are written.
pub(super) async fn write(
    write: &DatabaseConnection,
    statements: &Statements,
    rows: &Rows,
) -> Result<HashSet<Uuid>, DbErr> {
    let Rows { tasks, events, calls, tags } = rows;
    // sea-orm's arrays hold no NULL, so the driver is spoken to directly.
    let query = sqlx::query_scalar::<_, Uuid>(CREATE)
        .bind(of(tasks, |task| task.task_id))
        .bind(of(tasks, |task| task.user_id.as_str()))
        .bind(of(tasks, |task| task.title.as_str()))
        .bind(of(tasks, |task| task.description.as_str()))
        .bind(of(tasks, |task| task.state.as_str()))
        .bind(of(tasks, |task| task.priority))
        .bind(of(tasks, |task| task.due_time))
        .bind(of(tasks, |task| task.due_date.as_deref()))
        .bind(of(tasks, |task| task.time_zone.as_str()))
        .bind(of(tasks, |task| task.recurrence.as_ref().map(|rule| rule.to_string())))
        .bind(of(tasks, |task| task.reminders.to_string()))
        .bind(of(tasks, |task| task.series_id))
        .bind(of(tasks, |task| task.occurrence_time))
        .bind(of(tasks, |task| task.series_start.as_deref()))
        .bind(of(tasks, |task| task.series_start_index))
        .bind(of(tasks, |task| task.series_index))
        .bind(of(tasks, |task| task.awaits_successor))
        .bind(of(tasks, |task| task.version))
        .bind(of(tasks, |task| task.create_time))
        .bind(of_calls(calls, |call| call.request_id))
        .bind(of_calls(calls, |call| call.method.as_str()))
        .bind(of_calls(calls, |call| call.body_hash.as_slice()))
        .bind(of_calls(calls, |call| call.response.as_slice()))
        .bind(of(events, |event| event.event_id))
        .bind(of(events, |event| event.shard))
        .bind(of(events, |event| event.topic.as_str()))
        .bind(of(events, |event| event.partition_key.as_str()))
        .bind(of(events, |event| event.event_type.as_str()))
        .bind(of(events, |event| event.source.as_str()))
        .bind(of(events, |event| event.payload.as_slice()))
        .bind(of(events, |event| event.traceparent.as_deref()))
        .bind(of(events, |event| event.tracestate.as_deref()))
        .bind(of(tags, |tag| tag.task_id))
        .bind(of(tags, |tag| tag.tag.as_str()));
    statements.add(Some(Schema::Tasks), CREATE);
    let written = query.fetch_all(write.get_postgres_connection_pool()).map_err(of_driver);
    Ok(in_time(written).await?.into_iter().collect())
}

/// One column of the rows.
fn of<'a, R, T>(rows: &'a [R], column: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(column).collect()
}

fn of_calls<'a, T>(
    calls: &'a [Option<idempotency_keys::Model>],
    column: impl Fn(&'a idempotency_keys::Model) -> T,
) -> Vec<Option<T>> {
    calls.iter().map(|call| call.as_ref().map(&column)).collect()
}
