//! Spans as a collector has them, and the tree that they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What a span is one end of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Nothing: it is inside a process.
    Internal,
    /// A call that was served.
    Server,
    /// A call that was made.
    Client,
    /// A message that was sent.
    Producer,
    /// A message that was handled.
    Consumer,
}

/// Another span, because of which one is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its trace: 32 hexadecimal digits.
    pub trace_id: String,
    /// The span: 16 hexadecimal digits.
    pub span_id: String,
}

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Its trace: 32 hexadecimal digits.
    pub trace_id: String,
    /// Its own id: 16 hexadecimal digits.
    pub id: String,
    /// The id of its parent; none when it began the trace.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The `service.name` of the process that made it.
    pub service: String,
    /// Its attributes; those that are no text as JSON.
    pub attributes: BTreeMap<String, String>,
    /// Because of what it is.
    pub links: Vec<Link>,
    /// Whether it says that it failed.
    pub failed: bool,
}

/// The spans of one trace.
#[derive(Clone, Debug, Default)]
pub struct Trace(Vec<Span>);

impl Trace {
    pub(super) fn new(spans: Vec<Span>) -> Self {
        Self(spans)
    }

    /// Spans of many traces, by trace.
    pub(super) fn apart(spans: Vec<Span>) -> Vec<Self> {
        let mut traces: BTreeMap<String, Vec<Span>> = BTreeMap::new();
        for span in spans {
            traces.entry(span.trace_id.clone()).or_default().push(span);
        }
        traces.into_values().map(Self).collect()
    }

    /// All of them.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Those that have no parent, here or elsewhere.
    pub fn roots(&self) -> impl Iterator<Item = &Span> {
        self.0.iter().filter(|span| span.parent.is_none())
    }

    /// Those of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Span> {
        self.0.iter().filter(move |span| span.name == name)
    }

    /// Those whose parent is neither here nor `outside`.
    pub fn orphans(&self, outside: &[&str]) -> Vec<&Span> {
        let known: BTreeSet<&str> =
            self.0.iter().map(|span| span.id.as_str()).chain(outside.iter().copied()).collect();
        let is_orphan = |span: &&Span| span.parent.as_deref().is_some_and(|parent| !known.contains(parent));
        self.0.iter().filter(is_orphan).collect()
    }

    /// The tree below a span, which need not be here: a line for each span, two spaces further in than its parent's, with
    /// kind, name and service, and the handler of a message. Of those `told` alone; what is below one that is not, is
    /// below its parent. In the order of the text, so that the same tree is the same text.
    pub fn tree(&self, below: Option<&str>, told: impl Fn(&Span) -> bool + Copy) -> String {
        self.branches(below, told, 0).concat()
    }

    fn branches(
        &self,
        below: Option<&str>,
        told: impl Fn(&Span) -> bool + Copy,
        depth: usize,
    ) -> Vec<String> {
        let mut branches = Vec::new();
        for span in self.0.iter().filter(|span| span.parent.as_deref() == below) {
            if told(span) {
                let inside = self.branches(Some(&span.id), told, depth + 1);
                branches.push(format!("{:indent$}{span}\n{}", "", inside.concat(), indent = 2 * depth));
            } else {
                branches.extend(self.branches(Some(&span.id), told, depth));
            }
        }
        branches.sort();
        branches
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        };
        write!(f, "{kind} {} of {}", self.name, self.service)?;
        if let Some(handler) = self.attributes.get("docket.handler") {
            write!(f, " for {handler}")?;
        }
        if self.failed { f.write_str(", failed") } else { Ok(()) }
    }
}

impl fmt::Display for Trace {
    /// The whole tree, and below it what has no place in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree(None, |_| true))?;
        for orphan in self.orphans(&[]) {
            writeln!(f, "below {}: {orphan}", orphan.parent.as_deref().unwrap_or_default())?;
            f.write_str(&self.tree(Some(&orphan.id), |_| true))?;
        }
        Ok(())
    }
}

impl Span {
    /// Reads spans as OTLP has them in JSON.
    pub(super) fn read(text: &str) -> Result<Vec<Self>, String> {
        let Answer { result } = serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        let mut spans = Vec::new();
        for resource in result.resource_spans {
            let attributes = texts(resource.resource.attributes);
            let service = attributes.get("service.name").cloned().unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                spans.push(span.of(&service)?);
            }
        }
        Ok(spans)
    }
}

/// An answer of the query API (version 3).
#[derive(Deserialize)]
struct Answer {
    result: Traces,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Traces {
    #[serde(default)]
    resource_spans: Vec<OfResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfResource {
    resource: Resource,
    scope_spans: Vec<OfScope>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct OfScope {
    spans: Vec<Told>,
}

#[derive(Deserialize)]
struct Attribute {
    key: String,
    value: BTreeMap<String, Value>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    trace_id: String,
    span_id: String,
    #[serde(default)]
    parent_span_id: String,
    name: String,
    kind: u8,
    #[serde(default)]
    attributes: Vec<Attribute>,
    #[serde(default)]
    links: Vec<Link>,
    #[serde(default)]
    status: Status,
}

impl Told {
    fn of(self, service: &str) -> Result<Span, String> {
        let kind = match self.kind {
            1 => Kind::Internal,
            2 => Kind::Server,
            3 => Kind::Client,
            4 => Kind::Producer,
            5 => Kind::Consumer,
            other => return Err(format!("{} is of kind {other}", self.name)),
        };
        Ok(Span {
            trace_id: self.trace_id,
            id: self.span_id,
            parent: Some(self.parent_span_id).filter(|parent| !parent.is_empty()),
            name: self.name,
            kind,
            service: service.to_owned(),
            attributes: texts(self.attributes),
            links: self.links,
            // OpenTelemetry's `STATUS_CODE_ERROR`.
            failed: self.status.code == 2,
        })
    }
}

fn texts(attributes: Vec<Attribute>) -> BTreeMap<String, String> {
    let text = |value: BTreeMap<String, Value>| match value.into_values().next() {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Jaeger answers.
    const ANSWER: &str = r#"{"result":{"resourceSpans":[
        {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"docket"}}]},
         "scopeSpans":[{"scope":{"name":"docket"},"spans":[
            {"traceId":"t1","spanId":"b","parentSpanId":"a","name":"Complete","kind":2,
             "attributes":[{"key":"n","value":{"intValue":"4"}},{"key":"yes","value":{"boolValue":true}}]},
            {"traceId":"t1","spanId":"c","parentSpanId":"b","name":"commit","kind":3,"status":{"code":2}},
            {"traceId":"t1","spanId":"d","parentSpanId":"c","name":"publish","kind":4}]}]},
        {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"audit"}}]},
         "scopeSpans":[{"scope":{},"spans":[
            {"traceId":"t1","spanId":"e","parentSpanId":"d","name":"process","kind":5,
             "attributes":[{"key":"docket.handler","value":{"stringValue":"audit"}}]},
            {"traceId":"t2","spanId":"f","name":"job","kind":1,"links":[{"traceId":"t1","spanId":"b"}]}]}]}
    ]}}"#;

    fn traces() -> [Trace; 2] {
        Trace::apart(Span::read(ANSWER).unwrap()).try_into().unwrap()
    }

    #[test]
    fn spans_are_read_with_what_they_say() {
        let [one, other] = traces();
        let complete = one.named("Complete").next().unwrap();
        assert_eq!(complete.parent.as_deref(), Some("a"));
        assert_eq!((complete.kind, complete.service.as_str()), (Kind::Server, "docket"));
        assert_eq!((complete.attributes["n"].as_str(), complete.attributes["yes"].as_str()), ("4", "true"));
        assert_eq!(one.spans().iter().filter(|span| span.failed).count(), 1);
        let root = other.roots().next().unwrap();
        assert_eq!(root.links, [Link { trace_id: "t1".to_owned(), span_id: "b".to_owned() }]);
        assert!(Span::read(r#"{"error":{}}"#).is_err());
        assert_eq!(Span::read(r#"{"result":{}}"#).unwrap().len(), 0);
    }

    #[test]
    fn a_span_without_its_parent_is_an_orphan() {
        let [one, other] = traces();
        let names = |orphans: Vec<&Span>| orphans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(one.orphans(&[])), ["Complete"]);
        assert_eq!(names(one.orphans(&["a"])), [""; 0]);
        assert_eq!(names(other.orphans(&[])), [""; 0]);
    }

    #[test]
    fn the_tree_is_drawn_with_what_is_to_be_told() {
        let [one, _] = traces();
        let whole = "server Complete of docket\n  client commit of docket, failed\n    producer publish of docket\n      \
                     consumer process of audit for audit\n";
        assert_eq!(one.tree(Some("a"), |_| true), whole);
        let part = "server Complete of docket\n  producer publish of docket\n    consumer process of audit for audit\n";
        assert_eq!(one.tree(Some("a"), |span| span.kind != Kind::Client), part);
        assert!(one.to_string().starts_with("below a: server Complete of docket\n"), "{one}");
    }
}
