//! Series: one next occurrence after each completed one (I5).

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::index::Index;
use super::record::Task;
use super::{Found, Name, RECURRENCE, Subject};

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    let alive = || index.history.tasks.iter().filter(|task| !task.deleted);
    let followers = grouped(alive().filter_map(|task| Some((task.predecessor?, task))));
    for (predecessor, tasks) in followers.iter().filter(|(_, tasks)| tasks.len() > 1) {
        let detail = format!("followed by {}", names(tasks));
        found.note(Name::DuplicateEffect, Subject::Task(*predecessor), detail);
    }
    let instants = grouped(alive().filter_map(|task| Some((task.series?, task))));
    for ((series, instant), tasks) in instants.iter().filter(|(_, tasks)| tasks.len() > 1) {
        let predecessors: HashSet<_> = tasks.iter().map(|task| task.predecessor).collect();
        // Two that follow the same one are known.
        if predecessors.len() > 1 || predecessors.contains(&None) {
            let subject = Subject::Instant { series: *series, instant: *instant };
            found.note(Name::DuplicateEffect, subject, format!("held by {}", names(tasks)));
        }
    }
    missing(index, found);
}

/// What was completed, repeats, and is not followed, though the event of its completion has been handled.
fn missing(index: &Index<'_>, found: &mut Found) {
    let recurrence = index.history.consumers.iter().find(|consumer| consumer.name == RECURRENCE);
    let Some(recurrence) = recurrence else { return };
    // A follower that its owner has deleted is one.
    let followed: HashSet<Uuid> = index.history.tasks.iter().filter_map(|task| task.predecessor).collect();
    let done: HashSet<Uuid> = recurrence.done.iter().map(|done| done.event).collect();
    for task in &index.history.tasks {
        let Some(version) = task.completed.filter(|_| task.repeats && !task.deleted) else { continue };
        let completion = index.changes.get(&(task.id, version));
        let handled =
            completion.is_none_or(|completion| completion.events().any(|event| done.contains(&event.id)));
        if handled && !followed.contains(&task.id) {
            let detail = format!("completed with version {version}, and no occurrence follows");
            found.note(Name::Gap, Subject::Task(task.id), detail);
        }
    }
}

fn grouped<'a, K: Ord>(tasks: impl Iterator<Item = (K, &'a Task)>) -> BTreeMap<K, Vec<&'a Task>> {
    let mut groups: BTreeMap<K, Vec<&Task>> = BTreeMap::new();
    for (key, task) in tasks {
        groups.entry(key).or_default().push(task);
    }
    groups
}

fn names(tasks: &[&Task]) -> String {
    tasks.iter().map(|task| task.id.to_string()).collect::<Vec<_>>().join(" and ")
}
