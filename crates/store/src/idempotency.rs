//! Makes mutations repeatable: the first answer to a `request_id` is its only answer (AIP-155).

use docket_domain::{Instant, RequestId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::entity::idempotency_keys::{ActiveModel, Column, Entity};
use crate::{Error, Tx, inserted, micros};

/// A call that its caller may repeat.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// Who calls.
    pub user: &'a UserId,
    /// What makes this call the same as another one.
    pub request_id: RequestId,
    /// The method's name.
    pub method: &'static str,
    /// A digest of the request.
    pub body_hash: [u8; 32],
}

/// What is known of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Earlier {
    /// It is made for the first time.
    None,
    /// It was answered with these bytes.
    Answered(Vec<u8>),
    /// Another call was made under its id.
    Other,
}

impl Tx<'_> {
    /// Claims the call's id, or answers what was done under it. First in a transaction, before any row of a task.
    ///
    /// `response` is what a repetition will be answered, when that is known beforehand; else
    /// [`Tx::call_answer`] must follow.
    pub async fn call_claim(
        &self,
        call: &Call<'_>,
        response: Vec<u8>,
        now: Instant,
    ) -> Result<Earlier, Error> {
        let row = ActiveModel {
            user_id: Set(call.user.to_string()),
            request_id: Set(call.request_id.as_uuid()),
            method: Set(call.method.to_owned()),
            body_hash: Set(call.body_hash.to_vec()),
            response: Set(response),
            create_time: Set(micros(now)),
        };
        let claim = Entity::insert(row).on_conflict_do_nothing_on([Column::UserId, Column::RequestId]);
        if inserted(claim.exec_without_returning(&self.0).await?) {
            return Ok(Earlier::None);
        }
        let key = (call.user.to_string(), call.request_id.as_uuid());
        let found = Entity::find_by_id(key).one(&self.0).await?;
        Ok(match found {
            Some(row) if row.method == call.method && row.body_hash == call.body_hash => {
                Earlier::Answered(row.response)
            }
            _ => Earlier::Other,
        })
    }

    /// Keeps the answer to a claimed call.
    pub async fn call_answer(&self, call: &Call<'_>, response: Vec<u8>) -> Result<(), Error> {
        let update = Entity::update_many()
            .col_expr(Column::Response, Expr::value(response))
            .filter(Column::UserId.eq(call.user.as_str()))
            .filter(Column::RequestId.eq(call.request_id.as_uuid()));
        update.exec(&self.0).await?;
        Ok(())
    }
}
