//! The figures of this target.

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
    oldest_overdue: Gauge<f64>,
    lateness: Histogram<f64>,
    fired: Counter<u64>,
    missed: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
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
            oldest_overdue: meter
                .f64_gauge("docket.reminders.oldest_overdue.age")
                .with_unit("s")
                .with_description(
                    "How long ago the moment was of the reminder that is overdue for longest; 0 for none",
                )
                .build(),
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
    pub(crate) fn counted(&self, figures: &Figures, now: Instant) {
        self.pending.record(figures.pending, &[]);
        self.overdue.record(figures.overdue, &[]);
        let age = figures.oldest_overdue.map_or(TimeDelta::zero(), |oldest| now - oldest);
        self.oldest_overdue.record(seconds(age), &[]);
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

/// What rings a little early by this clock is not late.
fn seconds(length: TimeDelta) -> f64 {
    length.to_std().unwrap_or_default().as_secs_f64()
}
