//! Table `deliveries`: the ledger of what was sent, one row for each message on each channel.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub delivery_id: Uuid,
    pub kind: String,
    pub subject: String,
    pub channel: String,
    pub user_id: String,
    pub task_id: Option<Uuid>,
    pub reminder_id: Option<Uuid>,
    pub title: String,
    pub content: Json,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
    pub remind_time: i64,
    pub state: String,
    pub attempts: i32,
    pub wake_time: Option<i64>,
    pub postponed: bool,
    pub reason: Option<String>,
    pub create_time: i64,
    pub finish_time: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
