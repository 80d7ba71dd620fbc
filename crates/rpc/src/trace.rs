//! The trace that a call belongs to, as its headers say (W3C Trace Context).

use docket_telemetry::TraceContext;
use http::HeaderMap;

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
