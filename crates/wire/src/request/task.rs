//! The requests of `TaskService`, except for `UpdateTask`.

use docket_domain::filter::{Filter, Order};
use docket_domain::{Content, Instant, RequestId, TaskId};
use docket_proto::v1::{self, preview_occurrences_request::Source};

use super::{content, named, opaque, optional, page_size, required};
use crate::{InvalidFields, Violations, filter, value};

/// `CreateTask`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Create {
    /// The id that the client chose.
    pub task_id: Option<TaskId>,
    /// The task, without the reminder that Docket adds by itself.
    pub content: Content,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
    /// Whether nothing is to be stored.
    pub validate_only: bool,
    /// The predecessor, and the version at which it was completed.
    pub occurrence_of: Option<(TaskId, i64)>,
}

/// Checks a `CreateTaskRequest`.
pub fn create(request: &v1::CreateTaskRequest) -> Result<Create, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let task = request.task.as_ref();
    if task.is_none() {
        v.add("task", "is required");
    }
    let task_id = task.and_then(|task| optional("task.task_id", &task.task_id, v));
    let content = task.and_then(|task| content::content(task, v));
    let request_id = optional("request_id", &request.request_id, v);
    let occurrence_of = request.occurrence_of.as_ref().map(|of| {
        let predecessor = required("occurrence_of.task_id", &of.task_id, v);
        if of.version < 1 {
            v.add("occurrence_of.version", "must be 1 or more");
        }
        if predecessor.is_some() && predecessor == task_id.flatten() {
            v.add("task.task_id", "must not be that of the predecessor");
        }
        // A due time that is there and broken has been told of.
        if task.is_some_and(|task| task.due.is_none()) {
            v.add("task.due_time", "or due_date is required for an occurrence");
        }
        predecessor.map(|predecessor| (predecessor, of.version))
    });
    let value = task_id.zip(content).zip(request_id).map(|((task_id, content), request_id)| Create {
        task_id,
        content,
        request_id,
        validate_only: request.validate_only,
        occurrence_of: occurrence_of.flatten(),
    });
    violations.into_result(value)
}

/// Checks a `GetTaskRequest`: which task.
pub fn get(request: &v1::GetTaskRequest) -> Result<TaskId, InvalidFields> {
    let mut violations = Violations::default();
    let task_id = required("task_id", &request.task_id, &mut violations);
    violations.into_result(task_id)
}

/// `ListTasks`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List {
    /// The most tasks to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
    /// Which tasks.
    pub filter: Filter,
    /// How to sort them.
    pub order: Order,
    /// Whether deleted tasks are answered too.
    pub show_deleted: bool,
}

/// Checks a `ListTasksRequest`; `now` is what `now()` and `today()` in its filter mean.
pub fn list(request: &v1::ListTasksRequest, now: Instant) -> Result<List, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let page_size = page_size(request.page_size, 50, 500, v);
    let zone = v.check("time_zone", value::zone(&request.time_zone));
    // With a broken zone the filter is still read, to tell what is wrong with it.
    let filter = v.check("filter", filter::parse(&request.filter, zone.unwrap_or_default(), now));
    let order = v.check("order_by", filter::parse_order(&request.order_by));
    let value = page_size.zip(filter).zip(order).map(|((page_size, filter), order)| List {
        page_size,
        page_token: request.page_token.clone(),
        filter,
        order,
        show_deleted: request.show_deleted,
    });
    violations.into_result(value)
}

/// `DeleteTask`, `CompleteTask` or `ReopenTask`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// Which task.
    pub task_id: TaskId,
    /// The version that it must still have, as [`crate::answer::etag`] writes it.
    pub etag: Option<String>,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
}

/// Checks a `DeleteTaskRequest`.
pub fn delete(request: &v1::DeleteTaskRequest) -> Result<Transition, InvalidFields> {
    transition(&request.task_id, &request.etag, &request.request_id)
}

/// Checks a `CompleteTaskRequest`.
pub fn complete(request: &v1::CompleteTaskRequest) -> Result<Transition, InvalidFields> {
    transition(&request.task_id, &request.etag, &request.request_id)
}

/// Checks a `ReopenTaskRequest`.
pub fn reopen(request: &v1::ReopenTaskRequest) -> Result<Transition, InvalidFields> {
    transition(&request.task_id, &request.etag, &request.request_id)
}

fn transition(task_id: &str, etag: &str, request_id: &str) -> Result<Transition, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let task_id = required("task_id", task_id, v);
    let request_id = optional("request_id", request_id, v);
    let value = task_id.zip(request_id);
    violations.into_result(value.map(|(task_id, request_id)| Transition {
        task_id,
        etag: opaque(etag),
        request_id,
    }))
}

/// `PreviewOccurrences`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preview {
    /// Whose rule.
    pub source: PreviewSource,
    /// The most occurrences to answer.
    pub limit: usize,
}

/// Whose rule a preview is of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PreviewSource {
    /// That of a stored task.
    Task(TaskId),
    /// That of a task as it might be created; it has a due time and a recurrence.
    Content(Box<Content>),
}

/// Checks a `PreviewOccurrencesRequest`.
pub fn preview(request: &v1::PreviewOccurrencesRequest) -> Result<Preview, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let source = match &request.source {
        Some(Source::TaskId(task_id)) => required("task_id", task_id, v).map(PreviewSource::Task),
        Some(Source::Task(task)) => {
            if task.recurrence.is_none() {
                v.add("task.recurrence", "is required here");
            }
            optional::<TaskId>("task.task_id", &task.task_id, v);
            content::content(task, v).map(|content| PreviewSource::Content(Box::new(content)))
        }
        None => {
            v.add("task_id", "is required unless `task` is given");
            None
        }
    };
    let limit = page_size(request.page_size, 10, 100, v);
    let value = source.zip(limit).map(|(source, limit)| Preview { source, limit: limit as usize });
    violations.into_result(value)
}

/// `ListSeriesGaps`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gaps {
    /// The most tasks to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
}

/// Checks a `ListSeriesGapsRequest`.
pub fn gaps(request: &v1::ListSeriesGapsRequest) -> Result<Gaps, InvalidFields> {
    let mut violations = Violations::default();
    let page_size = page_size(request.page_size, 100, 1_000, &mut violations);
    let page_token = request.page_token.clone();
    violations.into_result(page_size.map(|page_size| Gaps { page_size, page_token }))
}

/// Checks a `CheckTasksRequest`: which tasks, each once, in the order of the question.
pub fn check(request: &v1::CheckTasksRequest) -> Result<Vec<TaskId>, InvalidFields> {
    named("task_ids", &request.task_ids)
}
