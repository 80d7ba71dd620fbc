//! Table `reminder_tasks`: what the target `reminders` knows of a task, one row for each.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reminder_tasks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: Uuid,
    pub user_id: String,
    pub version: i64,
    pub open: bool,
    pub title: String,
    pub priority: i16,
    pub due_time: Option<i64>,
    pub due_date: Option<String>,
    pub time_zone: String,
    pub reminders: Json,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
