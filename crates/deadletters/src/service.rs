//! `DeadLetterService`: lists letters, brings them back, gives them up.

use std::sync::Arc;

use docket_proto::v1;
use docket_proto::v1::dead_letter_service_server::DeadLetterService;
use docket_rpc::auth::DEAD_LETTERS_ADMIN;
use docket_rpc::page::Question;
use docket_rpc::{OrStatus as _, caller};
use docket_store::dead_letters::{Cursor, Letter, Listing};
use docket_store::outbox::Trace;
use docket_wire::request;
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::replay::{Desk, Wish};
use crate::{Deps, Error, answer};

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// The target's service.
#[derive(Clone)]
pub struct Service {
    deps: Arc<Deps>,
    desk: Desk,
}

impl Service {
    pub(crate) fn new(deps: Deps) -> Self {
        let deps = Arc::new(deps);
        Self { desk: Desk::new(deps.clone()), deps }
    }
}

#[tonic::async_trait]
impl DeadLetterService for Service {
    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let caller = caller::with_scope(&request, DEAD_LETTERS_ADMIN)?;
        let asked = request::list_letters(request.get_ref()).map_err(Error::from).or_status()?;
        let arguments = v1::ListDeadLettersRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.get_ref().clone()
        };
        let question = Question::new("ListDeadLetters", &caller.subject, &arguments);
        let listing = Listing {
            filter: answer::filter(&asked.filter),
            after: question.cursor(&asked.page_token).or_status()?,
            limit: asked.page_size,
        };
        let listed = self.deps.store.letter_list(&listing).await.map_err(Error::from);
        let (found, mut more) = listed.or_status()?;
        let mut dead_letters = Vec::with_capacity(found.len());
        let mut bytes = 0;
        for letter in &found {
            let letter = answer::letter(letter);
            bytes += letter.encoded_len();
            if bytes > PAGE_BYTES && !dead_letters.is_empty() {
                more = true;
                break;
            }
            dead_letters.push(letter);
        }
        let last = found.get(..dead_letters.len()).and_then(<[Letter]>::last).filter(|_| more);
        let next = last.map(|last| question.token(&Cursor::of(last))).transpose().or_status()?;
        let next_page_token = next.unwrap_or_default();
        Ok(Response::new(v1::ListDeadLettersResponse { dead_letters, next_page_token }))
    }

    async fn get_dead_letter(
        &self,
        request: Request<v1::GetDeadLetterRequest>,
    ) -> Result<Response<v1::DeadLetter>, Status> {
        caller::with_scope(&request, DEAD_LETTERS_ADMIN)?;
        let id = request::get_letter(request.get_ref()).map_err(Error::from).or_status()?;
        let found = self.deps.store.letter_get(id).await.map_err(Error::from).or_status()?;
        let found = found.ok_or(Error::NotFound { id }).or_status()?;
        Ok(Response::new(answer::found(found)))
    }

    async fn replay_dead_letters(
        &self,
        request: Request<v1::ReplayDeadLettersRequest>,
    ) -> Result<Response<v1::ReplayDeadLettersResponse>, Status> {
        let actor = &caller::with_scope(&request, DEAD_LETTERS_ADMIN)?.subject;
        let asked = request::replay_letters(request.get_ref()).map_err(Error::from).or_status()?;
        let trace = Trace::of(caller::trace_context(&request));
        let wish = Wish { actor, now: self.deps.clock.now(), trace };
        let (replays, more) = self.desk.replay(&asked, &wish).await.or_status()?;
        let replays = replays.into_iter().map(answer::replay).collect();
        Ok(Response::new(v1::ReplayDeadLettersResponse { replays, more }))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<v1::DiscardDeadLettersRequest>,
    ) -> Result<Response<v1::DiscardDeadLettersResponse>, Status> {
        let actor = &caller::with_scope(&request, DEAD_LETTERS_ADMIN)?.subject;
        let asked = request::discard_letters(request.get_ref()).map_err(Error::from).or_status()?;
        let (letters, more) = self.desk.discard(&asked, actor, self.deps.clock.now()).await.or_status()?;
        let discards = letters.into_iter().map(answer::discard).collect();
        Ok(Response::new(v1::DiscardDeadLettersResponse { discards, more }))
    }
}
