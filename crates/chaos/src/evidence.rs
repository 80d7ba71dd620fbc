//! Everything that is known of what an anomaly concerns, for whoever looks for its cause.

use std::fmt::Write as _;

use docket_testkit::history::{Anomaly, History, Subject};
use uuid::Uuid;

/// How many anomalies are told of.
const MOST: usize = 50;

/// What the history has of each of them.
pub(crate) fn of(history: &History, anomalies: &[Anomaly]) -> String {
    let mut text = String::new();
    for anomaly in anomalies.iter().take(MOST) {
        let names = names(history, &anomaly.subject);
        // Writing to a text does not fail.
        let _ = writeln!(text, "{anomaly}");
        for line in lines(history) {
            if names.iter().any(|name| line.contains(name)) {
                let _ = writeln!(text, "    {line}");
            }
        }
    }
    text
}

/// What the subject, and the task that it concerns, are called.
fn names(history: &History, subject: &Subject) -> Vec<String> {
    let ids: Vec<Uuid> = match subject {
        Subject::Change { task, .. } | Subject::At { task, .. } | Subject::Task(task) => vec![*task],
        Subject::Instant { series, .. } => vec![*series],
        Subject::Request(request) => vec![*request],
        Subject::Event { event, .. } => {
            let events = history.topic.iter().filter_map(|message| message.event.as_ref());
            let task = events.filter(|other| other.id == *event).map(|event| event.task);
            task.chain([*event]).collect()
        }
        Subject::Call(number) => history.calls.get(*number).and_then(|call| call.task).into_iter().collect(),
    };
    ids.into_iter().map(|id| id.to_string()).collect()
}

/// The whole history, a line for each thing.
fn lines(history: &History) -> impl Iterator<Item = String> {
    let mut calls: Vec<_> = history.calls.iter().enumerate().collect();
    calls.sort_by_key(|(_, call)| call.invoked);
    let calls = calls.into_iter().map(|(number, call)| format!("{number} {call:?}"));
    let tasks = history.tasks.iter().map(|task| format!("{task:?}"));
    let keys = history.keys.iter().map(|key| format!("{key:?}"));
    let outbox = history.outbox.iter().map(|event| format!("outbox {event:?}"));
    let topic = history.topic.iter().map(|message| format!("{message:?}"));
    let entries = history.entries.iter().map(|entry| format!("{entry:?}"));
    let done = history.consumers.iter().flat_map(|consumer| {
        let done = consumer.done.iter().map(|done| format!("{} {done:?}", consumer.name));
        let dead = consumer.dead.iter().map(|event| format!("{} dead {event}", consumer.name));
        let letters = consumer.letters.iter().map(|event| format!("{} letter {event}", consumer.name));
        done.chain(dead).chain(letters).collect::<Vec<_>>()
    });
    calls.chain(tasks).chain(keys).chain(outbox).chain(topic).chain(entries).chain(done)
}
