//! What waits in a key, as far as it was read: the event that is sent next, and those behind it.

use std::collections::{HashMap, VecDeque};

use docket_domain::EventId;
use docket_store::outbox::PendingEvent;

/// A key's events, in their order. Nothing of it may be sent before its head has left the outbox.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) head: PendingEvent,
    behind: VecDeque<PendingEvent>,
}

/// What is behind the heads of a call, where there is something.
#[derive(Debug, Default)]
pub(crate) struct Behind(HashMap<EventId, VecDeque<PendingEvent>>);

impl From<PendingEvent> for Line {
    fn from(head: PendingEvent) -> Self {
        Self { head, behind: VecDeque::new() }
    }
}

/// Puts events, which are in the order of their positions, into lines, which are in the order of their heads.
pub(crate) fn lines(events: Vec<PendingEvent>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut places = HashMap::new();
    for event in events {
        let place = *places.entry((event.topic.clone(), event.key.clone())).or_insert(lines.len());
        match lines.get_mut(place) {
            Some(line) => line.behind.push_back(event),
            None => lines.push(event.into()),
        }
    }
    lines
}

impl Behind {
    /// Takes lines apart.
    pub(crate) fn of(lines: Vec<Line>) -> (Vec<PendingEvent>, Self) {
        let mut behind = HashMap::new();
        let heads = lines.into_iter().map(|line| {
            if !line.behind.is_empty() {
                behind.insert(line.head.id, line.behind);
            }
            line.head
        });
        (heads.collect(), Self(behind))
    }

    /// What follows the head; nothing when nothing was read behind it.
    pub(crate) fn next(&mut self, head: EventId) -> Option<Line> {
        let mut behind = self.0.remove(&head)?;
        let head = behind.pop_front()?;
        Some(Line { head, behind })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use docket_domain::Instant;
    use uuid::Uuid;

    use super::*;

    pub(crate) fn event(number: u8, topic: &str, key: &str) -> PendingEvent {
        PendingEvent {
            position: i64::from(number),
            id: id(number),
            topic: topic.to_owned(),
            key: key.to_owned(),
            shard: 1,
            event_type: "com.todo.task.created".to_owned(),
            source: "docket/tasks".to_owned(),
            payload: Vec::new(),
            trace: None,
            time: Instant::default(),
            raw: false,
            handler: None,
            republish_of: None,
        }
    }

    fn id(number: u8) -> EventId {
        EventId::from_uuid(Uuid::from_u128(u128::from(number)))
    }

    #[test]
    fn what_is_in_a_key_follows_in_its_order_and_each_topic_has_keys_of_its_own() {
        let events =
            [(1, "t", "a"), (2, "t", "b"), (3, "u", "a"), (4, "t", "a"), (5, "t", "a"), (6, "t", "b")];
        let mut lines = lines(events.map(|(number, topic, key)| event(number, topic, key)).into());
        let mut rounds = Vec::new();
        while !lines.is_empty() {
            let (heads, mut behind) = Behind::of(std::mem::take(&mut lines));
            lines.extend(heads.iter().filter_map(|head| behind.next(head.id)));
            rounds.push(heads.iter().map(|head| head.position).collect::<Vec<_>>());
        }
        assert_eq!(rounds, [vec![1, 2, 3], vec![4, 6], vec![5]]);
    }

    #[test]
    fn what_is_behind_a_head_is_told_once_and_only_of_it() {
        let (heads, mut behind) = Behind::of(lines(vec![event(1, "t", "a"), event(2, "t", "a")]));
        assert_eq!(heads.len(), 1);
        assert!(behind.next(id(2)).is_none());
        assert_eq!(behind.next(id(1)).map(|line| line.head.id), Some(id(2)));
        assert!(behind.next(id(1)).is_none());
    }
}
