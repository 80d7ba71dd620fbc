//! Whose daily summary is due, and that each is begun once.

use docket_domain::{Instant, UserId};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select, Statement,
};

use super::deliveries::readable;
use super::preferences::{StoredPreferences, stored, user_of};
use crate::entity::preferences::{Column, Entity, Model};
use crate::patience::in_time;
use crate::{Error, Store, Tx, micros};

/// When a user's next digest is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NextDigest {
    /// The user.
    pub user_id: UserId,
    /// The one that was due, and is begun.
    pub expect: Instant,
    /// The one after it; none when the user does not want any more.
    pub next: Option<Instant>,
}

/// The same text however many digests it sets.
const SET: &str = include_str!("digests.sql");
const SET_IN_PROCESS: &str = include_str!("digests.sqlite.sql");

impl Store {
    /// Users whose digest is due, with their preferences, those who wait longest first; at most `limit`. One
    /// whose preferences can not be read is passed over. One statement.
    pub async fn digests_due(
        &self,
        now: Instant,
        limit: u32,
    ) -> Result<Vec<(UserId, StoredPreferences)>, Error> {
        let rows = in_time(due_query(now, limit).all(&self.read)).await?;
        let read = |row: Model| {
            let user = row.user_id.clone();
            readable("preferences", &user, stored(row))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

impl Tx<'_> {
    /// Sets when the next digests are due, and answers of which users: for others that is not what was expected, because
    /// somebody else has begun the digest, or the user has changed it. One statement.
    pub async fn digests_set(&self, digests: &[NextDigest]) -> Result<Vec<UserId>, Error> {
        if digests.is_empty() {
            return Ok(Vec::new());
        }
        let backend = self.0.get_database_backend();
        let set = match backend {
            DbBackend::Postgres => {
                let values = [
                    digests.iter().map(|digest| digest.user_id.to_string()).collect::<Vec<_>>().into(),
                    digests.iter().map(|digest| micros(digest.expect)).collect::<Vec<_>>().into(),
                    digests.iter().map(|digest| digest.next.is_some()).collect::<Vec<_>>().into(),
                    digests.iter().map(|digest| digest.next.map_or(0, micros)).collect::<Vec<_>>().into(),
                ];
                Statement::from_sql_and_values(backend, SET, values)
            }
            _ => {
                let row = |digest: &NextDigest| {
                    serde_json::json!({
                        "user_id": digest.user_id.as_str(),
                        "expect": micros(digest.expect),
                        "next": digest.next.map(micros),
                    })
                };
                let rows = digests.iter().map(row).collect::<serde_json::Value>().to_string();
                Statement::from_sql_and_values(backend, SET_IN_PROCESS, [rows.into()])
            }
        };
        let rows = self.0.query_all_raw(set).await?;
        rows.iter().map(|row| user_of(&row.try_get::<String>("", "user_id")?)).collect()
    }
}

pub(crate) fn due_query(now: Instant, limit: u32) -> Select<Entity> {
    Entity::find()
        .filter(Column::NextDigestTime.lte(micros(now)))
        .order_by_asc(Column::NextDigestTime)
        .order_by_asc(Column::UserId)
        .limit(u64::from(limit))
}
