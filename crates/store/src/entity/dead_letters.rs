//! Table `dead_letters`: events that could not be handled, one row for each that a handler gave up.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub letter_id: Uuid,
    pub state: String,
    pub handler: String,
    pub event_id: Uuid,
    pub event_type: Option<String>,
    pub pubsub: String,
    pub topic: String,
    pub partition_key: String,
    pub source_partition: Option<i32>,
    pub source_offset: Option<i64>,
    pub headers: Json,
    pub reason: String,
    pub original: Vec<u8>,
    pub failures: i64,
    pub first_failure_time: i64,
    pub last_failure_time: i64,
    pub replay_id: Option<Uuid>,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
