//! What the handlers of this process have done with: makes the effect of an event happen once.

use docket_domain::{EventId, Instant};
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait as _;

use crate::entity::inbox::{ActiveModel, Column, Entity};
use crate::{Error, Store, Tx, inserted, micros};

/// How a handler ended with an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict<'a> {
    /// The effect is there.
    Done,
    /// It can never be handled; the reason says why.
    Dead(&'a str),
}

impl Store {
    /// Whether the handler is done with the event.
    pub async fn inbox_has(&self, handler: &str, event: EventId) -> Result<bool, Error> {
        let found = Entity::find_by_id((event.as_uuid(), handler.to_owned())).one(&self.read).await?;
        Ok(found.is_some())
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
