//! How spans come to their trace: they go on with one, or begin one that is linked to others.

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::context::TraceContext;

/// The target of spans that last as long as the process: they say in log lines what goes on, and are not part of any trace.
/// Whatever happens inside begins a trace of its own.
pub const BACKGROUND: &str = "docket::background";

/// Goes on with a trace: the span's parent is somewhere else, in another process or in another time. Without one, it begins
/// a trace. To be called before the span is entered, once.
///
/// Tells the span's field `trace_id`, if it has one, so that log lines have it.
pub fn continue_trace(span: &Span, parent: &TraceContext) {
    if let Some(parent) = parent.to_span() {
        // No error to tell of: without the layer there is nothing to be done.
        let _ = span.set_parent(Context::new().with_remote_span_context(parent));
    }
    tell_id(span, parent);
}

/// Begins a trace that is because of others: it is recorded when one of them is. To be called before the span is entered,
/// once.
pub fn begin_trace<'a>(span: &Span, because: impl IntoIterator<Item = &'a TraceContext>) {
    let mut first = None;
    for other in because {
        link(span, other);
        first.get_or_insert(other);
    }
    tell_id(span, first.unwrap_or(&TraceContext::default()));
}

/// Says that a span has to do with another one, of whatever trace.
pub fn link(span: &Span, other: &TraceContext) {
    if let Some(other) = other.to_span() {
        span.add_link(other);
    }
}

/// The id of the span's own trace; where there are none, that of the one it is for. Where that has none either, an id that
/// nobody else knows still says which lines belong together.
fn tell_id(span: &Span, otherwise: &TraceContext) {
    if !span.has_field("trace_id") {
        return;
    }
    let own = context_of(span);
    match own.trace_id().or(otherwise.trace_id()) {
        Some(id) => span.record("trace_id", id),
        None => span.record("trace_id", tracing::field::display(RandomIdGenerator::default().new_trace_id())),
    };
}

/// What others need to go on with the trace of a span; empty where no traces are recorded.
pub fn context_of(span: &Span) -> TraceContext {
    TraceContext::of_span(span.context().span().span_context())
}

/// The same of the span in which this is called.
pub fn current() -> TraceContext {
    context_of(&Span::current())
}

/// Whether what is said of the span is recorded: for attributes that cost something to make.
pub fn is_sampled(span: &Span) -> bool {
    span.context().span().span_context().is_sampled()
}

/// Says that what the span is about did not succeed. `kind` is one of few words (`error.type`); nobody's data belongs here.
pub fn fail(span: &Span, kind: &str) {
    span.set_attribute("error.type", kind.to_owned());
    span.set_status(opentelemetry::trace::Status::error(kind.to_owned()));
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, SpanKind};
    use tracing::info_span;

    use super::*;
    use crate::testing::Recorder;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    fn context(parent: &str) -> TraceContext {
        TraceContext::parse(Some(parent), None)
    }

    #[test]
    fn a_span_goes_on_with_a_trace_and_others_with_it() {
        let (recorder, _guard) = Recorder::start();
        let span = info_span!("a", otel.kind = "server");
        continue_trace(&span, &context(PARENT));
        let own = context_of(&span);
        assert_eq!(own.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_ne!(own, context(PARENT));
        span.in_scope(|| {
            assert_eq!(current(), own);
            drop(info_span!("b"));
        });
        drop(span);
        let spans = recorder.spans();
        let [b, a] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((a.name.as_ref(), &a.span_kind), ("a", &SpanKind::Server));
        assert_eq!(a.parent_span_id, SpanId::from_hex("00f067aa0ba902b7").unwrap());
        assert_eq!(b.parent_span_id, a.span_context.span_id());
    }

    #[test]
    fn what_nobody_wants_recorded_is_not_but_goes_on() {
        let (recorder, _guard) = Recorder::start();
        let span = info_span!("a");
        continue_trace(&span, &context(UNSAMPLED));
        let own = context_of(&span);
        assert!(!own.is_sampled() && !is_sampled(&span));
        assert_eq!(own.trace_id(), context(UNSAMPLED).trace_id());
        drop(span);
        assert_eq!(recorder.spans().len(), 0);
    }

    #[test]
    fn a_trace_that_begins_because_of_others_is_recorded_when_one_of_them_is() {
        let check = |because: &[&str], recorded: bool| {
            let (recorder, _guard) = Recorder::with_ratio(0.0);
            let because: Vec<TraceContext> = because.iter().map(|one| context(one)).collect();
            let span = info_span!("a");
            begin_trace(&span, &because);
            let own = context_of(&span);
            assert!(because.iter().all(|one| one.trace_id() != own.trace_id()));
            drop(span);
            let spans = recorder.spans();
            assert_eq!(spans.len(), usize::from(recorded), "{because:?}");
            assert!(spans.iter().all(|span| span.links.len() == because.len()));
        };
        check(&[], false);
        check(&[UNSAMPLED], false);
        check(&[UNSAMPLED, PARENT], true);
    }

    #[test]
    fn without_anybody_who_records_all_of_it_does_nothing() {
        let span = info_span!("a");
        continue_trace(&span, &context(PARENT));
        fail(&span, "timeout");
        assert_eq!(context_of(&span), TraceContext::default());
    }
}
