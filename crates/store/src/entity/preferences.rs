//! Table `preferences`: how users want to be told, one row for each who has ever said so, or was ever told.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "preferences")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: String,
    pub version: i64,
    pub time_zone: String,
    pub all_day_time: String,
    pub channels: Json,
    pub email: Option<String>,
    pub push_tokens: Json,
    pub webhook_url: Option<String>,
    pub webhook_secret: Option<Vec<u8>>,
    pub quiet_start: Option<String>,
    pub quiet_end: Option<String>,
    pub digest_time: Option<String>,
    pub digest_channels: Option<Json>,
    pub locale: String,
    pub unsubscribed: Json,
    pub unsubscribe_token: Vec<u8>,
    pub next_digest_time: Option<i64>,
    pub update_time: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
