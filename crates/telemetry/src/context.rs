//! The trace that a call or an event belongs to: W3C Trace Context, taken if it is well-formed.

use std::str::FromStr as _;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

/// The most bytes of `tracestate` that are carried on (W3C Trace Context section 3.3.1.5).
const MAX_STATE_BYTES: usize = 512;

/// A trace context; empty when the client sent none, or a damaged one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TraceContext {
    /// The `traceparent`, well-formed.
    pub traceparent: Option<String>,
    /// The `tracestate` that came with it.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// Takes what is well-formed; without a `traceparent` there is nothing. All of it is printable ASCII.
    pub fn parse(traceparent: Option<&str>, tracestate: Option<&str>) -> Self {
        let Some(traceparent) = traceparent.filter(|text| well_formed(text)) else { return Self::default() };
        let tracestate = tracestate.filter(|text| !text.is_empty() && is_printable(text));
        Self { traceparent: Some(traceparent.to_owned()), tracestate: tracestate.map(str::to_owned) }
    }

    /// A new trace that says "not recorded": for calls that belong to none, so that nobody on their way begins one.
    pub fn unrecorded() -> Self {
        let ids = RandomIdGenerator::default();
        let (trace, id) = (ids.new_trace_id(), ids.new_span_id());
        Self { traceparent: Some(format!("00-{trace}-{id}-00")), tracestate: None }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|text| text.get(3..35))
    }

    /// Whether its spans are recorded, as far as whoever began it knows.
    pub fn is_sampled(&self) -> bool {
        self.traceparent.as_deref().is_some_and(Self::says_sampled)
    }

    /// The same of a `traceparent` that was taken once, without taking it again.
    pub fn says_sampled(traceparent: &str) -> bool {
        let flags = traceparent.get(53..55);
        flags.and_then(|flags| u8::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & 1 == 1)
    }

    /// A context of a span of this process; empty for one that is none.
    pub(crate) fn of_span(span: &SpanContext) -> Self {
        if !span.is_valid() {
            return Self::default();
        }
        let (trace, id, flags) = (span.trace_id(), span.span_id(), span.trace_flags() & TraceFlags::SAMPLED);
        let state = span.trace_state().header();
        Self {
            traceparent: Some(format!("00-{trace}-{id}-{:02x}", flags.to_u8())),
            tracestate: Some(state).filter(|state| !state.is_empty()),
        }
    }

    /// What OpenTelemetry takes for a parent, or for a link.
    pub(crate) fn to_span(&self) -> Option<SpanContext> {
        let text = self.traceparent.as_deref()?;
        let trace = TraceId::from_hex(text.get(3..35)?).ok()?;
        let id = SpanId::from_hex(text.get(36..52)?).ok()?;
        let flags = if self.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::default() };
        // What the vendors write is theirs; what can not be read is not carried on.
        let state = self.tracestate.as_deref().and_then(|state| TraceState::from_str(state).ok());
        Some(SpanContext::new(trace, id, flags, true, state.unwrap_or_default()))
    }
}

/// `version-trace_id-parent_id-flags` (W3C Trace Context section 3.2); later versions may append fields.
fn well_formed(text: &str) -> bool {
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(parent), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let extended = parts.next().is_some();
    hex(version, 2)
        && version != "ff"
        && !(version == "00" && extended)
        && hex(trace, 32)
        && !zero(trace)
        && hex(parent, 16)
        && !zero(parent)
        && hex(flags, 2)
        && is_printable(text)
}

/// Whether it can stand in a header, and is not too long to be carried on. What the parts of `tracestate` say is the
/// vendors' own.
fn is_printable(text: &str) -> bool {
    text.len() <= MAX_STATE_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_taken() {
        let check = |text: &str, expect: Option<&str>| {
            let context = TraceContext::parse(Some(text), Some("vendor=1"));
            assert_eq!(context.trace_id(), expect, "{text}");
            assert_eq!(context.tracestate.is_some(), expect.is_some(), "{text}");
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some(id));
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(id));
        check("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", Some(id));
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", None);
        check("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
        check("00-00000000000000000000000000000000-00f067aa0ba902b7-01", None);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", None);
        check("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", None);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", None);
        check("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", None);
        check("", None);
    }

    #[test]
    fn what_could_not_stand_in_a_header_is_dropped() {
        const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let state = |state: &str| TraceContext::parse(Some(PARENT), Some(state)).tracestate;
        assert_eq!(state("a=b, c@d=e f"), Some("a=b, c@d=e f".to_owned()));
        for dropped in ["", "a=\0", "a=b\r\nx: y", "a=\u{e4}", &format!("a={}", "b".repeat(511))] {
            assert_eq!(state(dropped), None, "{dropped:?}");
        }
        let later = PARENT.replacen("00", "cc", 1);
        for dropped in ["\0".to_owned(), format!("{later}-\0"), format!("{later}-{}", "x".repeat(512))] {
            let context = TraceContext::parse(Some(&dropped), Some("a=b"));
            assert_eq!(context, TraceContext::default(), "{dropped:?}");
        }
        assert_eq!(TraceContext::parse(None, Some("a=b")), TraceContext::default());
    }

    #[test]
    fn what_belongs_to_no_trace_gets_one_of_its_own_that_is_not_recorded() {
        let (one, other) = (TraceContext::unrecorded(), TraceContext::unrecorded());
        assert_ne!(one.trace_id(), other.trace_id());
        assert_eq!(TraceContext::parse(one.traceparent.as_deref(), None), one);
        assert!(!one.is_sampled());
    }

    #[test]
    fn a_span_of_opentelemetry_says_the_same() {
        let check = |parent: &str, state: Option<&str>, sampled: bool| {
            let context = TraceContext::parse(Some(parent), state);
            assert_eq!(context.is_sampled(), sampled);
            let span = context.to_span().unwrap();
            assert_eq!(span.is_sampled(), sampled);
            assert!(span.is_remote());
            assert_eq!(TraceContext::of_span(&span), context);
        };
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None, true);
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some("a=b,c=d"), false);
        assert_eq!(TraceContext::default().to_span(), None);
        assert_eq!(TraceContext::of_span(&SpanContext::NONE), TraceContext::default());
        let odd = TraceContext::parse(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"), None);
        let again = TraceContext::of_span(&odd.to_span().unwrap());
        assert_eq!(again.traceparent.unwrap(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }
}
