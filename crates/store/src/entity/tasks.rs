//! Table `tasks`: one row a task; its tags are in `task_tags`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub task_id: Uuid,
    pub user_id: String,
    pub title: String,
    pub description: String,
    pub state: String,
    pub priority: i16,
    pub due_time: Option<i64>,
    pub due_date: Option<String>,
    pub time_zone: String,
    pub recurrence: Option<Json>,
    pub reminders: Json,
    pub series_id: Option<Uuid>,
    pub occurrence_time: Option<i64>,
    pub series_start: Option<String>,
    pub series_start_index: Option<i32>,
    pub series_index: Option<i32>,
    pub awaits_successor: bool,
    pub version: i64,
    pub user_seq: i64,
    pub create_time: i64,
    pub update_time: i64,
    pub complete_time: Option<i64>,
    pub complete_version: Option<i64>,
    pub delete_time: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
