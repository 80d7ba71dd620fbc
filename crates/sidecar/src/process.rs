//! The spans of what arrives: one for each event and handler, which goes on with the trace of the event, and one for each
//! batch.

use std::borrow::Cow;
use std::sync::Arc;

use docket_domain::EventId;
use docket_telemetry::{TraceContext, begin_trace, context_of, continue_trace};
use tracing::Span;
use tracing::field::Empty;

use crate::envelope::{Delivery, Trace};
use crate::handler::{DeadLetter, TopicHandler};
use crate::incoming::Incoming;

/// How spans and figures name what is done with a topic. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) topic: Arc<str>,
    receive: Arc<str>,
    process: Arc<str>,
}

impl Names {
    pub(crate) fn new(topic: &str) -> Self {
        let [receive, process] = ["receive", "process"].map(|verb| Arc::from(format!("{verb} {topic}")));
        Self { topic: Arc::from(topic), receive, process }
    }
}

/// What a handler has to do with a message.
pub(crate) enum Part<'a> {
    /// It is an event for it.
    Handle(Cow<'a, Delivery>),
    /// No handler can read it, so one keeps it for all: always the same one, who knows what it has.
    Bury(DeadLetter),
    /// Nothing, but perhaps to say so.
    Nothing,
}

/// What a handler has to do with a message that it gets alone, and the span of it. What it is given goes on with that span.
pub(crate) fn alone<'a>(
    names: &Names,
    handler: &dyn TopicHandler,
    is_first: bool,
    incoming: &'a Incoming,
) -> (Part<'a>, Span) {
    let name = handler.name();
    match (incoming.event_for(handler), incoming) {
        (Some(event), _) => {
            let span = process(names, name, event.event_id, Some(&event.event_type), event.trace.as_ref());
            (Part::Handle(within(&span, event)), span)
        }
        (None, Incoming::Unreadable(letter)) if is_first => {
            let span = process(names, name, letter.event_id, None, letter.trace.as_ref());
            let trace = of_context(context_of(&span)).or_else(|| letter.trace.clone());
            (Part::Bury(DeadLetter { trace, ..letter.clone() }), span)
        }
        (None, _) => {
            let (topic, event_id) = (&*names.topic, incoming.event_id());
            let span = tracing::info_span!(
                target: docket_telemetry::BACKGROUND,
                "pass_by",
                topic,
                %event_id,
                handler = name
            );
            (Part::Nothing, span)
        }
    }
}

/// The events of a batch that a handler gets at once, and the spans of those that somebody wants to see. They last as long
/// as the batch, which is handled as one.
pub(crate) fn together<'a>(
    names: &Names,
    handler: &'static str,
    events: &[&'a Delivery],
) -> (Vec<Cow<'a, Delivery>>, Vec<Span>) {
    let (mut given, mut spans) = (Vec::with_capacity(events.len()), Vec::new());
    let mut recorded = true;
    for event in events.iter().copied() {
        let sampled = event.trace.as_ref().filter(|trace| recorded && trace.context().is_sampled());
        let Some(trace) = sampled else {
            given.push(Cow::Borrowed(event));
            continue;
        };
        let span = process(names, handler, event.event_id, Some(&event.event_type), Some(trace));
        let event = within(&span, event);
        // Where nobody records this one, nobody records the others.
        recorded = matches!(event, Cow::Owned(_));
        given.push(event);
        spans.push(span);
    }
    (given, spans)
}

/// The span of a batch that has come, if somebody wants to see one of its events; it is linked to those.
pub(crate) fn receive(names: &Names, batch: &[Incoming]) -> Span {
    let contexts = batch.iter().filter_map(|incoming| incoming.trace().map(Trace::context));
    let sampled: Vec<TraceContext> = contexts.filter(TraceContext::is_sampled).collect();
    if sampled.is_empty() {
        return Span::none();
    }
    let span = tracing::info_span!(
        parent: None,
        "receive",
        otel.name = &*names.receive,
        otel.kind = "consumer",
        messaging.system = "dapr",
        messaging.operation.type = "receive",
        messaging.operation.name = "receive",
        messaging.destination.name = &*names.topic,
        messaging.batch.message_count = batch.len(),
        trace_id = Empty
    );
    begin_trace(&span, &sampled);
    span
}

fn process(
    names: &Names,
    handler: &'static str,
    event: EventId,
    event_type: Option<&str>,
    trace: Option<&Trace>,
) -> Span {
    // Not a part of the batch that brought it: that has a trace of its own.
    let span = tracing::info_span!(
        parent: None,
        "process",
        otel.name = &*names.process,
        otel.kind = "consumer",
        messaging.system = "dapr",
        messaging.operation.type = "process",
        messaging.operation.name = "process",
        messaging.destination.name = &*names.topic,
        messaging.message.id = %event,
        docket.event.type = event_type,
        docket.handler = handler,
        trace_id = Empty
    );
    continue_trace(&span, &trace.map(Trace::context).unwrap_or_default());
    span
}

/// The event as a handler gets it: what it writes and calls belongs to the span. Where nobody records that, it belongs to
/// what the event does.
fn within<'a>(span: &Span, event: &'a Delivery) -> Cow<'a, Delivery> {
    let own = context_of(span);
    if !own.is_sampled() && event.trace.is_some() {
        return Cow::Borrowed(event);
    }
    match of_context(own) {
        Some(trace) => Cow::Owned(Delivery { trace: Some(trace), ..event.clone() }),
        None => Cow::Borrowed(event),
    }
}

fn of_context(context: TraceContext) -> Option<Trace> {
    context.traceparent.map(|parent| Trace { parent, state: context.tracestate })
}
