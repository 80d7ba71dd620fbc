//! What the relay remembers of events that are on their way: no column says it, because outbox rows never change.

use std::collections::HashMap;
use std::time::Duration;

use docket_domain::EventId;
use tokio::time::Instant;

/// Why an event that is still in the outbox is not published now.
#[derive(Clone, Copy, Debug)]
struct Wait {
    /// When it is published again.
    until: Instant,
    /// Whether the broker took it, so that receipts may come.
    published: bool,
    /// How often it failed, or its receipts did not come.
    failures: u32,
}

/// The events that wait: for their receipts, or for a pause after a failure to end.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<EventId, Wait>);

impl Waiting {
    /// The most events remembered; beyond, nothing new is published until some have ended.
    const CAPACITY: usize = 10_000;

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= Self::CAPACITY
    }

    /// Whether the event may be published now.
    pub(crate) fn is_due(&self, event: EventId, now: Instant) -> bool {
        self.0.get(&event).is_none_or(|wait| wait.until <= now)
    }

    /// Whether the broker took the event, and only receipts are missing.
    pub(crate) fn is_published(&self, event: EventId) -> bool {
        self.0.get(&event).is_some_and(|wait| wait.published)
    }

    /// How often the event failed so far.
    pub(crate) fn failures(&self, event: EventId) -> u32 {
        self.0.get(&event).map_or(0, |wait| wait.failures)
    }

    /// How many keys are kept back by an event that failed.
    pub(crate) fn parked(&self) -> usize {
        self.0.values().filter(|wait| wait.failures > 0).count()
    }

    /// The broker took the event; its receipts may take so long.
    pub(crate) fn published(&mut self, event: EventId, now: Instant, timeout: Duration) {
        let failures = self.failures(event);
        self.0.insert(event, Wait { until: now + timeout, published: true, failures });
    }

    /// The event failed; it is published again after the pause.
    pub(crate) fn failed(&mut self, event: EventId, now: Instant, pause: Duration) {
        let failures = self.failures(event) + 1;
        self.0.insert(event, Wait { until: now + pause, published: self.is_published(event), failures });
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

    #[test]
    fn an_event_waits_for_its_receipt_then_for_its_pauses_and_is_forgotten_when_it_ends() {
        let (mut waiting, now) = (Waiting::default(), Instant::now());
        let [one, two] = [1, 2].map(|number| EventId::from_uuid(Uuid::from_u128(number)));
        let second = Duration::from_secs(1);
        assert!(waiting.is_due(one, now) && !waiting.is_published(one));

        waiting.published(one, now, second);
        assert!(!waiting.is_due(one, now), "its receipts may still come");
        assert!(waiting.is_due(one, now + second) && waiting.is_published(one), "they did not come");
        assert_eq!(waiting.parked(), 0, "waiting for a receipt is no failure");

        waiting.failed(two, now, second);
        waiting.failed(two, now, 2 * second);
        assert_eq!((waiting.failures(two), waiting.parked()), (2, 1));
        assert!(!waiting.is_due(two, now + second) && waiting.is_due(two, now + 2 * second));
        assert!(!waiting.is_published(two), "no receipt can come for what nobody took");

        waiting.ended(one);
        assert!(waiting.is_due(one, now) && !waiting.is_published(one));
        waiting.keep(|event| event == one);
        assert_eq!((waiting.failures(two), waiting.parked()), (0, 0), "it left the outbox by another way");
    }
}
