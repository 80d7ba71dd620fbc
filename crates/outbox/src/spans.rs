//! The span of an event's publication: it goes on with the trace in which the event happened, and the handlers go on with it.

use docket_sidecar::{CloudEvent, EnvelopeError, Message, Replay, Trace};
use docket_store::outbox::PendingEvent;
use docket_telemetry::{TraceContext, context_of, continue_trace, fail};
use tracing::field::Empty;
use tracing::{Span, info_span};

/// An event that is being published. One attempt has one span, which is there only when somebody records the event's trace.
pub(crate) struct Sending {
    event: PendingEvent,
    span: Option<Span>,
}

impl Sending {
    /// Begins an attempt, together with so many others that it is one call of `batch` events.
    pub(crate) fn begin(event: PendingEvent, topic: &str, outbox: &'static str, batch: usize) -> Self {
        let trace = event.trace.as_ref().filter(|trace| TraceContext::says_sampled(&trace.parent));
        let span = trace.map(|trace| {
            let span = span(&event, topic, outbox, batch);
            continue_trace(&span, &trace.context());
            span
        });
        Self { event, span }
    }

    /// The event as it is published. A handler's spans belong to the attempt that has brought it; what is replayed byte for
    /// byte says what it always said.
    pub(crate) fn message(&self) -> Result<Message, EnvelopeError> {
        let event = &self.event;
        let bytes = match event.raw {
            true => event.payload.clone(),
            false => envelope(event, self.trace()).encode()?,
        };
        let replay = event.is_replay().then(|| Replay { id: event.id, handler: event.handler.clone() });
        Ok(Message { key: event.key.clone(), bytes, replay })
    }

    /// What a handler goes on with.
    fn trace(&self) -> Option<Trace> {
        let own = self.span.as_ref().map(context_of).unwrap_or_default();
        match (own.traceparent, &self.event.trace) {
            (Some(parent), _) => Some(Trace { parent, state: own.tracestate }),
            (None, Some(trace)) => Some(Trace { parent: trace.parent.clone(), state: trace.state.clone() }),
            (None, None) => None,
        }
    }

    /// Whether the next attempt needs a message of its own.
    pub(crate) fn is_told(&self) -> bool {
        self.span.is_some()
    }

    /// The attempt has succeeded.
    pub(crate) fn taken(self) -> PendingEvent {
        self.event
    }

    /// It has not.
    pub(crate) fn failed(self, kind: &'static str) -> PendingEvent {
        if let Some(span) = &self.span {
            fail(span, kind);
        }
        self.event
    }
}

fn span(event: &PendingEvent, topic: &str, outbox: &'static str, batch: usize) -> Span {
    let span = info_span!(
        "publish",
        otel.name = format!("publish {topic}"),
        otel.kind = "producer",
        messaging.system = "dapr",
        messaging.operation.type = "send",
        messaging.operation.name = "publish",
        messaging.destination.name = topic,
        messaging.message.id = %event.republish_of.unwrap_or(event.id),
        messaging.batch.message_count = Empty,
        docket.event.type = Empty,
        docket.replay = Empty,
        docket.outbox = outbox,
    );
    if batch > 1 {
        span.record("messaging.batch.message_count", i64::try_from(batch).unwrap_or(i64::MAX));
    }
    if !event.event_type.is_empty() {
        span.record("docket.event.type", event.event_type.as_str());
    }
    if event.is_replay() {
        span.record("docket.replay", event.id.to_string());
    }
    span
}

fn envelope(event: &PendingEvent, trace: Option<Trace>) -> CloudEvent {
    CloudEvent {
        id: event.republish_of.unwrap_or(event.id),
        source: event.source.clone(),
        event_type: event.event_type.clone(),
        subject: event.key.clone(),
        time: event.time,
        trace,
        data: event.payload.clone().into(),
    }
}
