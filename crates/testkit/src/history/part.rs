//! What a history has of some users alone: where others work on the same databases, or have done so before.

use std::collections::HashSet;

use uuid::Uuid;

use super::History;
use super::record::Event;

impl History {
    /// What it has of these users. What a consumer did with an event that nobody knows any more is theirs if it was
    /// committed since then (microseconds since 1970): the topic may have forgotten older ones.
    #[must_use]
    pub fn of_users(mut self, is_one: impl Fn(&str) -> bool, since: i64) -> Self {
        let theirs = |event: &Event| is_one(&event.user);
        let topic = self.topic.iter().filter_map(|message| message.event.as_ref());
        let known = || topic.clone().chain(&self.outbox).chain(self.entries.iter().map(|entry| &entry.event));
        let ids = |wanted: bool| -> HashSet<Uuid> {
            known().filter(|event| theirs(event) == wanted).map(|event| event.id).collect()
        };
        let (mine, others) = (ids(true), ids(false));
        self.calls.retain(|call| is_one(&call.user));
        self.tasks.retain(|task| is_one(&task.user));
        self.keys.retain(|key| is_one(&key.user));
        self.outbox.retain(theirs);
        self.topic.retain(|message| message.event.as_ref().is_none_or(theirs));
        self.entries.retain(|entry| theirs(&entry.event));
        let planted: HashSet<Uuid> = self.planted.iter().map(|planted| planted.event).collect();
        for consumer in &mut self.consumers {
            consumer.done.retain(|done| {
                mine.contains(&done.event) || (done.order >= since && !others.contains(&done.event))
            });
            let given_up = |event: &Uuid| mine.contains(event) || planted.contains(event);
            consumer.dead.retain(given_up);
            consumer.letters.retain(given_up);
        }
        self
    }
}
