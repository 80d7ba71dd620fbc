//! Saying what became of attempts, and which firings that has completed.

use docket_domain::{DeliveryId, DeliveryState, Instant};
use sea_orm::sea_query::{Query, Value};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    Select, Statement,
};

use super::deliveries::{Delivery, delivery};
use crate::among::{among, among_texts, digits};
use crate::entity::deliveries::{Column, Entity};
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

/// The same text however many attempts it settles.
const SETTLE: &str = include_str!("settle.sql");
pub(crate) const SETTLE_IN_PROCESS: &str = include_str!("settle.sqlite.sql");

impl Tx<'_> {
    /// Says what became of attempts, each of another message; answers of which messages that is known now. Others are those
    /// whose claim has come to its end and was taken by somebody else. One statement.
    ///
    /// Locks all messages of the same subjects, so that [`Tx::deliveries_completed`] is true in the same transaction. A
    /// transaction does this once.
    pub async fn deliveries_settle(&self, settled: &[Settled]) -> Result<Vec<DeliveryId>, Error> {
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        let backend = self.0.get_database_backend();
        let settle = match backend {
            DbBackend::Postgres => Statement::from_sql_and_values(backend, SETTLE, columns(settled)),
            _ => {
                let rows = settled.iter().map(row).collect::<serde_json::Value>().to_string();
                Statement::from_sql_and_values(backend, SETTLE_IN_PROCESS, [rows.into()])
            }
        };
        let rows = self.0.query_all_raw(settle).await?;
        rows.iter().map(|row| Ok(DeliveryId::from_uuid(row.try_get("", "delivery_id")?))).collect()
    }

    /// All messages of those firings that have come to their end with these, which this transaction has settled: firing by
    /// firing, in the order of the channels' names. Of all who settle messages of a firing, one is answered it. One
    /// statement.
    pub async fn deliveries_completed(&self, settled: &[DeliveryId]) -> Result<Vec<Delivery>, Error> {
        if settled.is_empty() {
            return Ok(Vec::new());
        }
        let rows = siblings_query(self.0.get_database_backend(), settled).all(&self.0).await?;
        let firings = rows.chunk_by(|one, next| one.subject == next.subject);
        let complete = firings.filter(|firing| firing.iter().all(|row| row.finish_time.is_some()));
        complete.flatten().map(|row| delivery(row.clone())).collect()
    }
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

/// All messages of the firings of these.
pub(crate) fn siblings_query(backend: DbBackend, settled: &[DeliveryId]) -> Select<Entity> {
    let ids = settled.iter().map(|id| id.as_uuid()).collect();
    let subjects = Query::select()
        .column(Column::Subject)
        .from(Entity)
        .and_where(among(backend, Column::DeliveryId, ids))
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
