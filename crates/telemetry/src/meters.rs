//! Figures: what makes instruments, and the text that Prometheus reads.

use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider as _, NoopMeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};

use crate::start::Error;

/// The limits of histograms of durations, in seconds: those of the semantic conventions, and on to an hour, because
/// what is late may be very late.
pub const SECONDS: [f64; 20] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    900.0, 1800.0, 3600.0,
];

/// Makes instruments, and shows what they say. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meters {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Meters {
    pub(crate) fn begin(
        resource: Resource,
    ) -> Result<(opentelemetry_sdk::metrics::MeterProviderBuilder, Registry), Error> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
        let reader = reader.map_err(|error| Error::Metrics(Box::new(error)))?;
        Ok((SdkMeterProvider::builder().with_resource(resource).with_reader(reader), registry))
    }

    pub(crate) fn of(provider: SdkMeterProvider, registry: Registry) -> Self {
        Self { provider, registry }
    }

    /// What makes the instruments of a crate; the name is the crate's.
    pub fn meter(&self, name: &'static str) -> Meter {
        self.provider.meter(name)
    }

    pub(crate) fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// All figures as Prometheus reads them (text format 0.0.4).
    pub fn render(&self) -> Result<String, Error> {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.map_err(|error| Error::Metrics(Box::new(error)))?;
        String::from_utf8(text).map_err(|error| Error::Metrics(Box::new(error)))
    }
}

/// Sends figures from time to time, in a thread of its own. How often, `OTEL_METRIC_EXPORT_INTERVAL` says before anybody else:
/// the SDK reads it where it is told nothing.
pub(crate) fn reader<E: PushMetricExporter>(exporter: E, interval: Duration) -> PeriodicReader<E> {
    let builder = PeriodicReader::builder(exporter);
    match std::env::var_os("OTEL_METRIC_EXPORT_INTERVAL") {
        Some(_) => builder.build(),
        None => builder.with_interval(interval).build(),
    }
}

/// Makes instruments that nobody reads.
pub fn no_meter() -> Meter {
    NoopMeterProvider::new().meter("none")
}
