//! Claiming what is due: nobody else sends it while the claim lasts.

use std::collections::HashSet;

use docket_domain::{Channel, DeliveryState, Instant};
use sea_orm::sea_query::{Alias, Query, SelectStatement, UnionType};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, FromQueryResult as _,
    Iterable as _, QueryFilter as _, QueryOrder as _, QueryResult, QuerySelect as _, QueryTrait as _,
    Statement,
};
use uuid::Uuid;

use super::deliveries::{Delivery, delivery, readable};
use crate::among::digits;
use crate::entity::deliveries::{Column, Entity, Model};
use crate::patience::in_time;
use crate::{Error, Store, micros};

/// A message that is the caller's to send, until the claim ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The message; its attempts count this one.
    pub delivery: Delivery,
    /// Whether somebody has claimed it before and has not said what became of it: the channel may have taken it.
    pub was_sending: bool,
}

/// The same text whatever it claims.
const CLAIM: &str = include_str!("claim.sql");
pub(crate) const CLAIM_IN_PROCESS: &str = include_str!("claim.sqlite.sql");

impl Store {
    /// Claims until `until` what is due at `now` and what was claimed for no longer than that: of each of these channels the
    /// oldest, at most so many. Each channel is named once.
    ///
    /// A row that can not be read stays claimed and is passed over.
    ///
    /// One statement, which is a look into an index for each channel, and writes nothing when there is nothing. On SQLite it
    /// only looks, and one more claims what there is.
    pub async fn deliveries_claim(
        &self,
        wanted: &[(Channel, u32)],
        now: Instant,
        until: Instant,
    ) -> Result<Vec<Claimed>, Error> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut claimed = match self.write.get_database_backend() {
            DbBackend::Postgres => self.claim_on_postgres(wanted, now, until).await?,
            _ => self.claim_in_process(wanted, now, until).await?,
        };
        claimed.sort_by_key(|(due, claimed)| (*due, claimed.delivery.id));
        Ok(claimed.into_iter().map(|(_, claimed)| claimed).collect())
    }

    async fn claim_on_postgres(
        &self,
        wanted: &[(Channel, u32)],
        now: Instant,
        until: Instant,
    ) -> Result<Vec<(i64, Claimed)>, Error> {
        let values = [
            wanted.iter().map(|(channel, _)| channel.name().to_owned()).collect::<Vec<_>>().into(),
            wanted.iter().map(|(_, most)| i64::from(*most)).collect::<Vec<_>>().into(),
            micros(now).into(),
            micros(until).into(),
        ];
        let claim = Statement::from_sql_and_values(DbBackend::Postgres, CLAIM, values);
        let rows = in_time(self.write.query_all_raw(claim)).await?;
        let claimed = |row: &QueryResult| {
            let delivery = delivery(Model::from_query_result(row, "")?)?;
            Ok((
                row.try_get("", "due_time")?,
                Claimed { delivery, was_sending: row.try_get("", "was_sending")? },
            ))
        };
        let mut all = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: Uuid = row.try_get("", "delivery_id")?;
            all.extend(readable("deliveries", &id, claimed(row)));
        }
        Ok(all)
    }

    /// Looks first, where readers stand in nobody's way; what has changed since then is not claimed.
    async fn claim_in_process(
        &self,
        wanted: &[(Channel, u32)],
        now: Instant,
        until: Instant,
    ) -> Result<Vec<(i64, Claimed)>, Error> {
        let Some(look) = due_query(wanted, now) else { return Ok(Vec::new()) };
        let rows = in_time(self.read.query_all(&look)).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let due = rows.iter().map(|row| Model::from_query_result(row, ""));
        let mut due = due.collect::<Result<Vec<Model>, DbErr>>()?;
        let seen = due.iter().map(
            |row| serde_json::json!({ "delivery_id": digits(row.delivery_id), "attempts": row.attempts }),
        );
        let values = [
            seen.collect::<serde_json::Value>().to_string().into(),
            micros(until).into(),
            micros(now).into(),
        ];
        let claim = Statement::from_sql_and_values(DbBackend::Sqlite, CLAIM_IN_PROCESS, values);
        let rows = in_time(self.write.query_all_raw(claim)).await?;
        let ours = rows.iter().map(|row| row.try_get("", "delivery_id"));
        let ours = ours.collect::<Result<HashSet<Uuid>, DbErr>>()?;
        due.retain(|row| ours.contains(&row.delivery_id));
        Ok(due
            .into_iter()
            .filter_map(|row| readable("deliveries", &row.delivery_id.clone(), claimed(row)))
            .collect())
    }
}

/// What is due of each channel, as looks into an index, one for each; none for no channel.
pub(crate) fn due_query(wanted: &[(Channel, u32)], now: Instant) -> Option<SelectStatement> {
    let looks = wanted.iter().map(|(channel, most)| {
        let due = Entity::find()
            .filter(Column::Channel.eq(channel.name()))
            .filter(Column::WakeTime.lte(micros(now)))
            .order_by_asc(Column::WakeTime)
            .order_by_asc(Column::DeliveryId)
            .limit(u64::from(*most));
        // Wrapped, because a part of a UNION can not have an order of its own.
        Query::select().columns(Column::iter()).from_subquery(due.into_query(), Alias::new("due")).to_owned()
    });
    looks.reduce(|mut all, look| all.union(UnionType::All, look).to_owned())
}

/// A row as it was before it was claimed.
fn claimed(row: Model) -> Result<(i64, Claimed), Error> {
    let due = row.wake_time.unwrap_or_default();
    let before = delivery(row)?;
    let was_sending = before.state == DeliveryState::Sending;
    let delivery = Delivery {
        state: DeliveryState::Sending,
        attempts: before.attempts.saturating_add(1),
        next_attempt: None,
        ..before
    };
    Ok((due, Claimed { delivery, was_sending }))
}
