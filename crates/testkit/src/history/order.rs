//! The order of a task's versions: on the topic, at each consumer, and in what clients read (I4).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use uuid::Uuid;

use super::index::Index;
use super::record::{Call, Event, Message, Method, Outcome};
use super::{AUDIT, Found, Name, Subject};

/// The topic, as the place of an anomaly.
const TOPIC: &str = "topic";

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    topic(index, found);
    for consumer in &index.history.consumers {
        let applied =
            consumer.done.iter().filter_map(|done| Some((done.order, *index.events.get(&done.event)?)));
        applied_in_order(index, &consumer.name, applied, found);
    }
    let entries = index.history.entries.iter().map(|entry| (entry.order, &entry.event));
    applied_in_order(index, AUDIT, entries, found);
    reads(index, found);
}

/// A task's events are in one partition, each first there behind those of the versions before.
fn topic(index: &Index<'_>, found: &mut Found) {
    let mut messages: Vec<&Message> = index.history.topic.iter().collect();
    messages.sort_by_key(|message| (message.partition, message.offset));
    let mut known = HashSet::new();
    let mut last: HashMap<(Uuid, i32), i64> = HashMap::new();
    let mut partitions: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
    for message in messages {
        let Some(event) = message.event.as_ref().filter(|event| !index.planted.contains(&event.id)) else {
            continue;
        };
        partitions.entry(event.task).or_default().insert(message.partition);
        if !known.insert(event.id) {
            continue;
        }
        let last = last.entry((event.task, message.partition)).or_default();
        if event.version < *last {
            let detail = format!("first at {}/{}, behind version {last}", message.partition, message.offset);
            found.note(Name::Nonmonotonic, at(TOPIC, event), detail);
        }
        *last = event.version.max(*last);
    }
    for (task, partitions) in partitions.iter().filter(|(_, partitions)| partitions.len() > 1) {
        let detail = format!("its events are in the partitions {partitions:?}, where they have no order");
        found.note(Name::Nonmonotonic, Subject::Task(*task), detail);
    }
}

/// What was committed later is not older.
fn applied_in_order<'a>(
    index: &Index<'_>,
    place: &str,
    applied: impl Iterator<Item = (i64, &'a Event)>,
    found: &mut Found,
) {
    let mut applied: Vec<_> = applied.filter(|(_, event)| !index.planted.contains(&event.id)).collect();
    // Those of one transaction have one number, and no order among them.
    applied.sort_by_key(|(order, event)| (*order, event.version));
    let mut last: HashMap<Uuid, i64> = HashMap::new();
    for (_, event) in applied {
        let last = last.entry(event.task).or_default();
        if event.version < *last {
            let detail = format!("applied after version {last}");
            found.note(Name::Nonmonotonic, at(place, event), detail);
        }
        *last = event.version.max(*last);
    }
}

fn at(place: &str, event: &Event) -> Subject {
    Subject::At { place: place.to_owned(), task: event.task, version: event.version }
}

/// What somebody was shown before a read began, the read shows too, or something newer.
fn reads(index: &Index<'_>, found: &mut Found) {
    let mut shown: HashMap<Uuid, Vec<(Duration, i64)>> = HashMap::new();
    for call in &index.history.calls {
        let Some(answered) = call.answered.filter(|_| call.method != Method::Story) else { continue };
        for (task, version) in answers(call) {
            shown.entry(task).or_default().push((answered, version));
        }
    }
    for shown in shown.values_mut() {
        shown.sort_unstable();
        let mut most = 0;
        for (_, version) in shown {
            most = most.max(*version);
            *version = most;
        }
    }
    let reads = index.history.calls.iter().enumerate().filter(|(_, call)| call.method == Method::Read);
    for (number, call) in reads {
        for (task, version) in answers(call) {
            let shown = shown.get(&task).map(Vec::as_slice).unwrap_or_default();
            let before = shown.partition_point(|(answered, _)| *answered < call.invoked);
            let Some((_, newest)) = before.checked_sub(1).map(|last| shown[last]) else { continue };
            if version < newest {
                let detail = format!(
                    "{} was shown version {version} of task {task}, after {newest} was known",
                    call.user
                );
                found.note(Name::Nonmonotonic, Subject::Call(number), detail);
            }
        }
    }
}

fn answers(call: &Call) -> impl Iterator<Item = (Uuid, i64)> {
    let answers = match &call.outcome {
        Outcome::Ok(answers) => answers.as_slice(),
        Outcome::Fail(_) | Outcome::Unknown(_) => &[],
    };
    answers.iter().map(|answer| (answer.task, answer.version))
}
