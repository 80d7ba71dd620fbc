//! Table `outbox`: events that are still to be published; never updated, deleted when confirmed.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub position: i64,
    pub event_id: Uuid,
    pub shard: i16,
    pub topic: String,
    pub partition_key: String,
    pub event_type: String,
    pub source: String,
    pub payload: Vec<u8>,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
    pub create_time: i64,
    pub raw: bool,
    pub handler: Option<String>,
    pub republish_of: Option<Uuid>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
