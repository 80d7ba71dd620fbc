//! Table `reminders`: each reminder of each task, and how it stands with it.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "reminders")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i16,
    pub user_id: String,
    pub planned_time: i64,
    pub remind_time: i64,
    pub channels: Json,
    pub state: String,
    pub generation: i64,
    pub snoozed: bool,
    pub firing_id: Option<Uuid>,
    pub fire_time: Option<i64>,
    /// When the event of the firing was last handed to the outbox.
    pub publish_time: Option<i64>,
    /// The app id whose scheduler has an alarm for this generation.
    pub armed_by: Option<String>,
    /// Until when nobody else makes one.
    pub claim_expire_time: Option<i64>,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
