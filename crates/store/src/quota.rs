//! How much a user has, counted no further than matters.

use docket_domain::UserId;
use sea_orm::sea_query::{Alias, Asterisk, Expr, Func, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _};

use crate::entity::tasks;
use crate::{Error, Store};

impl Store {
    /// How many tasks the user has that are not deleted; `limit` when they are as many, or more.
    pub async fn task_count_up_to(&self, owner: &UserId, limit: u64) -> Result<u64, Error> {
        let row = self.read.query_one(&count_query(owner, limit)).await?;
        let count: Option<i64> = row.map(|row| row.try_get_by_index(0)).transpose()?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}

fn count_query(owner: &UserId, limit: u64) -> SelectStatement {
    let kept = Query::select()
        .expr(Expr::val(1))
        .from(tasks::Entity)
        .and_where(tasks::Column::UserId.eq(owner.as_str()))
        .and_where(tasks::Column::DeleteTime.is_null())
        .limit(limit)
        .to_owned();
    Query::select().expr(Func::count(Expr::col(Asterisk))).from_subquery(kept, Alias::new("kept")).to_owned()
}
