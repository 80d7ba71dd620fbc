//! What traces tell of messages.
//!
//! A row of the ledger keeps the trace in which it was asked for. Each time that somebody sets about sending it there is a span
//! in that trace: what is asked of others and what is said to the channel are inside of it, and what is told of the firing in
//! the end goes on with it. The calls themselves have spans of the kind `client`; this one is `internal`.

use std::collections::HashMap;

use docket_domain::{DeliveryId, DeliveryKind};
use docket_store::notification::Delivery;
use docket_store::outbox::Trace;
use docket_telemetry::{BACKGROUND, begin_trace, context_of, continue_trace, fail, is_sampled, link};
use tracing::field::{self, Empty};
use tracing::{Span, span};

use crate::metrics::name_of;

/// What the events go on with that tell of rows, by the rows. Those that are not recorded are not in it.
pub(crate) type Traces = HashMap<DeliveryId, Trace>;

/// The span of setting about a row, in the trace that the row keeps. Where that is not recorded, it is there for the log lines
/// alone.
pub(crate) fn send(delivery: &Delivery) -> Span {
    let kept = delivery.trace.as_ref().map(Trace::context).unwrap_or_default();
    if !kept.is_sampled() {
        return tracing::info_span!(target: BACKGROUND, "send", trace_id = kept.trace_id());
    }
    let span = begin(delivery, None);
    continue_trace(&span, &kept);
    span
}

/// The same inside of the span of a call that waits for it.
pub(crate) fn send_for_call(delivery: &Delivery) -> Span {
    let call = Span::current();
    if is_sampled(&call) { begin(delivery, call.id()) } else { Span::none() }
}

fn begin(delivery: &Delivery, parent: Option<span::Id>) -> Span {
    let channel = name_of(delivery.channel);
    let kind = match delivery.kind {
        DeliveryKind::Reminder => "reminder",
        DeliveryKind::Digest => "digest",
        DeliveryKind::Test => "test",
    };
    tracing::info_span!(
        parent: parent,
        "send",
        otel.name = format!("send {channel}"),
        docket.channel = channel,
        docket.delivery.id = %delivery.id,
        docket.delivery.kind = kind,
        docket.delivery.attempt = delivery.attempts,
        docket.task.id = delivery.task_id.map(field::display),
        docket.reminder.id = delivery.reminder_id.map(field::display),
        docket.outcome = Empty,
        trace_id = Empty,
    )
}

/// In which span it is asked what is to be known of rows, once for all of them: in the first that is recorded. The others link
/// to it.
pub(crate) fn asking(spans: &[Span]) -> Span {
    let mut recorded = spans.iter().filter(|span| is_sampled(span));
    let Some(first) = recorded.next() else { return Span::none() };
    let context = context_of(first);
    recorded.for_each(|other| link(other, &context));
    first.clone()
}

/// What became of an attempt: one of the words of [`crate::metrics::word`].
pub(crate) fn tell(span: &Span, word: &'static str) {
    span.record("docket.outcome", word);
    if !matches!(word, "sent" | "cancelled" | "postponed" | "waits") {
        fail(span, word);
    }
}

/// Begins the trace of a user's summary, which nobody has asked for just now.
pub(crate) fn digest() -> Span {
    let span = tracing::info_span!(parent: None, "begin digest");
    begin_trace(&span, []);
    span
}

/// To be kept, when the span is recorded.
pub(crate) fn of(span: &Span) -> Option<Trace> {
    Trace::of(context_of(span)).filter(|trace| trace.context().is_sampled())
}
