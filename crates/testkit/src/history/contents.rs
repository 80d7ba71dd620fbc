//! What a version of a task says: the same wherever it is told (I1, I2, I9).

use std::collections::BTreeMap;

use uuid::Uuid;

use super::index::Index;
use super::record::{Content, Event, Outcome};
use super::{Found, Name, Subject};

/// Versions of tasks, each with what the first says of it that tells of it, and who that is.
#[derive(Default)]
struct Contents<'a>(BTreeMap<(Uuid, i64), (String, &'a Content)>);

pub(super) fn check(index: &Index<'_>, found: &mut Found) {
    let history = index.history;
    let mut contents = Contents::default();
    let topic = history.topic.iter().filter_map(|message| message.event.as_ref());
    let entries = history.entries.iter().map(|entry| &entry.event);
    let events = [("topic", topic.collect::<Vec<_>>()), ("outbox", history.outbox.iter().collect())];
    for (place, events) in events.into_iter().chain([("audit log", entries.collect())]) {
        for event in events.into_iter().filter(|event| !index.planted.contains(&event.id)) {
            let Event { task, version, content, .. } = event;
            contents.compare((*task, *version), || format!("the {place}"), content, found);
        }
    }
    for task in &history.tasks {
        contents.compare((task.id, task.version), || "the database".to_owned(), &task.content, found);
    }
    for key in &history.keys {
        let place = || format!("the answer that is kept for request {}", key.request);
        contents.compare((key.task, key.version), place, &key.content, found);
    }
    for (number, call) in history.calls.iter().enumerate() {
        let Outcome::Ok(answers) = &call.outcome else { continue };
        for answer in answers {
            let place = || format!("the answer to call {number}");
            contents.compare((answer.task, answer.version), place, &answer.content, found);
        }
    }
}

impl<'a> Contents<'a> {
    fn compare(
        &mut self,
        version: (Uuid, i64),
        place: impl Fn() -> String,
        content: &'a Content,
        found: &mut Found,
    ) {
        let (first, known) = self.0.entry(version).or_insert_with(|| (place(), content));
        if *known != content {
            let subject = Subject::Change { task: version.0, version: version.1 };
            let detail = format!("{first} has {known:?}, {} has {content:?}", place());
            found.note(Name::Half, subject, detail);
        }
    }
}
