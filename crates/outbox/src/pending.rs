//! What the relay remembers of events that are on their way: no column says it, because outbox rows never change.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use docket_domain::EventId;
use tokio::time::Instant;

use crate::Parked;

/// Why an event that is still in the outbox is not published now.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// When it is published again.
    until: Instant,
    /// How often it was published, or failed to be.
    attempts: u32,
    /// When that was for the first time.
    since: Instant,
    /// Where it is in the outbox.
    shard: i16,
}

impl Wait {
    /// Whether one attempt was not enough.
    fn is_parked(&self, now: Instant) -> bool {
        self.attempts > 1 || self.until <= now
    }
}

/// The events that wait: for their receipts, or for a pause after a failure to end.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<EventId, Wait>);

impl Waiting {
    /// The most events remembered; beyond, nothing that is new is published until some have ended.
    const CAPACITY: usize = 10_000;

    /// Whether the event may be published now.
    pub(crate) fn is_due(&self, event: EventId, now: Instant) -> bool {
        match self.0.get(&event) {
            Some(wait) => wait.until <= now,
            None => self.0.len() < Self::CAPACITY,
        }
    }

    /// How often the event was published, or failed to be.
    pub(crate) fn attempts(&self, event: EventId) -> u32 {
        self.0.get(&event).map_or(0, |wait| wait.attempts)
    }

    /// How many keys are kept back by an event that one attempt was not enough for.
    pub(crate) fn parked(&self, now: Instant) -> usize {
        self.0.values().filter(|wait| wait.is_parked(now)).count()
    }

    /// Those of them that have waited longest.
    pub(crate) fn longest(&self, now: Instant, most: usize) -> Vec<Parked> {
        let parked = self.0.iter().filter(|(_, wait)| wait.is_parked(now));
        let mut parked: Vec<Parked> = parked
            .map(|(event, wait)| Parked { event: *event, attempts: wait.attempts, since: wait.since })
            .collect();
        parked.sort_unstable_by_key(|parked| (parked.since, parked.event));
        parked.truncate(most);
        parked
    }

    /// The event was published, or failed to be; it is published again after the pause, if it is still there.
    pub(crate) fn wait(&mut self, event: EventId, shard: i16, now: Instant, pause: Duration) {
        let attempts = self.attempts(event).saturating_add(1);
        let since = self.0.get(&event).map_or(now, |wait| wait.since);
        self.0.insert(event, Wait { until: now + pause, attempts, since, shard });
    }

    /// The shards with an event whose time has not come: it may be on its way to its handlers.
    pub(crate) fn busy(&self, now: Instant) -> HashSet<i16> {
        self.0.values().filter(|wait| wait.until > now).map(|wait| wait.shard).collect()
    }

    /// The event has left the outbox.
    pub(crate) fn ended(&mut self, event: EventId) {
        self.0.remove(&event);
    }

    /// Forgets all but the events that are still in the outbox.
    pub(crate) fn keep(&mut self, there: impl Fn(EventId) -> bool) {
        self.0.retain(|event, _| there(*event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event(number: u128) -> EventId {
        EventId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn an_event_waits_for_its_pause_to_end_and_is_forgotten_when_it_has_left() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(waiting.is_due(event(1), now));

        waiting.wait(event(1), 7, now, second);
        assert!(!waiting.is_due(event(1), now), "its receipts may still come");
        assert_eq!(waiting.parked(now), 0, "and that is no failure");
        assert_eq!(waiting.busy(now), HashSet::from([7]));
        assert!(waiting.is_due(event(1), now + second), "they did not come");
        assert_eq!(waiting.busy(now + second), HashSet::new());
        assert_eq!(waiting.parked(now + second), 1);
        let parked = Parked { event: event(1), attempts: 1, since: now };
        assert_eq!(waiting.longest(now + second, 9), [parked]);
        assert_eq!((waiting.longest(now, 9), waiting.longest(now + second, 0)), (Vec::new(), Vec::new()));

        waiting.wait(event(2), 1, now, second);
        waiting.wait(event(2), 1, now, 2 * second);
        assert_eq!((waiting.attempts(event(2)), waiting.parked(now)), (2, 1));
        assert!(!waiting.is_due(event(2), now + second) && waiting.is_due(event(2), now + 2 * second));

        waiting.ended(event(1));
        assert!(waiting.is_due(event(1), now));
        waiting.keep(|kept| kept == event(1));
        assert_eq!(waiting.attempts(event(2)), 0, "it left the outbox by another way");
    }

    #[test]
    fn a_full_memory_keeps_new_events_back_and_lets_the_old_ones_go_on() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let second = Duration::from_secs(1);
        let capacity = Waiting::CAPACITY as u128;
        for number in 1..=capacity {
            waiting.wait(event(number), 1, now, second);
        }
        assert!(!waiting.is_due(event(capacity + 1), now + second), "there is no room for it");
        assert!(waiting.is_due(event(1), now + second), "it is in already, and its time has come");
        waiting.ended(event(1));
        assert!(waiting.is_due(event(capacity + 1), now));
    }
}
