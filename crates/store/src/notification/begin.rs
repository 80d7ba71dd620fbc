//! Messages that somebody sends at once, and waits for.

use docket_domain::{DeliveryState, Instant, ReminderId, TaskId};
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

use super::deliveries::{Delivery, NewDelivery, delivery};
use crate::entity::deliveries::{Entity, Model};
use crate::patience::in_time;
use crate::text::without_nul;
use crate::{Error, Store, micros};

impl Store {
    /// Adds a message that is the caller's to send, as if it had been claimed until `until`. One statement.
    pub async fn delivery_begin(&self, new: &NewDelivery, until: Instant) -> Result<Delivery, Error> {
        let row = Model {
            delivery_id: new.id.as_uuid(),
            kind: new.kind.name().to_owned(),
            subject: new.subject.clone(),
            channel: new.channel.name().to_owned(),
            user_id: new.user_id.to_string(),
            task_id: new.task_id.map(TaskId::as_uuid),
            reminder_id: new.reminder_id.map(ReminderId::as_uuid),
            title: without_nul(&new.title),
            content: new.content.clone(),
            traceparent: new.trace.as_ref().map(|trace| trace.parent.clone()),
            tracestate: new.trace.as_ref().and_then(|trace| trace.state.clone()),
            remind_time: micros(new.remind_time),
            state: DeliveryState::Sending.name().to_owned(),
            attempts: 1,
            wake_time: Some(micros(until)),
            postponed: false,
            reason: None,
            create_time: micros(new.create_time),
            finish_time: None,
        };
        in_time(Entity::insert(row.clone().into_active_model()).exec_without_returning(&self.write)).await?;
        delivery(row)
    }
}
