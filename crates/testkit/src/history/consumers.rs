//! What each consumer did with each event: all of it, once, and not both this and that (I3, I4, I8).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::index::Index;
use super::record::{Consumer, Event};
use super::{AUDIT, Found, Name, Subject};

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    for consumer in &index.history.consumers {
        let desk = Desk::new(index, consumer);
        desk.unseen(found);
        desk.unexplained(found);
        desk.given_up(found);
        desk.planted(found);
        if consumer.name == AUDIT {
            desk.log(found);
        }
    }
}

/// A consumer, and what it did.
struct Desk<'a> {
    index: &'a Index<'a>,
    consumer: &'a Consumer,
    done: HashSet<Uuid>,
}

impl<'a> Desk<'a> {
    fn new(index: &'a Index<'a>, consumer: &'a Consumer) -> Self {
        let done = consumer.done.iter().map(|done| done.event).collect();
        Self { index, consumer, done }
    }

    fn event(&self, event: Uuid) -> Subject {
        Subject::Event { consumer: self.consumer.name.clone(), event }
    }

    fn gave_up(&self, event: Uuid) -> bool {
        self.consumer.dead.contains(&event) || self.consumer.letters.contains(&event)
    }

    /// On the topic, and neither applied nor given up.
    fn unseen(&self, found: &mut Found) {
        let mut last: HashMap<Uuid, i64> = HashMap::new();
        for event in self.done.iter().filter_map(|event| self.index.events.get(event)) {
            let last = last.entry(event.task).or_default();
            *last = event.version.max(*last);
        }
        for event in self.offered() {
            if self.done.contains(&event.id) || self.gave_up(event.id) {
                continue;
            }
            let change = &self.index.changes[&(event.task, event.version)];
            // What is said of the change itself, or of the log, is not said again.
            let of_log =
                self.consumer.name == AUDIT && !(change.acknowledged.is_empty() && change.entries.is_empty());
            if !change.stored || of_log {
                continue;
            }
            let (place, task, version) = (self.consumer.name.clone(), event.task, event.version);
            let subject = Subject::At { place, task, version };
            match last.get(&task) {
                Some(last) if *last > version => {
                    found.note(Name::Gap, subject, format!("passed over, but version {last} was applied"));
                }
                _ => found.note(Name::Unseen, subject, format!("{} was never applied", event.id)),
            }
        }
    }

    /// The events that are for it, each once.
    fn offered(&self) -> impl Iterator<Item = &'a Event> {
        let messages = self.index.history.topic.iter();
        let mine =
            messages.filter(|message| message.only.as_ref().is_none_or(|only| *only == self.consumer.name));
        let events = mine.filter_map(|message| message.event.as_ref());
        let events: BTreeMap<Uuid, &Event> = events.map(|event| (event.id, event)).collect();
        events.into_values().filter(|event| !self.index.planted.contains(&event.id))
    }

    /// Applied, but never told anywhere.
    fn unexplained(&self, found: &mut Found) {
        for event in &self.done {
            let known = self.index.events.contains_key(event) || self.index.planted.contains(event);
            if !known {
                found.note(Name::Ghost, self.event(*event), "applied, but nobody has published it");
            }
        }
    }

    /// Given up: then it was not applied, and it was meant to be given up.
    fn given_up(&self, found: &mut Found) {
        let Consumer { name, dead, letters, .. } = self.consumer;
        let entries: HashSet<Uuid> = match name.as_str() {
            AUDIT => self.index.history.entries.iter().map(|entry| entry.event.id).collect(),
            _ => HashSet::new(),
        };
        for event in dead.union(letters) {
            if self.done.contains(event) || entries.contains(event) {
                found.note(Name::Both, self.event(*event), "given up, and applied");
            } else if !self.index.planted.contains(event) {
                found.note(Name::Buried, self.event(*event), "given up, though nothing was wrong with it");
            } else if !letters.contains(event) {
                found.note(Name::Half, self.event(*event), "given up, but there is no letter");
            }
        }
    }

    /// What was planted for it, it has given up.
    fn planted(&self, found: &mut Found) {
        let planted = self.index.history.planted.iter();
        for planted in planted.filter(|planted| planted.consumers.contains(&self.consumer.name)) {
            if !self.gave_up(planted.event) {
                found.note(Name::Unseen, self.event(planted.event), "planted, but not given up");
            }
        }
    }

    /// The audit log has what its handler is done with, and nothing else.
    fn log(&self, found: &mut Found) {
        let entries = self.index.history.entries.iter().map(|entry| entry.event.id);
        let entries: BTreeSet<Uuid> = entries.collect();
        for event in self.done.iter().filter(|event| !entries.contains(event)) {
            let Some(event) = self.index.events.get(event) else { continue };
            let change = self.index.changes.get(&(event.task, event.version));
            // An acknowledged change that the log lacks is lost, and said to be.
            if change.is_none_or(|change| change.acknowledged.is_empty() || !change.entries.is_empty()) {
                found.note(Name::Half, self.event(event.id), "done with, but not in the log");
            }
        }
        let alone = entries.iter().filter(|event| !self.done.contains(event) && !self.gave_up(**event));
        for event in alone {
            let event = &self.index.events[event];
            let change = self.index.changes.get(&(event.task, event.version));
            if change
                .is_none_or(|change| change.stored && !(change.topic.is_empty() && change.outbox.is_empty()))
            {
                found.note(Name::Half, self.event(event.id), "in the log, but not done with");
            }
        }
    }
}
