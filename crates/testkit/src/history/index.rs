//! A history by the things that it is about: operations, versions of tasks, events.

use std::collections::{BTreeMap, HashMap, HashSet};

use docket_domain::EventKind;
use uuid::Uuid;

use super::record::{Call, Event, History, Key, Method, Outcome, Task};

/// What a client wanted once, however often it asked for it.
pub(super) struct Operation<'a> {
    /// The request id, if it had one.
    pub(super) request: Option<Uuid>,
    pub(super) method: Method,
    /// The task that it was about, as far as the client said so.
    pub(super) task: Option<Uuid>,
    /// The versions with which it was acknowledged.
    pub(super) acknowledged: Vec<(Uuid, i64)>,
    /// Whether some call of it ended without a clear answer.
    unknown: bool,
    calls: Vec<&'a Call>,
}

/// All that is known of one version of a task.
#[derive(Default)]
pub(super) struct Change<'a> {
    /// Whether the database has it, or a later one.
    pub(super) stored: bool,
    /// The operations that were told of it, by their place.
    pub(super) acknowledged: Vec<usize>,
    /// Whether an answer with it is kept for repetitions.
    pub(super) kept: bool,
    pub(super) outbox: Vec<&'a Event>,
    pub(super) topic: Vec<&'a Event>,
    pub(super) entries: Vec<&'a Event>,
}

/// A history by the things that it is about.
pub(super) struct Index<'a> {
    pub(super) history: &'a History,
    pub(super) tasks: HashMap<Uuid, &'a Task>,
    pub(super) operations: Vec<Operation<'a>>,
    pub(super) by_request: HashMap<Uuid, usize>,
    pub(super) changes: BTreeMap<(Uuid, i64), Change<'a>>,
    pub(super) keys: HashMap<Uuid, &'a Key>,
    /// Every event that is anywhere, by its id.
    pub(super) events: HashMap<Uuid, &'a Event>,
    /// The ids that were planted.
    pub(super) planted: HashSet<Uuid>,
}

impl Operation<'_> {
    /// Whether nothing may have come of it.
    pub(super) fn failed(&self) -> bool {
        self.acknowledged.is_empty() && !self.unknown
    }

    /// What was said to it, in short.
    pub(super) fn said(&self) -> String {
        let said = self.calls.iter().map(|call| match &call.outcome {
            Outcome::Ok(_) => "OK",
            Outcome::Fail(reason) | Outcome::Unknown(reason) => reason,
        });
        format!("{:?}, answered {}", self.method, said.collect::<Vec<_>>().join(", then "))
    }

    /// Whether this is what was asked for, and not what follows from it.
    pub(super) fn asked_for(&self, event: &Event) -> bool {
        // Who creates a task may leave its id to Docket.
        self.task.is_none_or(|task| task == event.task) && self.method.tells() == Some(event.kind)
    }

    /// Whether this follows from what was asked for: another task appears behind a completed one, or goes with its
    /// completion.
    pub(super) fn may_cause(&self, event: &Event) -> bool {
        let another = self.task != Some(event.task);
        match (self.method, event.kind) {
            (Method::Complete, EventKind::Created) | (Method::Reopen, EventKind::Deleted) => another,
            _ => false,
        }
    }
}

impl<'a> Change<'a> {
    /// Every event that tells of it, wherever it is.
    pub(super) fn events(&self) -> impl Iterator<Item = &'a Event> {
        self.outbox.iter().chain(&self.topic).chain(&self.entries).copied()
    }
}

impl<'a> Index<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let (operations, by_request) = operations(&history.calls);
        let tasks = history.tasks.iter().map(|task| (task.id, task)).collect();
        let mut index = Self {
            history,
            tasks,
            changes: BTreeMap::new(),
            keys: history.keys.iter().map(|key| (key.request, key)).collect(),
            events: HashMap::new(),
            planted: history.planted.iter().map(|planted| planted.event).collect(),
            operations,
            by_request,
        };
        index.note_changes();
        index
    }

    /// The operation that caused an event, as far as the trace tells.
    pub(super) fn cause(&self, event: &Event) -> Option<&Operation<'a>> {
        self.by_request.get(&event.cause?).map(|place| &self.operations[*place])
    }

    /// Every version of a task, and every event.
    fn note_changes(&mut self) {
        let history = self.history;
        for task in &history.tasks {
            for version in 1..=task.version {
                self.changes.entry((task.id, version)).or_default().stored = true;
            }
        }
        for (place, operation) in self.operations.iter().enumerate() {
            for version in &operation.acknowledged {
                self.changes.entry(*version).or_default().acknowledged.push(place);
            }
        }
        for key in &history.keys {
            // What it says of a version that is not there is judged by itself.
            if let Some(change) = self.changes.get_mut(&(key.task, key.version)) {
                change.kept = true;
            }
        }
        let topic = history.topic.iter().filter_map(|message| message.event.as_ref());
        let entries = history.entries.iter().map(|entry| &entry.event);
        for event in topic.clone().chain(entries.clone()).chain(&history.outbox) {
            self.events.entry(event.id).or_insert(event);
        }
        let planted = &self.planted;
        let (topic, entries) = (
            topic.filter(|event| !planted.contains(&event.id)),
            entries.filter(|event| !planted.contains(&event.id)),
        );
        for event in topic {
            self.changes.entry((event.task, event.version)).or_default().topic.push(event);
        }
        for event in entries {
            self.changes.entry((event.task, event.version)).or_default().entries.push(event);
        }
        for event in &history.outbox {
            self.changes.entry((event.task, event.version)).or_default().outbox.push(event);
        }
    }
}

/// The mutations, each with all of its calls.
fn operations(calls: &[Call]) -> (Vec<Operation<'_>>, HashMap<Uuid, usize>) {
    let mut operations: Vec<Operation<'_>> = Vec::new();
    let mut by_request = HashMap::new();
    for call in calls.iter().filter(|call| call.method.tells().is_some()) {
        let new = operations.len();
        let place = call.request.map_or(new, |request| *by_request.entry(request).or_insert(new));
        if place == new {
            let Call { request, method, task, .. } = *call;
            let (acknowledged, calls) = (Vec::new(), Vec::new());
            operations.push(Operation { request, method, task, acknowledged, unknown: false, calls });
        }
        let operation = &mut operations[place];
        operation.calls.push(call);
        match &call.outcome {
            Outcome::Ok(answers) => {
                for answer in answers {
                    let version = (answer.task, answer.version);
                    if !operation.acknowledged.contains(&version) {
                        operation.acknowledged.push(version);
                    }
                }
            }
            Outcome::Unknown(_) => operation.unknown = true,
            Outcome::Fail(_) => {}
        }
    }
    (operations, by_request)
}
