//! Says a task as it is, for whoever has missed the event that made it so.

use docket_domain::{Change, EventId, EventKind, Task};
use docket_store::outbox::NewEvent;
use sha2::{Digest as _, Sha256};

use crate::mutation::SOURCE;

/// An event that carries the task at its version, in place of the one that is not kept any more.
///
/// It is `com.todo.task.updated`, whatever made the version, and names no changed fields: nobody knows any more what the
/// version changed, and who counts creations or completions shall not count one twice. Its id is the task's and the version's,
/// the same whenever it is made, and that of no other event.
pub fn restated(topic: &str, task: &Task) -> NewEvent {
    let kind = EventKind::Updated;
    let id = id(task);
    let change = Change { kind, before: Some(task.clone()), after: task.clone() };
    NewEvent {
        id,
        topic: topic.to_owned(),
        key: task.id.to_string(),
        event_type: kind.event_type(),
        source: SOURCE.to_owned(),
        payload: docket_wire::event::encode(&change, id),
        // Who asked for the version is not known any more either.
        trace: None,
        time: task.update_time,
    }
}

fn id(task: &Task) -> EventId {
    let digest = Sha256::new()
        .chain_update("docket/tasks restated")
        .chain_update(task.id.as_uuid())
        .chain_update(task.version.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    EventId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use docket_domain::{Content, Description, Instant, Priority, SeriesId, State, Tags, TaskId, Title};
    use docket_wire::event;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn created() -> Task {
        let content = Content {
            title: Title::parse("Water the plants").unwrap(),
            description: Description::default(),
            priority: Priority::Medium,
            tags: Tags::default(),
            due: None,
            time_zone: chrono_tz::UTC,
            recurrence: None,
            reminders: Vec::new(),
        };
        let noon: Instant = "2027-01-01T12:00:00Z".parse().unwrap();
        let id = |number| Uuid::from_u128(number);
        let owner = "alice".parse().unwrap();
        Task::create(TaskId::from_uuid(id(7)), owner, content, SeriesId::from_uuid(id(8)), noon).after
    }

    #[test]
    fn it_has_the_task_as_it_is_and_claims_no_change() {
        let created = created();
        let completed = created.complete(created.update_time).unwrap().after;
        let deleted = completed.delete(created.update_time).unwrap().after;
        for task in [created, completed, deleted] {
            let event = restated("task-events", &task);
            assert_eq!((event.event_type, event.time), ("com.todo.task.updated", task.update_time));
            let read = event::decode(&event.payload).unwrap();
            assert_eq!((read.id, read.version), (event.id, task.version));
            let json: Value = serde_json::from_slice(&event.payload).unwrap();
            assert_eq!((&json["previous"], &json["changed_fields"]), (&json!({}), &Value::Null), "{json}");
            let told = read.task().unwrap();
            // Which version completed it is in no event.
            let state = |task: &Task| matches!(task.state, State::Completed { .. });
            assert_eq!(state(&told), state(&task));
            assert_eq!(told, Task { state: told.state, ..task });
        }
    }

    #[test]
    fn its_id_is_that_of_the_task_and_the_version() {
        let created = created();
        let deleted = created.delete(created.update_time).unwrap().after;
        let other = Task { id: TaskId::from_uuid(Uuid::from_u128(9)), ..created.clone() };
        let id = |task| restated("task-events", task).id;
        // For ever: what foreign consumers have seen under it they may know again.
        assert_eq!(id(&created).to_string(), "e8b52b80-c657-817c-b0ad-22c369cc7a29");
        assert_eq!(id(&created), restated("elsewhere", &created).id);
        assert!(id(&created) != id(&deleted) && id(&created) != id(&other));
        assert_ne!(id(&created).as_uuid(), created.id.as_uuid());
    }
}
