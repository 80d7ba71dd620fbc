//! Table `dead_letter_actions`: who has done what about a dead letter.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter_actions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub action_id: Uuid,
    pub letter_id: Uuid,
    pub action: String,
    pub actor: String,
    pub reason: Option<String>,
    pub replay_id: Option<Uuid>,
    pub only_failed_handler: bool,
    pub create_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
