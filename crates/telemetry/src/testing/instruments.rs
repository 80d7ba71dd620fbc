//! Which instruments were made, and what Prometheus calls them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_sdk::metrics::InstrumentKind;

use crate::identity::Identity;
use crate::meters::Meters;
use crate::start::{Error, Handle};

/// Knows every instrument that was made, also those that have nothing to show yet.
#[derive(Debug)]
pub struct Instruments {
    identity: Identity,
    made: Arc<Mutex<BTreeSet<Made>>>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Made {
    name: String,
    unit: String,
    shape: Shape,
}

/// What an instrument's figures look like to Prometheus.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Shape {
    Counter,
    Gauge,
    Histogram,
}

impl Instruments {
    /// With a handle for those who make them.
    pub fn watch(identity: &Identity) -> Result<(Self, Handle), Error> {
        let made: Arc<Mutex<BTreeSet<Made>>> = Arc::default();
        let seen = made.clone();
        let (builder, registry) = Meters::begin(identity.resource())?;
        let provider = builder.with_view(move |instrument| {
            let shape = match instrument.kind() {
                InstrumentKind::Counter | InstrumentKind::ObservableCounter => Shape::Counter,
                InstrumentKind::Histogram => Shape::Histogram,
                _ => Shape::Gauge,
            };
            let (name, unit) = (instrument.name().to_owned(), instrument.unit().to_owned());
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(Made { name, unit, shape });
            // It is counted as ever.
            None
        });
        let meters = Meters::of(provider.build(), registry);
        Ok((Self { identity: identity.clone(), made }, Handle::of(meters)))
    }

    /// The names of all series that there can be at `/metrics`: those that the exporter itself makes of these instruments.
    pub fn series(&self) -> Result<BTreeSet<String>, Error> {
        let meters = Handle::detached(&self.identity)?.meters;
        let meter = meters.meter("all");
        for Made { name, unit, shape } in self.made.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            match shape {
                Shape::Counter => meter.u64_counter(name).with_unit(unit).build().add(1, &[]),
                Shape::Gauge => meter.u64_gauge(name).with_unit(unit).build().record(1, &[]),
                Shape::Histogram => meter.f64_histogram(name).with_unit(unit).build().record(1.0, &[]),
            }
        }
        let text = meters.render()?;
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let name = |line: &str| line.split(['{', ' ']).next().map(str::to_owned);
        Ok(series.filter_map(name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_known_by_the_names_of_prometheus() {
        let identity =
            Identity { service: "docket".to_owned(), version: "1.2.3", instance: uuid::Uuid::from_u128(1) };
        let (instruments, handle) = Instruments::watch(&identity).unwrap();
        let meter = handle.meters.meter("test");
        let count = meter.u64_counter("docket.events").with_unit("{event}").build();
        meter.f64_histogram("docket.wait").with_unit("s").build();
        meter.i64_up_down_counter("docket.calls").with_unit("{call}").build();
        let gauge = meter.f64_observable_gauge("docket.oldest.age").with_unit("s");
        gauge.with_callback(|observer| observer.observe(1.5, &[])).build();
        let series = instruments.series().unwrap();
        let series: Vec<&str> = series.iter().map(String::as_str).collect();
        assert_eq!(
            series,
            [
                "docket_calls",
                "docket_events_total",
                "docket_oldest_age_seconds",
                "docket_wait_seconds_bucket",
                "docket_wait_seconds_count",
                "docket_wait_seconds_sum",
                "target_info",
            ]
        );
        // They work as they do elsewhere.
        count.add(3, &[]);
        assert!(handle.meters.render().unwrap().contains("docket_events_total{otel_scope_name=\"test\"} 3"));
    }
}
