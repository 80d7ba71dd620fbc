//! `AuditService`: answers what happened to the caller's tasks.

use docket_domain::{Heard, TaskId, UserId};
use docket_proto::v1;
use docket_proto::v1::ErrorReason;
use docket_proto::v1::audit_service_server::AuditService;
use docket_rpc::page::Question;
use docket_rpc::{Fault, OrStatus as _, caller};
use docket_store::Store;
use docket_store::audit::{Cursor, Entry, Listing};
use docket_wire::{InvalidFields, request};
use pbjson_types::{Struct, Timestamp};
use prost::Message as _;
use tonic::{Code, Request, Response, Status};

/// Where a page ends early, in bytes: gRPC clients take answers of 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// Why a call is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks rules.
    #[error(transparent)]
    Invalid(#[from] InvalidFields),
    /// The log has not heard of such a task of the caller's.
    #[error("the audit log has no entry of task {id}")]
    NotFound {
        /// The id asked for.
        id: TaskId,
    },
    /// The database failed.
    #[error("the store failed")]
    Store(#[from] docket_store::Error),
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::Invalid(_) => Code::InvalidArgument,
            Self::NotFound { .. } => Code::NotFound,
            Self::Store(error) if error.is_unavailable() => Code::Unavailable,
            Self::Store(_) => Code::Internal,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::Invalid(_) => ErrorReason::InvalidFields,
            Self::NotFound { .. } => ErrorReason::TaskNotFound,
            Self::Store(error) if error.is_unavailable() => ErrorReason::Unavailable,
            Self::Store(_) => ErrorReason::Internal,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::NotFound { id } => vec![("task_id", id.to_string())],
            Self::Invalid(_) | Self::Store(_) => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<(String, String)> {
        match self {
            Self::Invalid(InvalidFields(violations)) => {
                violations.iter().map(|one| (one.field.clone(), one.description.clone())).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The target's service.
#[derive(Clone)]
pub struct Service {
    store: Store,
}

impl Service {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    async fn list(&self, owner: &UserId, listing: &Listing) -> Result<(Vec<Entry>, bool), Error> {
        let (entries, more) = self.store.audit_list(owner, listing).await?;
        match listing.task_id {
            // An empty page of a known task is an answer; of an unknown one it is a question that makes no sense.
            Some(id) if entries.is_empty() && !self.store.audit_knows(owner, id).await? => {
                Err(Error::NotFound { id })
            }
            _ => Ok((entries, more)),
        }
    }
}

#[tonic::async_trait]
impl AuditService for Service {
    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let owner = caller::user(&request)?;
        let asked = request::list_entries(request.get_ref()).map_err(Error::from).or_status()?;
        let arguments = v1::ListAuditEntriesRequest {
            page_size: 0,
            page_token: String::new(),
            ..request.get_ref().clone()
        };
        let question = Question::new("ListAuditEntries", owner, &arguments);
        let listing = Listing {
            task_id: asked.task_id,
            event_types: asked.kinds.iter().copied().map(Heard::event_type).map(str::to_owned).collect(),
            start_time: asked.start,
            end_time: asked.end,
            after: question.cursor(&asked.page_token).or_status()?,
            limit: asked.page_size,
        };
        let (found, mut more) = self.list(owner, &listing).await.or_status()?;
        let mut entries = Vec::with_capacity(found.len());
        let mut bytes = 0;
        for entry in &found {
            let entry = entry_to_proto(entry);
            bytes += entry.encoded_len();
            if bytes > PAGE_BYTES && !entries.is_empty() {
                more = true;
                break;
            }
            entries.push(entry);
        }
        let last = found.get(..entries.len()).and_then(<[Entry]>::last).filter(|_| more);
        let next = last.map(|last| question.token(&Cursor::of(last))).transpose().or_status()?;
        Ok(Response::new(v1::ListAuditEntriesResponse { entries, next_page_token: next.unwrap_or_default() }))
    }
}

fn entry_to_proto(entry: &Entry) -> v1::AuditEntry {
    v1::AuditEntry {
        event_id: entry.event_id.to_string(),
        event_type: entry.event_type.clone(),
        task_id: entry.task_id.to_string(),
        user_id: entry.user_id.to_string(),
        task_version: entry.task_version,
        event_time: Some(Timestamp::from(entry.event_time)),
        record_time: Some(Timestamp::from(entry.record_time)),
        before: entry.before.clone().and_then(object),
        after: object(entry.after.clone()),
        trace_id: entry.trace_id.clone().unwrap_or_default(),
    }
}

/// A JSON object as the contract carries it.
fn object(json: serde_json::Value) -> Option<Struct> {
    serde_json::from_value(json).ok()
}
