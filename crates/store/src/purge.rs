//! Deletes what has been kept for long enough, so many rows at a time that nobody waits for it.

use docket_domain::Instant;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::patience::in_time;
use crate::{Error, Store, micros};

/// What is kept for a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    table: &'static str,
    /// The column that says since when. Leads an index.
    time: &'static str,
    /// Which rows may be deleted at all, as a condition that ends with AND.
    only: &'static str,
}

pub(crate) const INBOX: Kept = Kept { table: "inbox", time: "create_time", only: "" };
pub(crate) const IDEMPOTENCY_KEYS: Kept = Kept { table: "idempotency_keys", time: "create_time", only: "" };
pub(crate) const PUBLISHED: Kept = Kept { table: "published_events", time: "publish_time", only: "" };
/// Their actions go with them.
pub(crate) const DEAD_LETTERS: Kept =
    Kept { table: "dead_letters", time: "update_time", only: "state <> 'OPEN' AND " };
/// What is still to be sent has no such time.
pub(crate) const DELIVERIES: Kept = Kept { table: "deliveries", time: "finish_time", only: "" };
/// Their reminders go with them.
pub(crate) const REMINDERS: Kept =
    Kept { table: "reminder_tasks", time: "update_time", only: "NOT open AND " };

impl Store {
    /// Forgets what handlers were done with before an instant: the oldest, at most `limit`. Answers how many. One
    /// statement, like all that follow; rows that somebody else has locked are left for another time.
    pub async fn purge_inbox(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(INBOX, before, limit).await
    }

    /// Forgets the answers to calls that were made before an instant.
    pub async fn purge_idempotency_keys(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(IDEMPOTENCY_KEYS, before, limit).await
    }

    /// Forgets events that were published before an instant.
    pub async fn purge_published(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(PUBLISHED, before, limit).await
    }

    /// Deletes dead letters that were replayed or discarded before an instant, with what was done about them. An open one
    /// stays, however old it is.
    pub async fn purge_dead_letters(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(DEAD_LETTERS, before, limit).await
    }

    /// Deletes messages that came to their end before an instant. One that is still to be sent stays, however old it is.
    pub async fn purge_deliveries(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(DELIVERIES, before, limit).await
    }

    /// Forgets tasks that were completed or deleted before an instant, with all their reminders. What an open task has been
    /// given stays: it would be planned again.
    pub async fn purge_reminders(&self, before: Instant, limit: u64) -> Result<u64, Error> {
        self.purge(REMINDERS, before, limit).await
    }

    async fn purge(&self, kept: Kept, before: Instant, limit: u64) -> Result<u64, Error> {
        let backend = self.write.get_database_backend();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [micros(before).into(), limit.into()];
        let purge = Statement::from_sql_and_values(backend, kept.delete(backend), values);
        Ok(in_time(self.write.execute_raw(purge)).await?.rows_affected())
    }
}

impl Kept {
    /// By where the rows are, because that is how they can be found without a second look into an index. On PostgreSQL
    /// they are locked until then, so that they stay there.
    pub(crate) fn delete(self, backend: DbBackend) -> String {
        let Self { table, time, only } = self;
        let old =
            |place| format!("SELECT {place} FROM {table} WHERE {only}{time} < $1 ORDER BY {time} LIMIT $2");
        match backend {
            DbBackend::Postgres => {
                let old = old("ctid");
                format!("DELETE FROM {table} WHERE ctid = ANY (ARRAY({old} FOR UPDATE SKIP LOCKED))")
            }
            _ => format!("DELETE FROM {table} WHERE rowid IN ({})", old("rowid")),
        }
    }
}
