//! Writing into the audit log: what a handler is done with, and the entries of that, are one transaction.

use std::fmt::Display;

use docket_domain::Instant;
use futures::TryFutureExt as _;
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use super::Entry;
use crate::among::digits;
use crate::inbox::{Arrival, arrived, values_of};
use crate::transaction::tried;
use crate::{Error, Store, Tx, micros};

/// The same text however many entries it stores.
const RECORD: &str = concat!(include_str!("../inbox/begin.sql"), include_str!("record.sql"));
const INSERT_IN_PROCESS: &str = include_str!("insert.sqlite.sql");

/// An event that the log is given.
#[derive(Clone, Debug)]
pub struct NewEntry<Json = serde_json::Value> {
    /// How it came.
    pub arrival: Arrival,
    /// It was published again for the log alone, to close a gap: what the inbox says of it does not count.
    pub refills: bool,
    /// What the log keeps of it, if anything; its JSON is stored as it is displayed.
    pub entry: Option<Entry<Json>>,
}

impl Store {
    /// Notes that the handler is done with these events, and stores their entries; nothing happens with those that the
    /// handler is done with, or that the log has already. Answers how many entries are new. One statement, which is a
    /// transaction; on SQLite a transaction of two, or of three when there are replays.
    pub async fn audit_record<Json: Display + Send + Sync>(
        &self,
        handler: &str,
        events: &[NewEntry<Json>],
        now: Instant,
    ) -> Result<u64, Error> {
        if events.is_empty() {
            return Ok(0);
        }
        if self.write.get_database_backend() != DbBackend::Postgres {
            return self.record_in_process(handler, events, now).await;
        }
        let record = || {
            let values = values(handler, events, now);
            self.write.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, RECORD, values))
        };
        let recorded = self.told("record audit_entries", tried(|| record().map_err(Error::from))).await?;
        // Those that the log keeps and has not stored now, it had.
        let kept = events.iter().filter(|event| event.entry.is_some()).count();
        let stored = usize::try_from(recorded.rows_affected()).unwrap_or(usize::MAX);
        self.metrics.duplicates(handler, kept.saturating_sub(stored));
        // It is durable, and whoever asked for it does not hear so.
        fail::fail_point!("commit-unknown", |_| Err(Error::Interrupted));
        Ok(recorded.rows_affected())
    }

    async fn record_in_process<Json: Display + Send + Sync>(
        &self,
        handler: &str,
        events: &[NewEntry<Json>],
        now: Instant,
    ) -> Result<u64, Error> {
        let arrivals: Vec<Arrival> = events.iter().map(|event| event.arrival).collect();
        let arrivals = &arrivals;
        self.transaction(|tx| {
            Box::pin(async move {
                let begun = tx.inbox_begin_all(handler, arrivals, now).await?;
                let new = events.iter().zip(begun).filter(|(event, begun)| *begun || event.refills);
                let new: Vec<&Entry<Json>> = new.filter_map(|(event, _)| event.entry.as_ref()).collect();
                let stored = tx.audit_insert(&new).await?;
                fail::fail_point!("in-handler-before-commit", |_| std::process::abort());
                Ok(stored)
            })
        })
        .await
    }
}

impl Tx<'_> {
    async fn audit_insert<Json: Display + Sync>(&self, entries: &[&Entry<Json>]) -> Result<u64, Error> {
        if entries.is_empty() {
            return Ok(0);
        }
        let rows = entries.iter().map(|entry| row(entry)).collect::<serde_json::Value>().to_string();
        let insert = Statement::from_sql_and_values(DbBackend::Sqlite, INSERT_IN_PROCESS, [rows.into()]);
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

/// What the statement is given. Arrays hold no NULL: an empty text stands for it.
fn values<Json: Display>(handler: &str, events: &[NewEntry<Json>], now: Instant) -> Vec<Value> {
    let mut values: Vec<Value> =
        values_of(handler, &arrived(events.iter().map(|event| &event.arrival)), now).into();
    let entries: Vec<(&Entry<Json>, bool)> =
        events.iter().filter_map(|event| Some((event.entry.as_ref()?, event.refills))).collect();
    fn of<E, T>(entries: &[(&E, bool)], column: impl Fn(&E) -> T) -> Vec<T> {
        entries.iter().map(|(entry, _)| column(entry)).collect()
    }
    let json = |value: &Option<Json>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    values.extend([
        of(&entries, |entry| entry.event_id.as_uuid()).into(),
        of(&entries, |entry| entry.event_type.clone()).into(),
        of(&entries, |entry| entry.task_id.as_uuid()).into(),
        of(&entries, |entry| entry.user_id.to_string()).into(),
        of(&entries, |entry| entry.task_version).into(),
        of(&entries, |entry| micros(entry.event_time)).into(),
        of(&entries, |entry| micros(entry.record_time)).into(),
        of(&entries, |entry| json(&entry.before)).into(),
        of(&entries, |entry| entry.after.to_string()).into(),
        of(&entries, |entry| entry.trace_id.clone().unwrap_or_default()).into(),
        entries.iter().map(|(_, refills)| *refills).collect::<Vec<bool>>().into(),
    ]);
    values
}
