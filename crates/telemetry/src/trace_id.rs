//! Remembers the trace of each span that knows one, for log lines.

use std::fmt;

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The name of the field that spans have for it.
const FIELD: &str = "trace_id";

/// The id of a span's trace.
pub(crate) struct TraceId(pub(crate) String);

/// Puts [`TraceId`] where lines find it.
pub(crate) struct Remember;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Remember {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Found(None);
        attributes.record(&mut found);
        keep(found, id, &context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut found = Found(None);
        values.record(&mut found);
        keep(found, id, &context);
    }
}

fn keep<S: Subscriber + for<'a> LookupSpan<'a>>(found: Found, id: &Id, context: &Context<'_, S>) {
    if let (Some(trace), Some(span)) = (found.0, context.span(id)) {
        span.extensions_mut().replace(TraceId(trace));
    }
}

struct Found(Option<String>);

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == FIELD {
            self.0 = Some(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == FIELD {
            self.0 = Some(format!("{value:?}"));
        }
    }
}
