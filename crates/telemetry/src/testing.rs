//! Spans that are kept in memory, and instruments that are watched, for tests.

mod instruments;

use std::sync::OnceLock;

pub use instruments::Instruments;
pub use opentelemetry::trace::{SpanId, SpanKind, Status};
pub use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::sampler::Linked;
use crate::start::layer;

/// Spans are everybody's, so the process has one subscriber at most.
static OF_PROCESS: OnceLock<Recorder> = OnceLock::new();

/// Keeps the spans of the thread that has started it.
#[derive(Debug)]
pub struct Recorder {
    spans: InMemorySpanExporter,
    provider: SdkTracerProvider,
    /// While a process has one subscriber only, whoever comes to a span first decides for all whether it is wanted, also a
    /// thread that has no subscriber (`tracing-core`, `callsite.rs`). So there are two.
    _another: Dispatch,
}

impl Recorder {
    /// Records all traces that nobody else has begun, until the guard is dropped.
    pub fn start() -> (Self, DefaultGuard) {
        Self::with_ratio(1.0)
    }

    /// The same of so many of them, 0 to 1.
    pub fn with_ratio(ratio: f64) -> (Self, DefaultGuard) {
        let (recorder, dispatch) = Self::new(ratio);
        (recorder, tracing::dispatcher::set_default(&dispatch))
    }

    /// Records in all threads of the process until it ends; who asks again gets the same one. For spans that threads of
    /// libraries hold as well: a thread that knows nothing of the recorder keeps them from ending.
    pub fn of_process() -> &'static Self {
        OF_PROCESS.get_or_init(|| {
            let (recorder, dispatch) = Self::new(1.0);
            tracing::dispatcher::set_global_default(dispatch).expect("nobody else records in this process");
            recorder
        })
    }

    fn new(ratio: f64) -> (Self, Dispatch) {
        let spans = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(spans.clone())
            .with_sampler(Linked::ratio(ratio))
            .build();
        let another = Dispatch::new(tracing_subscriber::registry());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer(&provider)));
        (Self { spans, provider, _another: another }, dispatch)
    }

    /// The spans that have ended, in that order.
    pub fn spans(&self) -> Vec<SpanData> {
        // Simple exporters have nothing to flush; an error would be a span too few.
        let _ = self.provider.force_flush();
        self.spans.get_finished_spans().unwrap_or_default()
    }
}
