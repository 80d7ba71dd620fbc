//! The request of `AuditService`.

use docket_domain::{EventKind, Heard, Instant, ReminderEventKind, TaskId};
use docket_proto::v1;

use super::{optional, page_size, period};
use crate::{InvalidFields, Violations};

/// `ListAuditEntries`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ListEntries {
    /// The most entries to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
    /// Only those of this task.
    pub task_id: Option<TaskId>,
    /// Only those of these kinds; empty for all.
    pub kinds: Vec<Heard>,
    /// Only those that happened then or later.
    pub start: Option<Instant>,
    /// Only those that happened earlier.
    pub end: Option<Instant>,
}

/// The most event types of one request.
const MAX_EVENT_TYPES: usize = 16;

/// Checks a `ListAuditEntriesRequest`.
pub fn list_entries(request: &v1::ListAuditEntriesRequest) -> Result<ListEntries, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let page_size = page_size(request.page_size, 50, 500, v);
    let task_id = optional("task_id", &request.task_id, v);
    let kinds = kinds(&request.event_types, v);
    let (start, end) = period(request.start_time, request.end_time, v);
    let page_token = request.page_token.clone();
    let value = page_size.zip(task_id).map(|(page_size, task_id)| ListEntries {
        page_size,
        page_token,
        task_id,
        kinds,
        start,
        end,
    });
    violations.into_result(value)
}

/// What the log keeps entries of.
fn kept() -> impl Iterator<Item = Heard> {
    let tasks = EventKind::ALL.into_iter().map(Heard::Task);
    let ends = [ReminderEventKind::Sent, ReminderEventKind::Failed, ReminderEventKind::Missed];
    tasks.chain(ends.into_iter().map(Heard::Reminder))
}

/// Reads event types; one that is named twice counts once.
fn kinds(event_types: &[String], v: &mut Violations) -> Vec<Heard> {
    if event_types.len() > MAX_EVENT_TYPES {
        v.add("event_types", format_args!("must have at most {MAX_EVENT_TYPES} entries"));
        return Vec::new();
    }
    let mut kinds = Vec::new();
    for (i, event_type) in event_types.iter().enumerate() {
        match kept().find(|kind| kind.event_type() == event_type) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let known: Vec<&str> = kept().map(Heard::event_type).collect();
                v.add(format!("event_types[{i}]"), format_args!("must be one of {}", known.join(", ")));
            }
        }
    }
    kinds
}
