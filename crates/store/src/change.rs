//! Writing the change of one task: the row, its event, its number in the owner's sequence, the answer to the call.

use docket_domain::Task;
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, TryIntoModel as _};

use crate::idempotency::Call;
use crate::outbox::NewEvent;
use crate::row::{event_row, to_row};
use crate::{Error, Tx};

/// All four as one statement: one round trip, where each of its own would be one.
const CHANGE: &str = include_str!("change/change.sql");

impl Tx<'_> {
    /// Writes the change of a task that is locked, tells of it, and keeps the answer to the call if there is one to keep.
    /// Last in a transaction: it makes the owner's other transactions wait.
    pub async fn task_change(
        &self,
        before: &Task,
        after: &Task,
        event: NewEvent,
        answer: Option<(&Call<'_>, Vec<u8>)>,
    ) -> Result<(), Error> {
        if self.0.get_database_backend() == DbBackend::Postgres {
            if before.content.tags != after.content.tags {
                self.tags_replace(after).await?;
            }
            let statement = Statement::from_sql_and_values(
                DbBackend::Postgres,
                CHANGE,
                values(before, after, event, answer)?,
            );
            self.0.execute_raw(statement).await?;
            return Ok(());
        }
        self.task_update(before, after).await?;
        self.outbox_append(vec![event]).await?;
        self.sequence_advance(&after.user_id, &[after.id]).await?;
        match answer {
            Some((call, response)) => self.call_answer(call, response).await,
            None => Ok(()),
        }
    }
}

fn values(
    before: &Task,
    after: &Task,
    event: NewEvent,
    answer: Option<(&Call<'_>, Vec<u8>)>,
) -> Result<Vec<Value>, Error> {
    let row = to_row(after)?.try_into_model()?;
    let event = event_row(event);
    let (request_id, response) = match answer {
        Some((call, response)) => (Some(call.request_id.as_uuid()), Some(response)),
        None => (None, None),
    };
    Ok(vec![
        row.task_id.into(),
        row.title.into(),
        row.description.into(),
        row.state.into(),
        row.priority.into(),
        row.due_time.into(),
        row.due_date.into(),
        row.time_zone.into(),
        row.recurrence.into(),
        row.reminders.into(),
        row.series_id.into(),
        row.occurrence_time.into(),
        row.series_start.into(),
        row.series_start_index.into(),
        row.series_index.into(),
        row.version.into(),
        row.update_time.into(),
        row.complete_time.into(),
        row.complete_version.into(),
        row.delete_time.into(),
        // Only a completion makes a task wait for its successor; a new title must not do so again.
        (before.state != after.state).into(),
        row.awaits_successor.into(),
        row.user_id.clone().into(),
        event.event_id.into(),
        event.shard.into(),
        event.topic.into(),
        event.partition_key.into(),
        event.event_type.into(),
        event.source.into(),
        event.payload.into(),
        event.traceparent.into(),
        event.tracestate.into(),
        event.create_time.into(),
        row.user_id.into(),
        request_id.into(),
        response.into(),
    ])
}
