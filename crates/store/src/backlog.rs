//! How much waits in the outbox, and for how long.

use docket_domain::Instant;
use sea_orm::sea_query::Value;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

use crate::patience::in_time;
use crate::relay::Part;
use crate::{Error, Store, instant};

/// Reads so many rows, however many there are. An event that is published once more is as old as when it happened, which
/// says nothing of how long it waits here.
pub(crate) const BACKLOG: &str = include_str!("backlog/backlog.sql");
/// The same of some shards.
const BACKLOG_OF: &str = include_str!("backlog/backlog_of.sql");

/// What waits in an outbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// How many events, but one more than asked for at most: then there are more.
    pub events: u64,
    /// When the oldest of them was written.
    pub oldest: Option<Instant>,
    /// The position of that one.
    pub position: Option<i64>,
}

impl Store {
    /// What waits, counted up to `most` events and one.
    pub async fn outbox_backlog(&self, most: u64) -> Result<Backlog, Error> {
        backlog(&self.read, BACKLOG, [limit(most)]).await
    }

    /// What of it a relay has to carry, among the oldest `most` events and one. One statement, with the relay's connections.
    pub async fn outbox_backlog_of(&self, part: &Part, most: u64) -> Result<Backlog, Error> {
        if !part.is_leased() {
            return self.outbox_backlog(most).await;
        }
        let shards: Vec<i16> = part.shards().map(|(shard, _)| shard).collect();
        backlog(&self.relay, BACKLOG_OF, [limit(most), shards.into()]).await
    }
}

fn limit(most: u64) -> Value {
    i64::try_from(most.saturating_add(1)).unwrap_or(i64::MAX).into()
}

async fn backlog<const N: usize>(
    connections: &DatabaseConnection,
    sql: &str,
    values: [Value; N],
) -> Result<Backlog, Error> {
    let backlog = Statement::from_sql_and_values(connections.get_database_backend(), sql, values);
    let Some(row) = in_time(connections.query_one_raw(backlog)).await? else { return Ok(Backlog::default()) };
    let events: i64 = row.try_get("", "events")?;
    let oldest: Option<i64> = row.try_get("", "oldest")?;
    Ok(Backlog {
        events: events.unsigned_abs(),
        oldest: oldest.map(instant).transpose()?,
        position: row.try_get("", "position")?,
    })
}
