//! The way out: OTLP over gRPC, through the sidecar or direct; and the count of what did not arrive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use opentelemetry_otlp::{MetricExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use crate::config::{Config, Export};
use crate::start::Error;

/// How long one export through the sidecar may take. While a collector is away, so long waits the thread that exports, and
/// nobody else.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A parent that says "not recorded", so that neither sidecar on the way makes spans of the export of spans.
const UNSAMPLED: &str = "00-646f636b65746f74656c6578706f7274-646f636b65746f74-00";

/// The sidecar, as the way to the collector.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    /// Where the sidecar's gRPC API is: `http://127.0.0.1:50001`.
    pub endpoint: String,
    /// `dapr-api-token`.
    pub api_token: Option<String>,
}

/// What is known of the way out: none, a channel of ours, or what OpenTelemetry's variables say.
pub(crate) enum Way {
    None,
    Sidecar(Channel, MetadataMap),
    Direct,
}

impl Way {
    /// Does not connect yet. Needs a runtime, as channels do.
    pub(crate) fn new(config: &Config, collector: &Collector) -> Result<Self, Error> {
        match config.export {
            Export::None => Ok(Self::None),
            Export::Direct => Ok(Self::Direct),
            Export::Sidecar => {
                let endpoint = Endpoint::from_shared(collector.endpoint.clone())
                    .map_err(|error| Error::Export(Box::new(error)))?;
                let channel = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT).connect_lazy();
                Ok(Self::Sidecar(channel, metadata(config, collector)?))
            }
        }
    }

    pub(crate) fn spans(&self) -> Result<Option<opentelemetry_otlp::SpanExporter>, Error> {
        let builder = self.lead(opentelemetry_otlp::SpanExporter::builder().with_tonic());
        let exporter = builder.map(|builder| builder.build()).transpose();
        exporter.map_err(|error| Error::Export(Box::new(error)))
    }

    pub(crate) fn figures(&self) -> Result<Option<MetricExporter>, Error> {
        let builder = self.lead(MetricExporter::builder().with_tonic());
        let exporter = builder.map(|builder| builder.build()).transpose();
        exporter.map_err(|error| Error::Export(Box::new(error)))
    }

    /// Leads an exporter this way, if there is one.
    fn lead<B: WithTonicConfig + WithExportConfig>(&self, builder: B) -> Option<B> {
        match self {
            Self::None => None,
            Self::Direct => Some(builder),
            Self::Sidecar(channel, metadata) => Some(
                builder.with_channel(channel.clone()).with_metadata(metadata.clone()).with_timeout(TIMEOUT),
            ),
        }
    }
}

fn metadata(config: &Config, collector: &Collector) -> Result<MetadataMap, Error> {
    let token = collector.api_token.as_deref();
    let pairs = [
        ("dapr-app-id", Some(config.collector_app_id.as_str())),
        ("dapr-api-token", token),
        ("traceparent", Some(UNSAMPLED)),
    ];
    let mut metadata = MetadataMap::new();
    for (name, text) in pairs {
        if let Some(text) = text {
            let value = text.parse().map_err(|error| Error::Export(Box::new(error)))?;
            metadata.insert(name, value);
        }
    }
    Ok(metadata)
}

/// Counts what arrived and what was lost (`otel.sdk.exporter.*.exported`), and tells of losses at ever longer distances: a
/// collector that is away must not fill the log.
#[derive(Debug)]
pub(crate) struct Counted<E> {
    exporter: E,
    what: &'static str,
    count: Counter<u64>,
    failures: Arc<AtomicU64>,
}

impl<E> Counted<E> {
    pub(crate) fn new(exporter: E, what: &'static str, count: Counter<u64>) -> Self {
        Self { exporter, what, count, failures: Arc::default() }
    }

    /// The SDK would tell of an error each time.
    fn tell(&self, number: usize, outcome: OTelSdkResult) -> OTelSdkResult {
        let number = u64::try_from(number).unwrap_or(u64::MAX);
        match outcome {
            Ok(()) => {
                self.count.add(number, &[]);
                self.failures.store(0, Ordering::Relaxed);
            }
            Err(error) => {
                self.count.add(number, &[KeyValue::new("error.type", "export_failed")]);
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures.is_power_of_two() {
                    let (what, error) = (self.what, error.to_string());
                    tracing::warn!(
                        number,
                        failures,
                        error,
                        "{what} did not arrive at the collector and are lost"
                    );
                }
            }
        }
        Ok(())
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let number = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.tell(number, outcome)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Counted<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let number = metrics.scope_metrics().map(|scope| scope.metrics().count()).sum();
        let outcome = self.exporter.export(metrics).await;
        self.tell(number, outcome)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
