//! Notes what clients ask for and what they are told.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use docket_proto::event::TaskStatus;
use docket_proto::v1;
use pbjson_types::value::Kind;
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use super::record::{Answer, Call, Content, Method, Outcome};

/// Whose errors tell what became of a call.
const DOMAIN: &str = "docket.dev";

/// Notes calls, on one clock.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    calls: Mutex<Vec<Call>>,
}

/// What a client is about to ask.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asks.
    pub process: usize,
    /// As whom.
    pub user: String,
    /// The request id, which is the trace id, too.
    pub request: Option<Uuid>,
    /// For what.
    pub method: Method,
    /// Of which task.
    pub task: Option<Uuid>,
}

/// An answer that shows versions of tasks.
pub trait Shows {
    /// Them.
    fn shows(&self) -> Vec<Answer>;
}

impl Default for Recorder {
    fn default() -> Self {
        Self { start: Instant::now(), calls: Mutex::default() }
    }
}

impl Recorder {
    /// Asks, and notes what was asked and what came of it.
    pub async fn call<A: Shows>(
        &self,
        asked: Asked,
        answer: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A, Status> {
        let invoked = self.start.elapsed();
        let answer = answer.await.map(Response::into_inner);
        let Asked { process, user, request, method, task } = asked;
        let outcome = match &answer {
            Ok(answer) => Outcome::Ok(answer.shows()),
            Err(status) => Outcome::of(status),
        };
        let answered = Some(self.start.elapsed());
        let call = Call { process, user, request, method, task, invoked, answered, outcome };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        answer
    }

    /// What was noted so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Outcome {
    /// What an error says of a call: that it did not take place, or nothing.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let reason =
            details.error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason.as_str());
        let code = status.code();
        let text = reason.map_or_else(|| format!("{code:?}"), str::to_owned);
        let refused = match (code, reason) {
            (
                Code::InvalidArgument | Code::NotFound | Code::AlreadyExists | Code::FailedPrecondition,
                Some(_),
            ) => true,
            (Code::PermissionDenied | Code::Unauthenticated, Some(_)) => true,
            (Code::Aborted, Some(reason)) => reason == "ETAG_MISMATCH",
            _ => false,
        };
        if refused { Self::Fail(text) } else { Self::Unknown(text) }
    }
}

impl Shows for v1::Task {
    fn shows(&self) -> Vec<Answer> {
        vec![answer(&self.task_id, &self.user_id, self.version, Content::of(self))]
    }
}

impl Shows for v1::ListTasksResponse {
    fn shows(&self) -> Vec<Answer> {
        self.tasks.iter().flat_map(Shows::shows).collect()
    }
}

impl Shows for v1::ListAuditEntriesResponse {
    fn shows(&self) -> Vec<Answer> {
        let shown = |entry: &v1::AuditEntry| {
            let content = Content::of_entry(entry);
            answer(&entry.task_id, &entry.user_id, entry.task_version, content)
        };
        // Version 0 tells of a reminder.
        self.entries.iter().filter(|entry| entry.task_version > 0).map(shown).collect()
    }
}

impl Content {
    /// What an answered task says.
    pub(super) fn of(task: &v1::Task) -> Self {
        Self { title: task.title.clone(), completed: task.state() == v1::task::State::Completed }
    }

    /// What an answered entry says of the task after its event; one that says nothing is like no other content.
    fn of_entry(entry: &v1::AuditEntry) -> Self {
        let text = |name| match entry.after.as_ref()?.fields.get(name)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text.as_str()),
            _ => None,
        };
        let title = text("title").unwrap_or_default().to_owned();
        Self { title, completed: text("status") == Some(TaskStatus::Completed.as_str_name()) }
    }
}

fn answer(task: &str, user: &str, version: i64, content: Content) -> Answer {
    let task = task.parse().unwrap_or_else(|error| panic!("an answer with the task id {task:?}: {error}"));
    Answer { task, version, user: user.to_owned(), content }
}
