//! Which relay may publish which part of an outbox, so that several processes share one.
//!
//! On PostgreSQL the outbox is cut into shards. A relay has one row in `relays`, which says until when its lease lasts, and
//! each of the `relay_shards` names the relay that has it. A shard is held as long as its relay's row is there and has not
//! expired, by the database's clock. So one row is written to renew everything, and the shards' rows change only when a
//! shard goes to another relay.
//!
//! - An expired row can not be renewed. It is deleted before its shards are taken, and whoever finds its row gone comes back
//!   under a new id: nobody can be alive again for those who have seen it dead.
//! - Taking a shard raises its epoch, and only works at the epoch at which the shard was seen to be free.
//! - Rows are locked for one statement at most, and passed over where somebody else has them locked.
//!
//! An SQLite file is one process's alone: its relay has all of it, and nothing of this is written anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_domain::EventId;
use docket_migration::Schema;
use sea_orm::sea_query::Value;
use sea_orm::{
    ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, FromQueryResult as _, QueryFilter as _,
    QueryResult, Statement,
};
use uuid::Uuid;

use crate::among::{among, json_of};
use crate::entity::outbox;
use crate::outbox::{PendingEvent, SHARDS, pending};
use crate::page::page_bytes;
use crate::patience::in_time;
use crate::transaction::begin;
use crate::{Error, Store};

const JOIN: &str = include_str!("relay/join.sql");
/// Renews the lease, counts the others, and reads what there is to do: all that an idle relay costs.
const POLL: &str = include_str!("relay/poll.sql");
const BURY: &str = include_str!("relay/bury.sql");
const CLAIM: &str = include_str!("relay/claim.sql");
const RELEASE: &str = include_str!("relay/release.sql");
/// Without its row, all that a relay has is free.
const LEAVE: &str = "DELETE FROM relays WHERE relay_id = $1::uuid";
/// The condition makes it exact for everything but a takeover in the same moment, and then it removes what has arrived.
const REMOVE: &str = include_str!("relay/remove.sql");
/// The same, and keeps the events as published.
const REMOVE_TASKS: &str = include_str!("relay/remove_tasks.sql");
/// On SQLite, before they are removed.
const KEEP: &str = include_str!("relay/keep.sqlite.sql");

/// What of an outbox a relay may publish.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Part(Hold);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Hold {
    /// All of it, for good.
    Whole,
    /// Some shards, each with the epoch in which it was taken, as long as the relay's lease lasts.
    Leased { relay: Uuid, shards: BTreeMap<i16, i64> },
}

impl Part {
    /// Whether it lasts only as long as it is renewed.
    pub fn is_leased(&self) -> bool {
        matches!(self.0, Hold::Leased { .. })
    }

    /// The shards, each with its epoch; none when it is the whole outbox for good.
    pub fn shards(&self) -> impl Iterator<Item = (i16, i64)> {
        let shards = match &self.0 {
            Hold::Whole => None,
            Hold::Leased { shards, .. } => Some(shards),
        };
        shards.into_iter().flatten().map(|(shard, epoch)| (*shard, *epoch))
    }
}

/// What a look at the outbox has found.
#[derive(Clone, Debug)]
pub struct Poll {
    /// The oldest event of each key.
    pub heads: Vec<PendingEvent>,
    /// Who else is there.
    pub census: Census,
}

/// The relays of an outbox.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Census {
    /// How many live, the one that asks among them.
    pub live: u32,
    /// How many of them come before the one that asks.
    pub rank: u32,
    /// How many have expired, and have still to be deleted.
    pub expired: u32,
    /// How many shards nobody has, those of the expired aside.
    pub free: u32,
}

impl Census {
    /// How many shards the relay that asks should have: all relays' shares together are all shards.
    pub fn share(&self) -> usize {
        let live = self.live.max(1);
        // Where it does not come out even, the first have one more.
        let more = u32::from(self.rank < SHARDS % live);
        (SHARDS / live + more) as usize
    }
}

impl Store {
    /// Begins a lease, of no shard yet, under an id that was never used. On SQLite nothing is asked: it has everything.
    pub async fn relay_join(&self, relay: Uuid, lease: Duration) -> Result<Part, Error> {
        if !self.is_shared() {
            return Ok(Part(Hold::Whole));
        }
        in_time(self.relay.execute_raw(postgres(JOIN, [relay.into(), micros_of(lease).into()]))).await?;
        Ok(Part(Hold::Leased { relay, shards: BTreeMap::new() }))
    }

    /// Renews the lease, and answers the oldest event of each key beyond `after`, at most `limit` and a page, of these topics, in
    /// what the relay has. None when the lease had ended: then the relay has nothing, and never will under its id. One
    /// statement.
    ///
    /// `after` is that of [`Store::outbox_heads`].
    pub async fn relay_poll(
        &self,
        part: &Part,
        lease: Duration,
        topics: &[String],
        after: i64,
        limit: u64,
    ) -> Result<Option<Poll>, Error> {
        let Hold::Leased { relay, shards } = &part.0 else {
            let heads = self.outbox_heads(topics, after, limit).await?;
            return Ok(Some(Poll { heads, census: Census::default() }));
        };
        let values = [
            (*relay).into(),
            micros_of(lease).into(),
            shards.keys().copied().collect::<Vec<i16>>().into(),
            topics.to_vec().into(),
            after.into(),
            i64::try_from(limit).unwrap_or(i64::MAX).into(),
            page_bytes().into(),
        ];
        let rows = in_time(self.relay.query_all_raw(postgres(POLL, values))).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        if !first.try_get::<bool>("", "renewed")? {
            return Ok(None);
        }
        let census = Census {
            live: number(first, "live")?,
            rank: number(first, "rank")?,
            expired: number(first, "expired")?,
            free: number(first, "free")?,
        };
        let mut heads = Vec::with_capacity(rows.len());
        for row in &rows {
            // There is always a row for the census.
            if row.try_get::<Option<i64>>("", "position")?.is_some() {
                heads.push(pending(outbox::Model::from_query_result(row, "")?)?);
            }
        }
        Ok(Some(Poll { heads, census }))
    }

    /// Takes up to so many shards that nobody has, those of expired relays among them; answers how many it got.
    pub async fn relay_claim(&self, part: &mut Part, most: usize) -> Result<usize, Error> {
        let Hold::Leased { relay, shards } = &mut part.0 else { return Ok(0) };
        in_time(self.relay.execute_raw(postgres(BURY, []))).await?;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = in_time(self.relay.query_all_raw(postgres(CLAIM, [(*relay).into(), most.into()]))).await?;
        for row in &rows {
            shards.insert(row.try_get("", "shard")?, row.try_get("", "epoch")?);
        }
        Ok(rows.len())
    }

    /// Gives shards back.
    pub async fn relay_release(&self, part: &mut Part, given: &[i16]) -> Result<(), Error> {
        let Hold::Leased { relay, shards } = &mut part.0 else { return Ok(()) };
        // Before they are free for others, whatever becomes of the answer.
        shards.retain(|shard, _| !given.contains(shard));
        in_time(self.relay.execute_raw(postgres(RELEASE, [(*relay).into(), given.to_vec().into()]))).await?;
        Ok(())
    }

    /// Gives everything back at once.
    pub async fn relay_leave(&self, part: Part) -> Result<(), Error> {
        if let Hold::Leased { relay, .. } = part.0 {
            in_time(self.relay.execute_raw(postgres(LEAVE, [relay.into()]))).await?;
        }
        Ok(())
    }

    /// Removes events that have arrived; those of tasks are kept for a while, see [`published`](crate::published). False
    /// when the relay does not have what it believes to have: then nothing was removed of what others have. One
    /// statement; on SQLite two, which are a transaction.
    pub async fn outbox_remove(&self, part: &Part, events: &[EventId]) -> Result<bool, Error> {
        let ids: Vec<Uuid> = events.iter().map(|event| event.as_uuid()).collect();
        let Hold::Leased { relay, shards } = &part.0 else {
            let tx = begin(&self.write, &self.suspicion).await?;
            tx.execute_raw(Statement::from_sql_and_values(DbBackend::Sqlite, KEEP, [json_of(&ids).into()]))
                .await?;
            let gone = among(DbBackend::Sqlite, outbox::Column::EventId, ids);
            outbox::Entity::delete_many().filter(gone).exec(&tx).await?;
            tx.commit().await?;
            return Ok(true);
        };
        let values = [
            ids.into(),
            (*relay).into(),
            shards.keys().copied().collect::<Vec<i16>>().into(),
            shards.values().copied().collect::<Vec<i64>>().into(),
        ];
        let remove = if self.schema == Some(Schema::Tasks) { REMOVE_TASKS } else { REMOVE };
        let row = in_time(self.relay.query_one_raw(postgres(remove, values))).await?;
        Ok(row.map_or(Ok(false), |row| row.try_get("", "held"))?)
    }

    /// Whether other processes may work with this outbox too, so that a relay has it by lease.
    pub fn is_shared(&self) -> bool {
        self.write.get_database_backend() == DbBackend::Postgres
    }
}

fn postgres<const N: usize>(sql: &'static str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn number(row: &QueryResult, column: &str) -> Result<u32, DbErr> {
    Ok(u32::try_from(row.try_get::<i64>("", column)?).unwrap_or(u32::MAX))
}

fn micros_of(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_even_and_together_are_all() {
        for live in 1..=70 {
            let shares: Vec<usize> =
                (0..live).map(|rank| Census { live, rank, ..Census::default() }.share()).collect();
            assert_eq!(shares.iter().sum::<usize>(), SHARDS as usize, "{live}");
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{live}");
        }
    }
}
