//! The rows of the ledger, and how they come into it.

use std::fmt::Display;

use docket_domain::{Channel, DeliveryId, DeliveryKind, DeliveryState, Instant, ReminderId, TaskId, UserId};
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::among::digits;
use crate::entity::deliveries::Model;
use crate::outbox::Trace;
use crate::text::without_nul;
use crate::{Error, Store, Tx, instant, micros};

/// A message that is to be sent on one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDelivery {
    /// Names it.
    pub id: DeliveryId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// What there is one message about on each channel: of a reminder the firing's id.
    pub subject: String,
    /// How it goes out.
    pub channel: Channel,
    /// Whom it is for.
    pub user_id: UserId,
    /// The task that it tells of.
    pub task_id: Option<TaskId>,
    /// The firing that it tells of.
    pub reminder_id: Option<ReminderId>,
    /// The task's title, or what it is called.
    pub title: String,
    /// What is needed to write it, and to tell what became of it.
    pub content: serde_json::Value,
    /// The moment that it was asked for.
    pub remind_time: Instant,
    /// When it is to be sent.
    pub next_attempt: Instant,
    /// Whether quiet hours have put it off.
    pub postponed: bool,
    /// The trace in which it was asked for.
    pub trace: Option<Trace>,
    /// Now.
    pub create_time: Instant,
}

/// A message on one channel, and how it stands with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Names it.
    pub id: DeliveryId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// What there is one message about on each channel.
    pub subject: String,
    /// How it goes out.
    pub channel: Channel,
    /// Whom it is for.
    pub user_id: UserId,
    /// The task that it tells of.
    pub task_id: Option<TaskId>,
    /// The firing that it tells of.
    pub reminder_id: Option<ReminderId>,
    /// The task's title, or what it is called.
    pub title: String,
    /// What is needed to write it, and to tell what became of it.
    pub content: serde_json::Value,
    /// The trace in which it was asked for.
    pub trace: Option<Trace>,
    /// The moment that it was asked for.
    pub remind_time: Instant,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was claimed.
    pub attempts: i32,
    /// While it waits, when it is to be sent.
    pub next_attempt: Option<Instant>,
    /// Whether quiet hours have put it off, once at least.
    pub postponed: bool,
    /// What was said last about why it was not sent.
    pub reason: Option<String>,
    /// When it came into the ledger.
    pub create_time: Instant,
    /// When it came to its end.
    pub finish_time: Option<Instant>,
}

/// The same text however many messages it adds.
const ADD: &str = include_str!("add.sql");
const ADD_IN_PROCESS: &str = include_str!("add.sqlite.sql");

impl Tx<'_> {
    /// Adds messages that are to be sent; nothing happens with those whose subject has some already, on whatever channel.
    /// Answers the subjects of those that were added, one for each. One statement.
    pub async fn deliveries_add(&self, deliveries: &[NewDelivery]) -> Result<Vec<String>, Error> {
        if deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let backend = self.0.get_database_backend();
        let add = match backend {
            DbBackend::Postgres => Statement::from_sql_and_values(backend, ADD, columns(deliveries)),
            _ => {
                let rows = deliveries.iter().map(row).collect::<serde_json::Value>().to_string();
                Statement::from_sql_and_values(backend, ADD_IN_PROCESS, [rows.into()])
            }
        };
        let rows = self.0.query_all_raw(add).await?;
        rows.iter().map(|row| Ok(row.try_get("", "subject")?)).collect()
    }
}

impl Store {
    /// Wakes whoever sends: there are messages in the ledger that are to be sent now.
    pub fn deliveries_changed(&self) {
        self.deliveries.notify_one();
    }

    /// Waits until whoever sends is woken; once before counts.
    pub async fn deliveries_change(&self) {
        self.deliveries.notified().await;
    }
}

fn row(delivery: &NewDelivery) -> serde_json::Value {
    let trace = delivery.trace.as_ref();
    serde_json::json!({
        "delivery_id": digits(delivery.id.as_uuid()),
        "kind": delivery.kind.name(),
        "subject": delivery.subject,
        "channel": delivery.channel.name(),
        "user_id": delivery.user_id.as_str(),
        "task_id": delivery.task_id.map(|task| digits(task.as_uuid())),
        "reminder_id": delivery.reminder_id.map(|firing| digits(firing.as_uuid())),
        "title": without_nul(&delivery.title),
        "content": delivery.content.to_string(),
        "traceparent": trace.map(|trace| &trace.parent),
        "tracestate": trace.and_then(|trace| trace.state.as_ref()),
        "remind_time": micros(delivery.remind_time),
        "wake_time": micros(delivery.next_attempt),
        "postponed": delivery.postponed,
        "create_time": micros(delivery.create_time),
    })
}

/// The columns of the rows, as arrays. Those hold no NULL: an empty text and the id of zeros stand for it.
fn columns(deliveries: &[NewDelivery]) -> [Value; 15] {
    fn of<T>(deliveries: &[NewDelivery], column: impl Fn(&NewDelivery) -> T) -> Vec<T> {
        deliveries.iter().map(column).collect()
    }
    let parent = |new: &NewDelivery| new.trace.as_ref().map(|trace| trace.parent.clone()).unwrap_or_default();
    let state =
        |new: &NewDelivery| new.trace.as_ref().and_then(|trace| trace.state.clone()).unwrap_or_default();
    [
        of(deliveries, |new| new.id.as_uuid()).into(),
        of(deliveries, |new| new.kind.name().to_owned()).into(),
        of(deliveries, |new| new.subject.clone()).into(),
        of(deliveries, |new| new.channel.name().to_owned()).into(),
        of(deliveries, |new| new.user_id.to_string()).into(),
        of(deliveries, |new| new.task_id.map(TaskId::as_uuid).unwrap_or_default()).into(),
        of(deliveries, |new| new.reminder_id.map(ReminderId::as_uuid).unwrap_or_default()).into(),
        of(deliveries, |new| without_nul(&new.title)).into(),
        of(deliveries, |new| new.content.to_string()).into(),
        of(deliveries, parent).into(),
        of(deliveries, state).into(),
        of(deliveries, |new| micros(new.remind_time)).into(),
        of(deliveries, |new| micros(new.next_attempt)).into(),
        of(deliveries, |new| new.postponed).into(),
        of(deliveries, |new| micros(new.create_time)).into(),
    ]
}

/// A row, checked.
pub(super) fn delivery(row: Model) -> Result<Delivery, Error> {
    let state = DeliveryState::from_name(&row.state).ok_or_else(|| Error::corrupt("state", &row.state))?;
    let waits = row.wake_time.filter(|_| state == DeliveryState::Pending);
    Ok(Delivery {
        id: DeliveryId::from_uuid(row.delivery_id),
        kind: DeliveryKind::from_name(&row.kind).ok_or_else(|| Error::corrupt("kind", &row.kind))?,
        subject: row.subject,
        channel: channel(&row.channel)?,
        user_id: row.user_id.parse().map_err(|_| Error::corrupt("user_id", &row.user_id))?,
        task_id: row.task_id.map(TaskId::from_uuid),
        reminder_id: row.reminder_id.map(ReminderId::from_uuid),
        title: row.title,
        content: row.content,
        trace: row.traceparent.map(|parent| Trace { parent, state: row.tracestate }),
        remind_time: instant(row.remind_time)?,
        state,
        attempts: row.attempts,
        next_attempt: waits.map(instant).transpose()?,
        postponed: row.postponed,
        reason: row.reason,
        create_time: instant(row.create_time)?,
        finish_time: row.finish_time.map(instant).transpose()?,
    })
}

/// What was read of a row; none of one that can not be read. That is told with the row's id, and does not keep the others.
pub(super) fn readable<T>(table: &'static str, id: &dyn Display, row: Result<T, Error>) -> Option<T> {
    row.map_err(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, table, row = %id, "a row can not be read and is passed over");
    })
    .ok()
}

pub(super) fn channel(name: &str) -> Result<Channel, Error> {
    Channel::from_name(name).ok_or_else(|| Error::corrupt("channel", name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_can_not_be_read_keeps_no_other() {
        let rows = [Ok(1), Err(Error::corrupt("kind", "PIGEON")), Ok(3)];
        let read = rows.into_iter().filter_map(|row| readable("deliveries", &"an id", row));
        assert_eq!(read.collect::<Vec<_>>(), [1, 3]);
    }
}
