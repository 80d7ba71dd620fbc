//! Puts it together, and takes it down in time.

use std::io::IsTerminal as _;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use crate::config::Config;
use crate::export::{Collector, Counted, Way};
use crate::identity::Identity;
use crate::levels::Levels;
use crate::lines::{self, BoxLayer, Format};
use crate::meters::{self, Meters};
use crate::sampler::Linked;
use crate::span::BACKGROUND;

/// Why it can not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to the collector.
    #[error("the way to the collector")]
    Export(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The figures can not be kept, or not be shown.
    #[error("metrics")]
    Metrics(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What is logged, on standard error.
#[derive(Debug)]
pub struct Lines {
    /// How lines look.
    pub format: Format,
    /// Which are written.
    pub filter: EnvFilter,
}

/// What the rest of the process uses of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Makes instruments, and shows what they say.
    pub meters: Meters,
    /// Changes what is logged; none where somebody else decides that.
    pub levels: Option<Levels>,
    tracer: Option<SdkTracerProvider>,
}

impl Handle {
    /// Figures that stay in the process, and no say in the log: for a process that has a subscriber of its own, as tests have.
    pub fn detached(identity: &Identity) -> Result<Self, Error> {
        let (builder, registry) = Meters::begin(identity.resource())?;
        Ok(Self::of(Meters::of(builder.build(), registry)))
    }

    pub(crate) fn of(meters: Meters) -> Self {
        Self { meters, levels: None, tracer: None }
    }

    /// Sends what spans there are, for so long at most: before a sidecar is told that it may go.
    pub async fn flush(&self, within: Duration) {
        let Some(tracer) = self.tracer.clone() else { return };
        // What does not leave now may do so at the end, or is counted as lost.
        let sent = apart(move || drop(tracer.force_flush()));
        if tokio::time::timeout(within, sent).await.is_err() {
            tracing::debug!("spans take long to leave");
        }
    }
}

/// What was started.
#[derive(Debug)]
pub struct Telemetry {
    handle: Handle,
    flush: Duration,
}

impl Telemetry {
    /// Starts all of it, once in a process: spans and lines are everybody's. In a runtime, which the exports need until the
    /// end.
    pub fn start(
        config: &Config,
        lines: Lines,
        identity: &Identity,
        collector: &Collector,
    ) -> Result<Self, Error> {
        let way = Way::new(config, collector)?;
        let resource = identity.resource();
        let meters = meters(config, &way, resource.clone())?;
        // What OpenTelemetry counts of itself is counted there, lost spans for example.
        opentelemetry::global::set_meter_provider(meters.provider().clone());
        let tracer = tracer(config, &way, resource, &meters)?;
        // Colours are for eyes, not for files.
        let colours = std::io::stderr().is_terminal();
        let (lines, levels) = lines::layer(lines.format, lines.filter, colours, std::io::stderr);
        let mut layers: Vec<BoxLayer> = vec![lines];
        layers.extend(tracer.as_ref().map(spans));
        if tracing_subscriber::registry().with(layers).try_init().is_err() {
            tracing::debug!("logging was started before");
        }
        let handle = Handle { meters, levels: Some(levels), tracer };
        Ok(Self { handle, flush: Duration::from_millis(config.flush_ms) })
    }

    /// For the rest of the process.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Sends what there still is, for as long as that may take; whoever can not be reached does not hold up the end.
    pub async fn end(self) {
        let (flush, handle) = (self.flush, self.handle);
        let last = apart(move || {
            if let Some(tracer) = handle.tracer {
                // What is lost is counted, and there is nobody left to tell.
                let _ = tracer.shutdown_with_timeout(flush);
            }
            let _ = handle.meters.provider().shutdown_with_timeout(flush);
        });
        if tokio::time::timeout(flush, last).await.is_err() {
            tracing::warn!(flush_ms = flush.as_millis(), "the last spans and figures did not leave in time");
        }
    }
}

/// Does what blocks in a thread of its own, which the end of the runtime does not wait for, as it does for the runtime's own.
async fn apart(work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        work();
        // Nobody waits any longer.
        let _ = done.send(());
    });
    // It ends without a word when the work panics, of which the panic hook tells.
    let _ = is_done.await;
}

fn meters(config: &Config, way: &Way, resource: opentelemetry_sdk::Resource) -> Result<Meters, Error> {
    let (builder, registry) = Meters::begin(resource)?;
    let interval = Duration::from_secs(config.metrics_interval_seconds);
    let exporter = if interval.is_zero() { None } else { way.figures()? };
    let builder = match exporter {
        // Its own count would be one of the figures that it sends.
        Some(exporter) => {
            let none = meters::no_meter().u64_counter("none").build();
            builder.with_reader(meters::reader(Counted::new(exporter, "figures", none), interval))
        }
        None => builder,
    };
    Ok(Meters::of(builder.build(), registry))
}

fn tracer(
    config: &Config,
    way: &Way,
    resource: opentelemetry_sdk::Resource,
    meters: &Meters,
) -> Result<Option<SdkTracerProvider>, Error> {
    let exporter = if config.traces { way.spans()? } else { None };
    let Some(exporter) = exporter else { return Ok(None) };
    let count = meters
        .meter("docket-telemetry")
        .u64_counter("otel.sdk.exporter.span.exported")
        .with_unit("{span}")
        .with_description("Spans that arrived at the collector, or, with an error.type, were lost on the way")
        .build();
    // Its queue is bounded (`OTEL_BSP_MAX_QUEUE_SIZE`, 2048), and what does not fit is counted.
    let spans = BatchSpanProcessor::builder(Counted::new(exporter, "spans", count)).build();
    let builder = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_processor(spans)
        .with_sampler(Linked::configured(config.sample_ratio));
    Ok(Some(builder.build()))
}

/// The spans of Docket's own crates, whatever the log shows. Those of libraries say what statements and headers hold.
fn spans(provider: &SdkTracerProvider) -> BoxLayer {
    layer(provider).boxed()
}

pub(crate) fn layer(
    provider: &SdkTracerProvider,
) -> impl tracing_subscriber::Layer<Registry> + Send + Sync + use<> {
    let tracer = provider.tracer("docket");
    let layer = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Parents are looked up among spans; a second way to tell them would cost something at each poll of each future.
        .with_context_activation(false)
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false);
    layer.with_filter(FilterFn::new(is_told as fn(&Metadata<'_>) -> bool).with_max_level_hint(Level::INFO))
}

fn is_told(of: &Metadata<'_>) -> bool {
    of.is_span()
        && *of.level() <= Level::INFO
        && of.target().starts_with("docket")
        && of.target() != BACKGROUND
}
