//! Spans that are kept in memory, for tests.

use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::sampler::Linked;
use crate::start::layer;

/// Keeps the spans of the thread that has started it.
#[derive(Debug)]
pub struct Recorder {
    spans: InMemorySpanExporter,
    provider: SdkTracerProvider,
}

impl Recorder {
    /// Records all traces that nobody else has begun, until the guard is dropped.
    pub fn start() -> (Self, DefaultGuard) {
        Self::with_ratio(1.0)
    }

    /// The same of so many of them, 0 to 1.
    pub fn with_ratio(ratio: f64) -> (Self, DefaultGuard) {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .with_sampler(Linked::ratio(ratio))
            .build();
        let subscriber = tracing_subscriber::registry().with(layer(&provider));
        (Self { spans, provider }, tracing::subscriber::set_default(subscriber))
    }

    /// The spans that have ended, in that order.
    pub fn spans(&self) -> Vec<SpanData> {
        // Simple exporters have nothing to flush; an error would be a span too few.
        let _ = self.provider.force_flush();
        self.spans.get_finished_spans().unwrap_or_default()
    }
}
