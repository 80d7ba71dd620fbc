//! Changes and their events: lost, never made, made in part, made twice (I1, I2, I3, I9).

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::index::{Change, Index, Operation};
use super::record::Key;
use super::{AUDIT, Found, Name, Subject};

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    for ((task, version), change) in &index.changes {
        let place = Place { index, task: *task, version: *version, change };
        place.lost(found);
        place.unexplained(found);
        place.in_part(found);
        place.twice(found);
    }
    for operation in &index.operations {
        answers(index, operation, found);
    }
    effects(index, found);
    for key in &index.history.keys {
        kept(index, key, found);
    }
}

/// A version of a task.
struct Place<'a> {
    index: &'a Index<'a>,
    task: Uuid,
    version: i64,
    change: &'a Change<'a>,
}

impl Place<'_> {
    fn subject(&self) -> Subject {
        Subject::Change { task: self.task, version: self.version }
    }

    /// Acknowledged, but not there.
    fn lost(&self, found: &mut Found) {
        let Change { stored, acknowledged, outbox, topic, entries, .. } = self.change;
        let Some(first) = acknowledged.first() else { return };
        let on_its_way = !outbox.is_empty();
        let mut missing = Vec::new();
        if !stored {
            missing.push("in the database");
        }
        if topic.is_empty() && !on_its_way {
            missing.push("on the topic");
        }
        if entries.is_empty() && !on_its_way && !self.given_up() {
            missing.push("in the audit log");
        }
        if !missing.is_empty() {
            let detail =
                format!("{}, is not {}", self.index.operations[*first].said(), missing.join(", not "));
            found.note(Name::LostWrite, self.subject(), detail);
        }
        for operation in acknowledged.iter().map(|place| &self.index.operations[*place]) {
            self.overwritten(operation, found);
        }
    }

    /// Acknowledged, but what is there is somebody else's.
    fn overwritten(&self, operation: &Operation<'_>, found: &mut Found) {
        let mut causes = self.change.events().map(|event| event.cause).peekable();
        if causes.peek().is_some() && causes.all(|cause| cause.is_some() && cause != operation.request) {
            let detail = format!("{}, but the change is of another request", operation.said());
            found.note(Name::LostWrite, self.subject(), detail);
        }
    }

    /// Whether the audit log's handler has given its events up.
    fn given_up(&self) -> bool {
        let audit = self.index.history.consumers.iter().find(|consumer| consumer.name == AUDIT);
        let dead = |event: Uuid| {
            audit.is_some_and(|audit| audit.dead.contains(&event) || audit.letters.contains(&event))
        };
        self.change.topic.iter().any(|event| dead(event.id))
    }

    /// Told, but never made, or made though it was refused.
    fn unexplained(&self, found: &mut Found) {
        let change = self.change;
        if change.acknowledged.is_empty() && !change.stored {
            let places =
                [("outbox", &change.outbox), ("topic", &change.topic), ("audit log", &change.entries)];
            let places = places.iter().filter(|(_, events)| !events.is_empty()).map(|(place, _)| *place);
            let places: Vec<_> = places.collect();
            if !places.is_empty() {
                let detail = format!("told in {}, but not in the database", places.join(", "));
                found.note(Name::Ghost, self.subject(), detail);
            }
            return;
        }
        for event in change.events() {
            let Some(request) = event.cause else { continue };
            let Some(operation) = self.index.cause(event) else {
                found.note(Name::Ghost, self.subject(), format!("nobody has made the request {request}"));
                continue;
            };
            // What another request has overwritten is lost, and said to be.
            let said = operation.said();
            if operation.failed() {
                let detail = format!("{} is of the request {request}: {said}", event.kind.event_type());
                found.note(Name::Ghost, self.subject(), detail);
            } else if !operation.asked_for(event)
                && !operation.may_cause(event)
                && change.acknowledged.is_empty()
            {
                let detail =
                    format!("{} can not follow from request {request}: {said}", event.kind.event_type());
                found.note(Name::Ghost, self.subject(), detail);
            }
        }
    }

    /// Made, but without its event, or without the answer that makes its repetition safe.
    fn in_part(&self, found: &mut Found) {
        let change = self.change;
        if !change.stored || !change.acknowledged.is_empty() {
            return;
        }
        if change.topic.is_empty() && change.outbox.is_empty() {
            let later = self.index.changes.range((self.task, self.version + 1)..=(self.task, i64::MAX));
            let is_followed = later.into_iter().any(|(_, later)| later.events().next().is_some());
            let told = if change.entries.is_empty() { "told nowhere" } else { "told in the audit log alone" };
            if change.entries.is_empty() && is_followed && !change.kept {
                let detail = "it was never told, but later ones were";
                found.note(Name::Gap, self.subject(), detail);
            } else {
                found.note(Name::Half, self.subject(), format!("the database has it, but it is {told}"));
            }
        }
    }

    /// One version, but several events.
    fn twice(&self, found: &mut Found) {
        let ids: BTreeSet<Uuid> = self.change.events().map(|event| event.id).collect();
        let entries = self.change.entries.len();
        if ids.len() > 1 {
            found.note(Name::DuplicateEffect, self.subject(), format!("told by {} events", ids.len()));
        } else if entries > 1 {
            found.note(
                Name::DuplicateEffect,
                self.subject(),
                format!("the audit log has it {entries} times"),
            );
        }
    }
}

/// The answers to one operation are one answer, and it is kept.
fn answers(index: &Index<'_>, operation: &Operation<'_>, found: &mut Found) {
    let Some(request) = operation.request else { return };
    if operation.acknowledged.len() > 1 {
        let detail = format!("answered with the different versions {:?}", operation.acknowledged);
        found.note(Name::DuplicateEffect, Subject::Request(request), detail);
    }
    if operation.acknowledged.is_empty() {
        return;
    }
    let key = index.keys.get(&request);
    match key.map(|key| (key.task, key.version)) {
        None => {
            let detail = format!("{}, but no answer is kept for a repetition", operation.said());
            found.note(Name::Half, Subject::Request(request), detail);
        }
        Some(kept) if !operation.acknowledged.contains(&kept) => {
            let detail = format!("answered with {:?}, a repetition with {kept:?}", operation.acknowledged);
            found.note(Name::DuplicateEffect, Subject::Request(request), detail);
        }
        Some(_) => {}
    }
}

/// Each operation has happened once at most, and where it has, its answer is kept.
fn effects(index: &Index<'_>, found: &mut Found) {
    let mut effects: BTreeMap<Uuid, BTreeSet<(Uuid, i64)>> = BTreeMap::new();
    for (place, change) in &index.changes {
        for event in change.events() {
            if let (Some(request), Some(operation)) = (event.cause, index.cause(event))
                && operation.asked_for(event)
            {
                effects.entry(request).or_default().insert(*place);
            }
        }
    }
    for (request, places) in effects {
        let operation = &index.operations[index.by_request[&request]];
        if places.len() > 1 {
            let detail = format!("{}, took place as {places:?}", operation.said());
            found.note(Name::DuplicateEffect, Subject::Request(request), detail);
        }
        let stored = places.iter().any(|place| index.changes[place].stored);
        if stored && !operation.failed() && !index.keys.contains_key(&request) {
            let detail = format!("{}, took place, but no answer is kept for a repetition", operation.said());
            found.note(Name::Half, Subject::Request(request), detail);
        }
    }
}

/// An answer that is kept for a repetition tells of what took place.
fn kept(index: &Index<'_>, key: &Key, found: &mut Found) {
    let Some(operation) = index.by_request.get(&key.request).map(|place| &index.operations[*place]) else {
        found.note(Name::Ghost, Subject::Request(key.request), "an answer is kept, but nobody has asked");
        return;
    };
    let change = index.changes.get(&(key.task, key.version));
    let told = change.is_some_and(|change| change.events().any(|event| event.cause == Some(key.request)));
    if operation.failed() && !told {
        let detail = format!("{}, but an answer is kept for a repetition", operation.said());
        found.note(Name::Ghost, Subject::Request(key.request), detail);
    } else if operation.acknowledged.is_empty() && !change.is_some_and(|change| change.stored) {
        let detail =
            format!("version {} of task {} is kept as its answer, and is not there", key.version, key.task);
        found.note(Name::Half, Subject::Request(key.request), detail);
    }
}
