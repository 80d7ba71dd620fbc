//! The figures of this target.

use std::sync::{Arc, Mutex, PoisonError};

use docket_domain::source::{Clock, seconds};
use docket_domain::{Instant, TimeDelta};
use docket_store::reminders::Figures;
use docket_telemetry::instruments::{Counter, Gauge, Histogram, Meter};
use docket_telemetry::{KeyValue, SECONDS};

use crate::trace::Way;

/// How many reminders are counted: more are told of as so many.
pub(crate) const MOST: u64 = 100_000;

/// The instruments.
pub(crate) struct Metrics {
    pending: Gauge<u64>,
    overdue: Gauge<u64>,
    /// When the moment was of the reminder that was overdue for longest, at the last count; none before the first.
    oldest_overdue: Arc<Mutex<Option<Option<Instant>>>>,
    lateness: Histogram<f64>,
    fired: Counter<u64>,
    missed: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter, clock: Arc<dyn Clock>) -> Self {
        let gauge = |name, description| {
            meter.u64_gauge(name).with_unit("{reminder}").with_description(description).build()
        };
        let counter = |name, description| {
            meter.u64_counter(name).with_unit("{reminder}").with_description(description).build()
        };
        Self {
            pending: gauge(
                "docket.reminders.pending",
                "Reminders that are still to be fired, 100,000 at most",
            ),
            overdue: gauge(
                "docket.reminders.overdue",
                "Reminders whose moment has passed and that are not fired, 100,000 at most",
            ),
            oldest_overdue: age(meter, clock),
            lateness: meter
                .f64_histogram("docket.reminders.lateness")
                .with_unit("s")
                .with_description("How long after its moment a reminder was fired")
                .with_boundaries(SECONDS.to_vec())
                .build(),
            fired: counter("docket.reminders.fired", "Reminders that were fired"),
            missed: counter("docket.reminders.missed", "Reminders that were found too late to be fired"),
        }
    }

    /// How many there are.
    pub(crate) fn counted(&self, figures: &Figures) {
        self.pending.record(figures.pending, &[]);
        self.overdue.record(figures.overdue, &[]);
        *self.oldest_overdue.lock().unwrap_or_else(PoisonError::into_inner) = Some(figures.oldest_overdue);
    }

    /// One was fired, so long after its moment.
    pub(crate) fn fired(&self, way: Way, late: TimeDelta) {
        self.lateness.record(seconds(late), &[]);
        self.fired.add(1, &[KeyValue::new("docket.way", way.name())]);
    }

    pub(crate) fn missed(&self, count: u64) {
        self.missed.add(count, &[]);
    }
}

/// Shows how late the latest is. Of one that is still there the age grows, also while nobody can count.
fn age(meter: &Meter, clock: Arc<dyn Clock>) -> Arc<Mutex<Option<Option<Instant>>>> {
    let oldest: Arc<Mutex<Option<Option<Instant>>>> = Arc::default();
    let seen = Arc::downgrade(&oldest);
    meter
        .f64_observable_gauge("docket.reminders.oldest_overdue.age")
        .with_unit("s")
        .with_description(
            "How long ago the moment was of the reminder that is overdue for longest; 0 for none",
        )
        .with_callback(move |observer| {
            let Some(seen) = seen.upgrade() else { return };
            if let Some(oldest) = *seen.lock().unwrap_or_else(PoisonError::into_inner) {
                observer.observe(oldest.map_or(0.0, |moment| seconds(clock.now() - moment)), &[]);
            }
        })
        .build();
    oldest
}
