//! Table `audit_entries`: every event, for ever.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub event_id: Uuid,
    pub event_type: String,
    pub task_id: Uuid,
    pub user_id: String,
    pub task_version: i64,
    pub event_time: i64,
    pub record_time: i64,
    pub before: Option<Json>,
    pub after: Json,
    pub trace_id: Option<String>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
