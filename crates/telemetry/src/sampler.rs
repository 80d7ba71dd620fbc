//! Which traces are recorded: as whoever began them says; of those that begin here, a share, and all that are because of
//! one that is recorded.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

/// Asks another sampler where no link says that the span is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Linked(Box<dyn ShouldSample>);

impl Linked {
    /// Records so many of the traces that begin here, 0 to 1.
    pub(crate) fn ratio(ratio: f64) -> Self {
        Self(Box::new(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)))))
    }

    /// The same, unless `OTEL_TRACES_SAMPLER` says otherwise, which the SDK reads.
    pub(crate) fn configured(ratio: f64) -> Self {
        match std::env::var_os("OTEL_TRACES_SAMPLER") {
            Some(_) => Self(opentelemetry_sdk::trace::Config::default().sampler),
            None => Self::ratio(ratio),
        }
    }
}

impl ShouldSample for Linked {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trace, name, kind, attributes, links);
        if links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}
