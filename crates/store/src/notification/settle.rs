//! Saying what became of attempts, and which firings that has completed.

use std::collections::HashSet;

use docket_domain::{DeliveryId, DeliveryState, Instant};
use sea_orm::sea_query::{Query, Value};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, FromQueryResult as _,
    QueryFilter as _, QueryOrder as _, Select, Statement,
};
use uuid::Uuid;

use super::deliveries::{Delivery, delivery};
use crate::among::{among, among_texts, digits};
use crate::entity::deliveries::{Column, Entity, Model};
use crate::text::without_nul;
use crate::{Error, Tx, micros};

/// What became of an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settled {
    /// The message.
    pub id: DeliveryId,
    /// Which attempt of it: [`Delivery::attempts`], as it was claimed.
    pub attempts: i32,
    /// How it stands with the message now. One that has not come to its end waits again.
    pub state: DeliveryState,
    /// When one that waits is to be sent; none for now.
    pub next_attempt: Option<Instant>,
    /// Whether quiet hours put it off; that they have done so before stays known.
    pub postponed: bool,
    /// Why it was not sent; none keeps what was said last.
    pub reason: Option<String>,
    /// Now.
    pub time: Instant,
}

/// What is known after attempts were settled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settlement {
    /// The messages of which it is known now what became of them. Others are those whose claim has come to its end and was
    /// taken by somebody else.
    pub known: Vec<DeliveryId>,
    /// All messages of those firings that have come to their end with these: firing by firing, in the order of the channels'
    /// names. Of all who settle messages of a firing, one is answered it.
    pub completed: Vec<Delivery>,
}

/// The same text however many attempts it settles.
const SETTLE: &str = include_str!("settle.sql");
pub(crate) const SETTLE_IN_PROCESS: &str = include_str!("settle.sqlite.sql");

impl Tx<'_> {
    /// Says what became of attempts, each of another message. One statement; on SQLite two when some have come to their end.
    ///
    /// Locks all messages of the same subjects, in the order of their ids. A transaction does this once.
    pub async fn deliveries_settle(&self, settled: &[Settled]) -> Result<Settlement, Error> {
        if settled.is_empty() {
            return Ok(Settlement::default());
        }
        match self.0.get_database_backend() {
            DbBackend::Postgres => self.settle_on_postgres(settled).await,
            _ => self.settle_in_process(settled).await,
        }
    }

    async fn settle_on_postgres(&self, settled: &[Settled]) -> Result<Settlement, Error> {
        let settle = Statement::from_sql_and_values(DbBackend::Postgres, SETTLE, columns(settled));
        let rows = self.0.query_all_raw(settle).await?;
        let (mut known, mut ended) = (Vec::new(), HashSet::new());
        for row in &rows {
            let id: Uuid = row.try_get("", "delivery_id")?;
            if !row.try_get::<bool>("", "known")? {
                continue;
            }
            known.push(DeliveryId::from_uuid(id));
            let firing: Option<Uuid> = row.try_get("", "reminder_id")?;
            let end: Option<i64> = row.try_get("", "finish_time")?;
            if firing.is_some() && end.is_some() {
                ended.insert(row.try_get::<String>("", "subject")?);
            }
        }
        let mut siblings = Vec::with_capacity(rows.len());
        for row in &rows {
            if ended.contains(&row.try_get::<String>("", "subject")?) {
                siblings.push(Model::from_query_result(row, "")?);
            }
        }
        siblings.sort_by(|one, other| (&one.subject, &one.channel).cmp(&(&other.subject, &other.channel)));
        Ok(Settlement { known, completed: completed(siblings)? })
    }

    async fn settle_in_process(&self, settled: &[Settled]) -> Result<Settlement, Error> {
        let rows = settled.iter().map(row).collect::<serde_json::Value>().to_string();
        let settle = Statement::from_sql_and_values(DbBackend::Sqlite, SETTLE_IN_PROCESS, [rows.into()]);
        let rows = self.0.query_all_raw(settle).await?;
        let known = rows.iter().map(|row| row.try_get("", "delivery_id").map(DeliveryId::from_uuid));
        let known = known.collect::<Result<Vec<_>, DbErr>>()?;
        let ended = settled.iter().filter(|one| one.state.is_final() && known.contains(&one.id));
        let ended: Vec<DeliveryId> = ended.map(|one| one.id).collect();
        if ended.is_empty() {
            return Ok(Settlement { known, completed: Vec::new() });
        }
        let siblings = siblings_query(&ended).all(&self.0).await?;
        Ok(Settlement { known, completed: completed(siblings)? })
    }
}

/// The messages of those firings of which none waits, in their order.
fn completed(rows: Vec<Model>) -> Result<Vec<Delivery>, Error> {
    let waits = rows.iter().filter(|row| row.finish_time.is_none());
    let waiting: HashSet<String> = waits.map(|row| row.subject.clone()).collect();
    rows.into_iter().filter(|row| !waiting.contains(&row.subject)).map(delivery).collect()
}

impl Tx<'_> {
    /// All messages about these subjects, subject by subject. One statement.
    pub async fn deliveries_about(&self, subjects: Vec<String>) -> Result<Vec<Delivery>, Error> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let rows = about_query(self.0.get_database_backend(), subjects).all(&self.0).await?;
        rows.into_iter().map(delivery).collect()
    }
}

fn about_query(backend: DbBackend, subjects: Vec<String>) -> Select<Entity> {
    Entity::find()
        .filter(among_texts(backend, Column::Subject, subjects))
        .order_by_asc(Column::Subject)
        .order_by_asc(Column::Channel)
}

/// All messages of the firings of these, on SQLite.
pub(crate) fn siblings_query(settled: &[DeliveryId]) -> Select<Entity> {
    let ids = settled.iter().map(|id| id.as_uuid()).collect();
    let subjects = Query::select()
        .column(Column::Subject)
        .from(Entity)
        .and_where(among(DbBackend::Sqlite, Column::DeliveryId, ids))
        .and_where(Column::ReminderId.is_not_null())
        .to_owned();
    Entity::find()
        .filter(Column::Subject.in_subquery(subjects))
        .order_by_asc(Column::Subject)
        .order_by_asc(Column::Channel)
}

/// As it is stored, and when the message is looked at again.
fn after(settled: &Settled) -> (DeliveryState, Instant) {
    let state = if settled.state.is_final() { settled.state } else { DeliveryState::Pending };
    (state, settled.next_attempt.unwrap_or(settled.time))
}

fn row(settled: &Settled) -> serde_json::Value {
    let (state, wake) = after(settled);
    serde_json::json!({
        "delivery_id": digits(settled.id.as_uuid()),
        "attempts": settled.attempts,
        "state": state.name(),
        "ended": state.is_final(),
        "wake_time": micros(wake),
        "postponed": settled.postponed,
        "reason": settled.reason.as_deref().map(without_nul),
        "time": micros(settled.time),
    })
}

/// The columns of the rows, as arrays. Those hold no NULL: an empty text stands for it.
fn columns(settled: &[Settled]) -> [Value; 8] {
    fn of<T>(settled: &[Settled], column: impl Fn(&Settled) -> T) -> Vec<T> {
        settled.iter().map(column).collect()
    }
    [
        of(settled, |settled| settled.id.as_uuid()).into(),
        of(settled, |settled| settled.attempts).into(),
        of(settled, |settled| after(settled).0.name().to_owned()).into(),
        of(settled, |settled| after(settled).0.is_final()).into(),
        of(settled, |settled| micros(after(settled).1)).into(),
        of(settled, |settled| settled.postponed).into(),
        of(settled, |settled| settled.reason.as_deref().map(without_nul).unwrap_or_default()).into(),
        of(settled, |settled| micros(settled.time)).into(),
    ]
}
