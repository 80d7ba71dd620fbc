//! The trace that a call or an event belongs to: W3C Trace Context, taken if it is well-formed.

use http::HeaderMap;

use crate::caller::only;

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
    /// Reads the metadata of a call.
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| only(headers, name).ok().flatten();
        Self::parse(text("traceparent"), text("tracestate"))
    }

    /// Takes what is well-formed; without a `traceparent` there is nothing. All of it is printable ASCII.
    pub fn parse(traceparent: Option<&str>, tracestate: Option<&str>) -> Self {
        let Some(traceparent) = traceparent.filter(|text| well_formed(text)) else { return Self::default() };
        let tracestate = tracestate.filter(|text| !text.is_empty() && is_printable(text));
        Self { traceparent: Some(traceparent.to_owned()), tracestate: tracestate.map(str::to_owned) }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.as_deref().and_then(|text| text.get(3..35))
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
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_taken() {
        let check = |text: &str, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
            headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
            let context = TraceContext::of(&headers);
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
}
