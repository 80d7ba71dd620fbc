//! What the handlers of this process have done with: makes the effect of an event happen once.

use std::collections::HashSet;

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, DbBackend, EntityTrait as _, QueryFilter as _, QueryResult,
    QuerySelect as _, QueryTrait as _, Statement,
};

use crate::entity::inbox::{ActiveModel, Column, Entity};
use crate::patience::in_time;
use crate::{Error, Store, Tx, inserted, micros};

/// How a handler ended with an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'a> {
    /// The effect is there.
    Done,
    /// It can never be handled; the reason says why.
    Dead(&'a str),
}

/// The same text however many events it is asked about.
const RECEIPTS: &str = "SELECT event_id, handler FROM inbox WHERE event_id = ANY ($1::uuid[])";

impl Store {
    /// Whether the handler is done with the event.
    pub async fn inbox_has(&self, handler: &str, event: EventId) -> Result<bool, Error> {
        let found = Entity::find_by_id((event.as_uuid(), handler.to_owned())).one(&self.read).await?;
        Ok(found.is_some())
    }

    /// Which handlers are done with which of these events. One statement.
    pub async fn inbox_receipts(&self, events: &[EventId]) -> Result<HashSet<(EventId, String)>, Error> {
        let ids = events.iter().map(|event| event.as_uuid());
        let found = match self.read.get_database_backend() {
            DbBackend::Postgres => {
                let ids: Vec<_> = ids.collect();
                let receipts = Statement::from_sql_and_values(DbBackend::Postgres, RECEIPTS, [ids.into()]);
                in_time(self.read.query_all_raw(receipts)).await?
            }
            _ => {
                let receipts = Entity::find().select_only().columns([Column::EventId, Column::Handler]);
                let receipts = receipts.filter(Column::EventId.is_in(ids));
                self.read.query_all(receipts.as_query()).await?
            }
        };
        let receipt = |row: &QueryResult| {
            Ok((EventId::from_uuid(row.try_get("", "event_id")?), row.try_get("", "handler")?))
        };
        found.iter().map(receipt).collect()
    }
}

impl Tx<'_> {
    /// Notes that the handler is done with the event; false when it was before, and the effect must not happen again.
    pub async fn inbox_insert(
        &self,
        handler: &str,
        event: EventId,
        verdict: Verdict<'_>,
        now: Instant,
    ) -> Result<bool, Error> {
        let (state, reason) = match verdict {
            Verdict::Done => ("DONE", None),
            Verdict::Dead(reason) => ("DEAD", Some(reason.to_owned())),
        };
        let row = ActiveModel {
            event_id: Set(event.as_uuid()),
            handler: Set(handler.to_owned()),
            state: Set(state.to_owned()),
            reason: Set(reason),
            create_time: Set(micros(now)),
        };
        let insert = Entity::insert(row).on_conflict_do_nothing_on([Column::EventId, Column::Handler]);
        Ok(inserted(insert.exec_without_returning(&self.0).await?))
    }
}
