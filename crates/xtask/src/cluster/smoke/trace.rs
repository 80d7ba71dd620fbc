//! Whether a trace reached Jaeger, with all that must be in it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::http;

/// How long there is between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// What must be in the trace of a completion: the call, the event at both of its handlers, and the call that makes the next
/// occurrence, at its caller and at the tasks. Each is the begin of a span's name and, where a process for each target is
/// told apart, the service that it is of.
const EXPECT: [(&str, &str); 5] = [
    ("docket.v1.TaskService/CompleteTask", "docket-tasks"),
    ("process task-events", "docket-audit"),
    ("process task-events", "docket-recurrence"),
    ("docket.v1.TaskService/CreateTask", "docket-recurrence"),
    ("docket.v1.TaskService/CreateTask", "docket-tasks"),
];

/// A span, as far as it matters.
#[derive(Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Span {
    service: String,
    name: String,
}

/// Asks Jaeger until the trace is whole. Says how many spans it has, and of whom.
pub(super) fn find(pages: SocketAddr, id: &str, limit: Duration) -> Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let start = Instant::now();
    loop {
        let answer = runtime.block_on(http::get(pages, &format!("/api/traces/{id}")));
        let spans = answer.as_deref().ok().and_then(|text| serde_json::from_str(text).ok());
        let spans = spans.map(|answer| read(&answer)).unwrap_or_default();
        let missing = missing(&spans);
        if missing.is_empty() {
            let mut services: Vec<&str> = spans.iter().map(|span| span.service.as_str()).collect();
            services.sort_unstable();
            services.dedup();
            return Ok(format!("{} spans of {}", spans.len(), services.join(", ")));
        }
        if start.elapsed() > limit {
            let there: Vec<String> =
                spans.iter().map(|span| format!("{} of {}", span.name, span.service)).collect();
            let said =
                answer.err().map_or_else(String::new, |error| format!("; Jaeger says: {}", error.trim()));
            bail!(
                "step trace: after {} s trace {id} lacks {}; it has [{}]{said}",
                limit.as_secs(),
                missing.join(" and "),
                there.join(", ")
            );
        }
        std::thread::sleep(PAUSE);
    }
}

/// The spans of an answer of Jaeger's.
fn read(answer: &Value) -> Vec<Span> {
    let Some(trace) = answer.pointer("/data/0") else { return Vec::new() };
    let spans = trace["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let service = |span: &Value| -> Option<String> {
        let process = &trace["processes"][span["processID"].as_str()?];
        process["serviceName"].as_str().map(str::to_owned)
    };
    let name = |span: &Value| span["operationName"].as_str().map(str::to_owned);
    let read = spans.iter().filter_map(|span| Some(Span { service: service(span)?, name: name(span)? }));
    let mut spans: Vec<Span> = read.collect();
    spans.sort();
    spans
}

/// What is expected and not there.
fn missing(spans: &[Span]) -> Vec<String> {
    let is_there = |name: &str, service: &str| {
        spans
            .iter()
            .any(|span| span.name.starts_with(name) && [service, "docket"].contains(&span.service.as_str()))
    };
    let missing = EXPECT.iter().filter(|(name, service)| !is_there(name, service));
    missing.map(|(name, service)| format!("{name} of {service}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_trace_is_told_from_a_part_of_it() {
        let span = |process: &str, name: &str| json!({"processID": process, "operationName": name});
        let mut spans = vec![
            span("p1", "docket.v1.TaskService/CompleteTask"),
            span("p1", "publish task-events"),
            span("p2", "process task-events"),
            span("p3", "process task-events"),
            span("p3", "docket.v1.TaskService/CreateTask"),
        ];
        let services = json!({
            "p1": {"serviceName": "docket-tasks"},
            "p2": {"serviceName": "docket-audit"},
            "p3": {"serviceName": "docket-recurrence"},
        });
        let answer = |spans: &[Value]| read(&json!({"data": [{"spans": spans, "processes": services}]}));
        assert_eq!(missing(&answer(&spans)), ["docket.v1.TaskService/CreateTask of docket-tasks"]);
        spans.push(span("p1", "docket.v1.TaskService/CreateTask"));
        assert!(missing(&answer(&spans)).is_empty());
        assert_eq!(
            missing(&read(&json!({"data": [], "errors": [{"msg": "trace not found"}]}))).len(),
            EXPECT.len()
        );
    }
}
