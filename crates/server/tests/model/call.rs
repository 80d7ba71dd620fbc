//! What a user can ask for, and how it is asked.

use docket_proto::v1;
use docket_testkit::User;
use prost::Message as _;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

use crate::model::model::Told;

/// A call, or the arrival of an event.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    Create(v1::CreateTaskRequest),
    Update(v1::UpdateTaskRequest),
    Complete(v1::CompleteTaskRequest),
    Reopen(v1::ReopenTaskRequest),
    Delete(v1::DeleteTaskRequest),
    Get(String),
    /// The event of the task's version reaches its handlers.
    Arrive {
        task_id: String,
        version: i64,
    },
}

/// How a call ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
pub(crate) enum Ended {
    Told(Told),
    /// Another change came in between: nothing happened.
    Conflict,
    /// Nobody knows what happened.
    Cut(String),
}

impl Call {
    pub(crate) fn method(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::Complete(_) => "complete",
            Self::Reopen(_) => "reopen",
            Self::Delete(_) => "delete",
            Self::Get(_) => "get",
            Self::Arrive { .. } => "deliver",
        }
    }

    /// What makes a repetition the same call.
    pub(crate) fn body(&self) -> Vec<u8> {
        match self {
            Self::Create(request) => request.encode_to_vec(),
            Self::Update(request) => request.encode_to_vec(),
            Self::Complete(request) => request.encode_to_vec(),
            Self::Reopen(request) => request.encode_to_vec(),
            Self::Delete(request) => request.encode_to_vec(),
            Self::Get(_) | Self::Arrive { .. } => Vec::new(),
        }
    }

    pub(crate) fn request_id(&mut self) -> Option<&mut String> {
        match self {
            Self::Create(request) => Some(&mut request.request_id),
            Self::Update(request) => Some(&mut request.request_id),
            Self::Complete(request) => Some(&mut request.request_id),
            Self::Reopen(request) => Some(&mut request.request_id),
            Self::Delete(request) => Some(&mut request.request_id),
            Self::Get(_) | Self::Arrive { .. } => None,
        }
    }

    /// The request id, where it counts.
    pub(crate) fn claimed_id(&self) -> Option<&str> {
        let id = match self {
            Self::Create(request) if !request.validate_only => &request.request_id,
            Self::Update(request) if !request.validate_only => &request.request_id,
            Self::Complete(request) => &request.request_id,
            Self::Reopen(request) => &request.request_id,
            Self::Delete(request) => &request.request_id,
            _ => return None,
        };
        Some(id.as_str()).filter(|id| !id.is_empty())
    }

    /// Whether a rule is broken that one look at the request shows.
    pub(crate) fn is_invalid(&self) -> bool {
        let blank = |task: &Option<v1::Task>| task.as_ref().is_some_and(|task| task.title.is_empty());
        match self {
            Self::Create(request) => blank(&request.task),
            Self::Update(request) => {
                let mask = request.update_mask.as_ref();
                let named = mask.is_some_and(|mask| mask.paths.iter().any(|path| path == "title"));
                named && blank(&request.task)
            }
            _ => false,
        }
    }

    /// Whether a task that nobody knew is what it leads to.
    pub(crate) fn is_creation(&self) -> bool {
        matches!(self, Self::Create(_) | Self::Arrive { .. })
    }

    /// Makes the call.
    pub(crate) async fn make(&self, user: &User) -> Ended {
        let mut tasks = user.tasks();
        let answer = match self.clone() {
            Self::Create(request) => tasks.create_task(request).await,
            Self::Update(request) => tasks.update_task(request).await,
            Self::Complete(request) => tasks.complete_task(request).await,
            Self::Reopen(request) => tasks.reopen_task(request).await,
            Self::Delete(request) => tasks.delete_task(request).await,
            Self::Get(task_id) => tasks.get_task(v1::GetTaskRequest { task_id }).await,
            Self::Arrive { .. } => panic!("not a call of a user"),
        };
        match answer.map(Response::into_inner) {
            Ok(task) => Ended::Told(Ok(task)),
            Err(status) => ended(&status),
        }
    }
}

/// What a refusal says: `Code REASON key=value …`, if it is one of Docket's own that says for certain that nothing
/// happened.
pub(crate) fn ended(status: &Status) -> Ended {
    let details = status.get_error_details();
    let Some(info) = details.error_info().filter(|info| info.domain == "docket.dev") else {
        return Ended::Cut(format!("{status:?}"));
    };
    let mut metadata: Vec<String> =
        info.metadata.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    metadata.sort();
    match info.reason.as_str() {
        "CONFLICT" => Ended::Conflict,
        "UNAVAILABLE" | "DEADLINE_EXCEEDED" => Ended::Cut(info.reason.clone()),
        _ => Ended::Told(Err(format!("{:?} {}{}", status.code(), info.reason, metadata.concat()))),
    }
}
