//! Makes mutations repeatable: the first answer to a `request_id` is its only answer (AIP-155).
//!
//! A target keeps the answers to its own calls. On SQLite all share one table, so that an id is good for one call of all
//! services there, and elsewhere for one call of each.

use docket_domain::{Instant, RequestId, UserId};
use prost::Message;
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use sha2::{Digest as _, Sha256};

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
    /// A digest of the request, as [`digest`] makes it.
    pub body_hash: [u8; 32],
}

/// A digest of what a request asks for. The request id is part of it, and harmless: it is the same in a repetition.
pub fn digest(request: &impl Message) -> [u8; 32] {
    Sha256::digest(request.encode_to_vec()).into()
}

/// Reads a kept answer.
pub fn answer<M: Message + Default>(response: &[u8]) -> Result<M, Error> {
    M::decode(response).map_err(|error| Error::corrupt("idempotency_keys.response", error.to_string()))
}

/// The request id was used for another call.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the request id {id} was used for another call")]
pub struct Reused {
    /// The request id.
    pub id: RequestId,
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
    /// Does what a call asks for, and keeps the answer with the effect; one that was made before has its first answer
    /// again, and `first` is not begun. Two statements more, where there is a call that may be repeated.
    pub async fn call_once<M, E, F>(&self, call: Option<&Call<'_>>, now: Instant, first: F) -> Result<M, E>
    where
        M: Message + Default,
        E: From<Error> + From<Reused>,
        F: Future<Output = Result<M, E>>,
    {
        let Some(call) = call else { return first.await };
        match self.call_claim(call, Vec::new(), now).await? {
            Earlier::None => {}
            Earlier::Answered(response) => return Ok(answer(&response)?),
            Earlier::Other => return Err(Reused { id: call.request_id }.into()),
        }
        let answer = first.await?;
        self.call_answer(call, answer.encode_to_vec()).await?;
        Ok(answer)
    }

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
