//! The relay's figures: what waits, how long it took to leave, and what the relay has of the outbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use docket_domain::source::{Clock, seconds};
use docket_store::Backlog;
use docket_store::outbox::PendingEvent;
use docket_telemetry::instruments::{Counter, Histogram, Meter};
use docket_telemetry::{KeyValue, SECONDS};

/// What happens to a lease of a shard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Gained,
    /// Others have it, or may have it at any moment.
    Lost,
    GivenBack,
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::GivenBack => "given_back",
        }
    }
}

/// The figures of one relay.
pub(crate) struct Metrics {
    /// The name of the outbox.
    outbox: KeyValue,
    insert_to_ack: Histogram<f64>,
    calls: Histogram<f64>,
    publishes: Counter<u64>,
    leases: Counter<u64>,
    standing: Arc<Standing>,
}

/// What is shown whenever somebody asks.
struct Standing {
    clock: Arc<dyn Clock>,
    now: Mutex<Now>,
}

#[derive(Clone, Copy, Default)]
struct Now {
    connected: bool,
    parked: usize,
    /// None before the first look.
    backlog: Option<Backlog>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter, outbox: &'static str, clock: Arc<dyn Clock>) -> Self {
        let insert_to_ack = meter
            .f64_histogram("docket.outbox.insert_to_ack.duration")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .with_description("From when an event happened until it left the outbox")
            .build();
        let calls = meter
            .f64_histogram("messaging.client.operation.duration")
            .with_unit("s")
            .with_boundaries(SECONDS.to_vec())
            .with_description("How long the sidecar took to publish what was handed to it at once")
            .build();
        let publishes = meter
            .u64_counter("docket.outbox.publishes")
            .with_unit("{event}")
            .with_description(
                "Events that the broker took, or, with an error.type, did not take for all that is known",
            )
            .build();
        let leases = meter
            .u64_counter("docket.relay.lease.changes")
            .with_unit("{shard}")
            .with_description("Shards of the outbox that the relay gained, gave back, or lost")
            .build();
        let outbox = KeyValue::new("docket.outbox", outbox);
        let standing = Arc::new(Standing { clock, now: Mutex::default() });
        observe(meter, &outbox, &standing);
        Self { outbox, insert_to_ack, calls, publishes, leases, standing }
    }

    /// A call to the sidecar has ended, and how it failed if it did.
    pub(crate) fn called(&self, topic: &str, took: Duration, failed: Option<&'static str>) {
        let topic = KeyValue::new("messaging.destination.name", topic.to_owned());
        let operation = KeyValue::new("messaging.operation.name", "publish");
        let system = KeyValue::new("messaging.system", "dapr");
        match failed {
            None => self.calls.record(took.as_secs_f64(), &[topic, operation, system]),
            Some(kind) => {
                let kind = KeyValue::new("error.type", kind);
                self.calls.record(took.as_secs_f64(), &[topic, operation, system, kind]);
            }
        }
    }

    /// The broker took so many events.
    pub(crate) fn published(&self, events: usize) {
        if events > 0 {
            self.publishes.add(events as u64, std::slice::from_ref(&self.outbox));
        }
    }

    /// It did not take so many, or nobody knows.
    pub(crate) fn unpublished(&self, kind: &'static str, events: usize) {
        self.publishes.add(events as u64, &[self.outbox.clone(), KeyValue::new("error.type", kind)]);
    }

    /// Events have left the outbox.
    pub(crate) fn left<'a>(&self, events: impl IntoIterator<Item = &'a PendingEvent>) {
        let now = self.standing.clock.now();
        let mut standing = self.standing.lock();
        let oldest = standing.backlog.as_mut().filter(|backlog| backlog.oldest.is_some());
        let position = oldest.as_ref().and_then(|backlog| backlog.position);
        let is_guess = oldest.is_some() && position.is_none();
        let (mut oldest_left, mut latest) = (false, None);
        for event in events {
            oldest_left |= position == Some(event.position);
            latest = latest.max(Some(event.time));
            // One that is published once more is as old as when it happened.
            if event.republish_of.is_none() {
                let outbox = std::slice::from_ref(&self.outbox);
                self.insert_to_ack.record(seconds(now - event.time), outbox);
            }
        }
        if let Some(backlog) = oldest.filter(|_| oldest_left || (is_guess && latest.is_some())) {
            // Which one is the oldest now, the next look will tell. Until then, what waits is taken to be no older than what
            // has just left: nearly so where the relay is behind, and new where it is not.
            (backlog.position, backlog.oldest) = (None, latest);
        }
    }

    /// The lease of so many shards is another's, or this relay's.
    pub(crate) fn lease(&self, change: Change, shards: usize) {
        if shards > 0 {
            let change = KeyValue::new("docket.change", change.name());
            self.leases.add(shards as u64, &[self.outbox.clone(), change]);
        }
    }

    /// How the relay is doing.
    pub(crate) fn doing(&self, connected: bool, parked: usize) {
        let mut now = self.standing.lock();
        (now.connected, now.parked) = (connected, parked);
    }

    /// What waits.
    pub(crate) fn waits(&self, backlog: Backlog) {
        self.standing.lock().backlog = Some(backlog);
    }
}

impl Standing {
    fn lock(&self) -> MutexGuard<'_, Now> {
        // Nothing panics while it holds the lock, and the figures would be whole even then.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The age of what waits longest, in seconds: of an event that is still there it grows whatever the relay does.
    fn oldest_age(&self) -> Option<f64> {
        let backlog = self.lock().backlog?;
        Some(backlog.oldest.map_or(0.0, |oldest| seconds(self.clock.now() - oldest)))
    }
}

/// Shows how it stands, as long as the relay is there.
fn observe(meter: &Meter, outbox: &KeyValue, standing: &Arc<Standing>) {
    let gauge = |name, unit, description, figure: fn(&Now) -> Option<u64>| {
        let (outbox, standing) = (outbox.clone(), Arc::downgrade(standing));
        let gauge = meter.u64_observable_gauge(name).with_unit(unit).with_description(description);
        let gauge = gauge.with_callback(move |observer| {
            if let Some(figure) = told(&standing, |standing| figure(&standing.lock())) {
                observer.observe(figure, std::slice::from_ref(&outbox));
            }
        });
        gauge.build();
    };
    gauge(
        "docket.outbox.pending",
        "{event}",
        "Events in the relay's part of the outbox, of the oldest 100000",
        |now| now.backlog.map(|backlog| backlog.events),
    );
    gauge(
        "docket.outbox.parked.keys",
        "{key}",
        "Keys that an event keeps back which could not be published",
        |now| Some(now.parked as u64),
    );
    gauge("docket.relay.connected", "{relay}", "Whether the sidecar takes what the relay has", |now| {
        Some(u64::from(now.connected))
    });
    let (outbox, standing) = (outbox.clone(), Arc::downgrade(standing));
    meter
        .f64_observable_gauge("docket.outbox.oldest.age")
        .with_unit("s")
        .with_description("How long the oldest event in the relay's part of the outbox has waited")
        .with_callback(move |observer| {
            if let Some(age) = told(&standing, Standing::oldest_age) {
                observer.observe(age, std::slice::from_ref(&outbox));
            }
        })
        .build();
}

fn told<T>(standing: &Weak<Standing>, figure: impl FnOnce(&Standing) -> Option<T>) -> Option<T> {
    figure(&*standing.upgrade()?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use docket_domain::{Instant, TimeDelta};
    use docket_telemetry::{Handle, Identity, Meters};
    use uuid::Uuid;

    use super::*;
    use crate::line;

    /// So many seconds after the first event.
    #[derive(Default)]
    struct Seconds(AtomicI64);

    impl Clock for Seconds {
        fn now(&self) -> Instant {
            Instant::default() + TimeDelta::seconds(self.0.load(Ordering::SeqCst))
        }
    }

    /// The first ones of a key, all at the same moment.
    fn event(number: u8) -> PendingEvent {
        line::tests::event(number, "t", "k")
    }

    fn shown(meters: &Meters, name: &str) -> Vec<String> {
        let text = meters.render().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.filter_map(|line| line.rsplit_once(' ').map(|(_, value)| value.to_owned())).collect()
    }

    #[test]
    fn what_waits_grows_older_until_it_has_left() {
        let identity = Identity { service: "docket".to_owned(), version: "1", instance: Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let clock = Arc::new(Seconds::default());
        let metrics = Metrics::new(&meters.meter("docket-outbox"), "tasks", clock.clone());
        let age = || shown(&meters, "docket_outbox_oldest_age_seconds");
        assert_eq!(age(), [""; 0], "nobody has looked");
        metrics.waits(Backlog { events: 2, oldest: Some(Instant::default()), position: Some(5) });
        clock.0.store(40, Ordering::SeqCst);
        assert_eq!(age(), ["40"], "without another look");
        metrics.left([&event(6)]);
        assert_eq!(age(), ["40"], "that was not the oldest");
        clock.0.store(50, Ordering::SeqCst);
        metrics.left([
            &event(5),
            &PendingEvent { time: Instant::default() + TimeDelta::seconds(3), ..event(7) },
        ]);
        assert_eq!(age(), ["47"], "what is behind it is about as old");
        metrics.left([&PendingEvent { time: Instant::default() + TimeDelta::seconds(40), ..event(8) }]);
        assert_eq!(age(), ["10"]);
        metrics.waits(Backlog { events: 0, oldest: None, position: None });
        assert_eq!(age(), ["0"], "there is nothing");
        assert_eq!(shown(&meters, "docket_outbox_insert_to_ack_duration_seconds_sum"), ["147"]);
        clock.0.store(-9, Ordering::SeqCst);
        metrics.waits(Backlog { events: 1, oldest: Some(Instant::default()), position: Some(8) });
        assert_eq!(age(), ["0"], "the clock was set back");
    }

    #[test]
    fn changes_of_leases_are_counted_by_shard() {
        let identity = Identity { service: "docket".to_owned(), version: "1", instance: Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let metrics = Metrics::new(&meters.meter("docket-outbox"), "tasks", Arc::new(Seconds::default()));
        for (change, shards) in
            [(Change::Gained, 64), (Change::GivenBack, 32), (Change::Lost, 0), (Change::Gained, 2)]
        {
            metrics.lease(change, shards);
        }
        let mut text: Vec<String> = meters.render().unwrap().lines().map(str::to_owned).collect();
        text.retain(|line| line.starts_with("docket_relay_lease_changes_total"));
        text.sort();
        let told: Vec<_> = text
            .iter()
            .map(|line| {
                (
                    line.contains("gained"),
                    line.contains("given_back"),
                    line.ends_with(" 66") || line.ends_with(" 32"),
                )
            })
            .collect();
        assert_eq!(told, [(true, false, true), (false, true, true)], "{text:?}");
    }
}
