//! Pages of the ledger.

use docket_domain::{DeliveryState, Instant, TaskId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::deliveries::{Delivery, delivery};
use crate::entity::deliveries::{Column, Entity};
use crate::{Error, Store, micros};

/// Where a page ended.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cursor {
    create_time: i64,
    delivery_id: Uuid,
}

impl Cursor {
    /// The place of a message in a listing.
    pub fn of(delivery: &Delivery) -> Self {
        Self { create_time: micros(delivery.create_time), delivery_id: delivery.id.as_uuid() }
    }
}

/// Which messages of a user to list.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// About this task.
    pub task_id: Option<TaskId>,
    /// In one of these states; empty for all.
    pub states: Vec<DeliveryState>,
    /// That came into the ledger at this instant or later.
    pub start_time: Option<Instant>,
    /// That came into it before this instant.
    pub end_time: Option<Instant>,
    /// Where the page before ended.
    pub after: Option<Cursor>,
    /// The most to answer.
    pub limit: u32,
}

impl Store {
    /// A page of the user's messages, the newest first, and whether there are more. One statement.
    pub async fn deliveries_list(
        &self,
        owner: &UserId,
        listing: &Listing,
    ) -> Result<(Vec<Delivery>, bool), Error> {
        let found = list_query(owner, listing).all(&self.read);
        let mut rows = self.told("list deliveries", found).await?;
        let more = rows.len() > listing.limit as usize;
        rows.truncate(listing.limit as usize);
        Ok((rows.into_iter().map(delivery).collect::<Result<_, _>>()?, more))
    }
}

/// A page of a user's messages: one range of one index, read backwards.
pub(crate) fn list_query(owner: &UserId, listing: &Listing) -> Select<Entity> {
    let mut query = Entity::find().filter(Column::UserId.eq(owner.as_str()));
    if let Some(task) = listing.task_id {
        query = query.filter(Column::TaskId.eq(task.as_uuid()));
    }
    if !listing.states.is_empty() {
        query = query.filter(Column::State.is_in(listing.states.iter().map(|state| state.name())));
    }
    if let Some(start) = listing.start_time {
        query = query.filter(Column::CreateTime.gte(micros(start)));
    }
    if let Some(end) = listing.end_time {
        query = query.filter(Column::CreateTime.lt(micros(end)));
    }
    if let Some(after) = &listing.after {
        let place = [Column::CreateTime, Column::DeliveryId].map(|column| Expr::col((Entity, column)));
        let cursor = [Expr::val(after.create_time), Expr::val(after.delivery_id)];
        query = query.filter(Expr::tuple(place).lt(Expr::tuple(cursor)));
    }
    query
        .order_by_desc(Column::CreateTime)
        .order_by_desc(Column::DeliveryId)
        .limit(u64::from(listing.limit) + 1)
}
