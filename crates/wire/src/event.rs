//! The event codec: the `data` of CloudEvents of type `com.todo.task.*`, which is `docket.event.v1.TaskEvent` in its JSON
//! mapping with snake_case names.

pub(crate) mod mapping;
mod read;
mod write;

use docket_domain::{Change, EventId, Task, TaskId, UserId};
use docket_proto::event;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{InvalidFields, ObjectText, Violations};

/// The version of the schema that is written, and the only one that is read.
pub const SCHEMA_VERSION: i32 = 1;

/// Why bytes are not an event that can be read. None of these goes away by trying again.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They are not JSON.
    #[error("the event is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// They say that they follow another version of the schema.
    #[error("the event has schema_version {0}, and only {SCHEMA_VERSION} can be read")]
    UnsupportedVersion(i64),
    /// A field has the wrong type, or an enum a value that this version does not know.
    #[error("the event does not follow docket.event.v1")]
    Malformed(#[source] serde_json::Error),
    /// Fields have values that Docket does not write.
    #[error("the event has invalid fields")]
    InvalidFields(#[source] InvalidFields),
}

/// An event as it was received. What every consumer needs has been checked; the task is checked by [`TaskEvent::task`].
#[derive(Clone, Debug, PartialEq)]
pub struct TaskEvent {
    /// Names the event: the same for every delivery.
    pub id: EventId,
    /// The task's owner.
    pub user_id: UserId,
    /// The task.
    pub task_id: TaskId,
    /// The task's version after it, from 1.
    pub version: i64,
    /// Names of the fields that it changed; empty for a creation.
    pub changed_fields: Vec<String>,
    /// The changed fields before it, as received; absent for a creation. A field that is named in `changed_fields` and
    /// missing here had no value, or its type's zero value.
    pub before: Option<ObjectText>,
    /// The fields after it, as received: those that this version does not know are here too.
    pub after: ObjectText,
    message: event::TaskEvent,
}

impl TaskEvent {
    /// The task after the event; see [`task_from_event`].
    pub fn task(&self) -> Result<Task, DecodeError> {
        task_from_event(&self.message)
    }
}

/// Writes the event of a change.
pub fn encode(change: &Change, event_id: EventId) -> Vec<u8> {
    write::event(change, event_id).to_string().into_bytes()
}

/// What is carried on as it was received.
#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow)]
    previous: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Reads an event. Fields that this version does not know are passed over, because later ones may add some.
pub fn decode(bytes: &[u8]) -> Result<TaskEvent, DecodeError> {
    let message: event::TaskEvent = mapping::read(bytes)?;
    let received: Received<'_> = serde_json::from_slice(bytes).map_err(DecodeError::Malformed)?;
    let mut violations = Violations::default();
    let v = &mut violations;
    let id = v.check("idempotency_key", message.idempotency_key.parse());
    let user_id = v.check("user_id", message.user_id.parse());
    let task_id = v.check("task_id", message.task_id.parse());
    if message.sequence < 1 {
        v.add("sequence", "must be 1 or more");
    }
    let object =
        |text: Option<&RawValue>| text.map_or(Ok(None), ObjectText::of).map_err(DecodeError::Malformed);
    let before = object(received.previous)?;
    let after = object(received.payload)?;
    if after.is_none() {
        v.add("payload", "is required");
    }
    let value = id.zip(user_id).zip(task_id).zip(after).map(|(((id, user_id), task_id), after)| TaskEvent {
        id,
        user_id,
        task_id,
        version: message.sequence,
        changed_fields: message.changed_fields.clone(),
        before,
        after,
        message,
    });
    violations.into_result(value).map_err(DecodeError::InvalidFields)
}

/// The task after an event.
///
/// The version that completed a completed task is not in the payload. For the event of a completion it is the event's own
/// `sequence`, and that is what is answered. For later events of a task that was already completed (an update, a deletion)
/// it is `sequence` as well, which is then only later than the true one: do not name a completion by it.
pub fn task_from_event(event: &event::TaskEvent) -> Result<Task, DecodeError> {
    let mut violations = Violations::default();
    let task = read::task(event, &mut violations);
    violations.into_result(task).map_err(DecodeError::InvalidFields)
}
