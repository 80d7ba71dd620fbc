//! What was known to have happened when a call began, the call does not deny (I1, I9).

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::index::Index;
use super::record::{Call, Method, Outcome};
use super::{Found, Name, Subject};

/// The reason of a refusal: there is no such task.
const NOT_FOUND: &str = "TASK_NOT_FOUND";

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    let known = Known::new(index);
    for (number, call) in index.history.calls.iter().enumerate() {
        let Outcome::Fail(reason) = &call.outcome else { continue };
        if let Some(request) = call.request.filter(|request| known.took_place(index, *request, call)) {
            let detail = format!("call {number} repeats what was known to have taken place: {reason}");
            found.note(Name::Forgotten, Subject::Request(request), detail);
        } else if reason == NOT_FOUND && known.is_there(index, call) {
            let detail = format!("{} was told {reason} of a task that is known and not deleted", call.user);
            found.note(Name::LostWrite, Subject::Call(number), detail);
        }
    }
}

/// When somebody had first been shown something.
struct Known {
    /// A version of a task.
    versions: HashMap<(Uuid, i64), Duration>,
    /// Any version of it.
    tasks: HashMap<Uuid, Duration>,
    /// That an operation took place.
    requests: HashMap<Uuid, Duration>,
}

impl Known {
    fn new(index: &Index<'_>) -> Self {
        let mut known = Self { versions: HashMap::new(), tasks: HashMap::new(), requests: HashMap::new() };
        for call in &index.history.calls {
            let (Outcome::Ok(answers), Some(answered)) = (&call.outcome, call.answered) else { continue };
            let earliest = |at: &mut Duration| *at = answered.min(*at);
            for answer in answers {
                let version = (answer.task, answer.version);
                known.versions.entry(version).and_modify(earliest).or_insert(answered);
                known.tasks.entry(answer.task).and_modify(earliest).or_insert(answered);
            }
            if let Some(request) = call.request {
                known.requests.entry(request).and_modify(earliest).or_insert(answered);
            }
        }
        known
    }

    /// Whether an earlier call of the same operation was answered before, or somebody had been shown what came of it.
    fn took_place(&self, index: &Index<'_>, request: Uuid, call: &Call) -> bool {
        // What took place though every call of it was refused is a ghost, and said to be.
        if index.by_request.get(&request).is_none_or(|place| index.operations[*place].failed()) {
            return false;
        }
        let shown = index.keys.get(&request).and_then(|key| self.versions.get(&(key.task, key.version)));
        let mut times = self.requests.get(&request).into_iter().chain(shown);
        times.any(|known| *known < call.invoked)
    }

    /// Whether the task was known before, is the caller's, and has never been deleted.
    fn is_there(&self, index: &Index<'_>, call: &Call) -> bool {
        // The audit log lags behind.
        let Some(id) = call.task.filter(|_| call.method != Method::Story) else { return false };
        let is_alive = index.tasks.get(&id).is_some_and(|task| !task.deleted && task.user == call.user);
        is_alive && self.tasks.get(&id).is_some_and(|known| *known < call.invoked)
    }
}
