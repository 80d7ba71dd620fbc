//! Whose data is shown to whom (I10).

use super::index::Index;
use super::record::Outcome;
use super::{Found, Name, Subject};

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    for (number, call) in index.history.calls.iter().enumerate() {
        let Outcome::Ok(answers) = &call.outcome else { continue };
        for answer in answers {
            let owner = index.tasks.get(&answer.task).map(|task| &task.user);
            if let Some(other) = owner.into_iter().chain([&answer.user]).find(|user| **user != call.user) {
                let detail = format!("{} was shown task {} of {other}", call.user, answer.task);
                found.note(Name::Leak, Subject::Call(number), detail);
            }
        }
    }
    for ((task, version), change) in &index.changes {
        let Some(owner) = index.tasks.get(task).map(|task| &task.user) else { continue };
        if let Some(event) = change.events().find(|event| event.user != *owner) {
            let detail = format!("event {} is {}'s, the task {owner}'s", event.id, event.user);
            found.note(Name::Leak, Subject::Change { task: *task, version: *version }, detail);
        }
    }
    for task in &index.history.tasks {
        let Some(other) = task.predecessor.and_then(|predecessor| index.tasks.get(&predecessor)) else {
            continue;
        };
        if other.user != task.user {
            let detail = format!("it is {}'s, and follows a task of {}", task.user, other.user);
            found.note(Name::Leak, Subject::Task(task.id), detail);
        }
    }
}
