//! The trace that a call belongs to, as its headers say (W3C Trace Context).

use docket_telemetry::TraceContext;
use http::HeaderMap;
use tonic::Code;

use crate::caller::{Port, only};

/// What Docket's own services send beside `traceparent`, which the sidecars on the way replace by their own spans. Those are
/// told elsewhere, if at all, and nothing may hang on them.
pub const TRACEPARENT: &str = "docket-traceparent";

/// The `tracestate` that belongs to [`TRACEPARENT`].
pub const TRACESTATE: &str = "docket-tracestate";

/// Reads the headers of a call. Behind the sidecar, what one of Docket's own services says comes before what the sidecar does.
pub fn of(headers: &HeaderMap, port: Port) -> TraceContext {
    let text = |name| only(headers, name).ok().flatten();
    let own = match port {
        Port::Public => TraceContext::default(),
        Port::App => TraceContext::parse(text(TRACEPARENT), text(TRACESTATE)),
    };
    match own.traceparent {
        Some(_) => own,
        None => TraceContext::parse(text("traceparent"), text("tracestate")),
    }
}

/// A code by its name, as spans and figures have it: `NOT_FOUND`.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Whether the code says that the server is at fault, and not whoever called it.
pub(crate) fn is_own_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_a_service_says_counts_behind_the_sidecar_only() {
        const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        const SERVICE: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", HeaderValue::from_static(CLIENT));
        headers.insert(TRACEPARENT, HeaderValue::from_static(SERVICE));
        assert_eq!(of(&headers, Port::Public), TraceContext::parse(Some(CLIENT), None));
        assert_eq!(of(&headers, Port::App), TraceContext::parse(Some(SERVICE), None));
        headers.remove(TRACEPARENT);
        assert_eq!(of(&headers, Port::App), TraceContext::parse(Some(CLIENT), None));
        headers.append("traceparent", HeaderValue::from_static(SERVICE));
        assert_eq!(of(&headers, Port::Public), TraceContext::default(), "nobody knows which");
    }
}
