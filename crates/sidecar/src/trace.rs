//! How a trace goes on in what the sidecar is asked for.

use docket_telemetry::{TraceContext, current};
use tonic::metadata::MetadataMap;

/// What a call belongs to that is made here: to the span that it is made in. Where there is none, to a trace that nobody
/// records, or else the sidecar would begin one that nobody has asked for.
pub(crate) fn here() -> TraceContext {
    Some(current()).filter(|here| here.traceparent.is_some()).unwrap_or_else(TraceContext::unrecorded)
}

/// Has the sidecar's own spans go on with a trace. It takes no notice of a `tracestate`.
pub(crate) fn tell_sidecar(metadata: &mut MetadataMap, context: &TraceContext) {
    if let Some(Ok(value)) = context.traceparent.as_deref().map(str::parse) {
        metadata.insert("traceparent", value);
    }
}
