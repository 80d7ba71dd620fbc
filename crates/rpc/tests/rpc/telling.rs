//! What is told of calls: their spans, the trace that goes on with them, and their figures.

use docket_proto::v1::{GetTaskRequest, ListAuditEntriesResponse};
use docket_rpc::Port;
use docket_telemetry::testing::{Recorder, SpanData, SpanKind, Status as Outcome};
use docket_telemetry::{Handle, Identity, Meters};
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use uuid::Uuid;

use crate::support::{LONG, Running, plain, start, start_counted};

const METHOD: &str = "docket.v1.AuditService/ListAuditEntries";
const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const SERVICE: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-10f067aa0ba902b7-01";

/// Calls the double; answers the trace that the handler was told of.
async fn call(server: &Running, headers: &[(&'static str, &str)]) -> String {
    let mut request = plain("trace");
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let answer = server.client().await.list_audit_entries(request).await.unwrap().into_inner();
    answer.entries[0].event_id.clone()
}

/// Waits until it is so: a call ends at the server a moment after its client has the answer.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let so = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, so).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// The spans, once there are so many.
async fn spans(recorder: &Recorder, count: usize) -> Vec<SpanData> {
    until("spans", || recorder.spans().len() >= count).await;
    let spans = recorder.spans();
    assert_eq!(spans.len(), count, "{spans:?}");
    spans
}

/// An attribute as text; empty when there is none.
fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key.as_str() == name);
    found.map(|one| one.value.to_string()).unwrap_or_default()
}

/// Calls any method with a message that the double takes for the plainest request.
async fn any(server: &Running, path: &'static str) {
    let mut request = Request::new(GetTaskRequest::default());
    *request.metadata_mut() = plain("").metadata().clone();
    request.metadata_mut().insert("traceparent", CLIENT.parse().unwrap());
    let mut grpc = Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let codec: ProstCodec<GetTaskRequest, ListAuditEntriesResponse> = ProstCodec::default();
    let _ = grpc.unary(request, PathAndQuery::from_static(path), codec).await;
}

#[tokio::test]
async fn a_call_is_a_span_of_its_clients_trace_and_what_follows_from_it_goes_on_with_that() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::Public, LONG).await;
    let told = call(&server, &[("traceparent", CLIENT), ("tracestate", "vendor=1")]).await;
    let spans = spans(&recorder, 1).await;
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (span.name.as_ref(), &span.span_kind, &span.status),
        (METHOD, &SpanKind::Server, &Outcome::Unset)
    );
    assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    let own = span.span_context.span_id();
    assert_eq!(told, format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{own}-01"));
    assert_eq!(span.span_context.trace_state().header(), "vendor=1");
    let said = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "rpc.method_original"]
        .map(|name| attribute(span, name));
    assert_eq!(said, ["grpc", METHOD, "OK", ""]);
}

#[tokio::test]
async fn a_call_of_nobodys_trace_begins_one() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::Public, LONG).await;
    let told = call(&server, &[]).await;
    let spans = spans(&recorder, 1).await;
    let (trace, own) = (spans[0].span_context.trace_id(), spans[0].span_context.span_id());
    assert_eq!(told, format!("00-{trace}-{own}-01"));
    assert_eq!(spans[0].parent_span_id.to_string(), "0000000000000000");
}

#[tokio::test]
async fn what_its_client_does_not_record_is_not_recorded_here_either() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::Public, LONG).await;
    let told = call(&server, &[("traceparent", UNSAMPLED)]).await;
    assert!(told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && told.ends_with("-00"), "{told}");
    call(&server, &[("traceparent", CLIENT)]).await;
    spans(&recorder, 1).await;
}

#[tokio::test]
async fn where_nothing_is_recorded_the_clients_trace_is_handed_on_as_it_is() {
    let server = start(Port::Public, LONG).await;
    for sent in [CLIENT, UNSAMPLED] {
        assert_eq!(call(&server, &[("traceparent", sent)]).await, sent);
    }
}

#[tokio::test]
async fn behind_the_sidecar_a_service_says_what_its_call_belongs_to() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::App, LONG).await;
    call(&server, &[("traceparent", CLIENT), ("docket-traceparent", SERVICE)]).await;
    let spans = spans(&recorder, 1).await;
    assert_eq!(spans[0].parent_span_id.to_string(), "10f067aa0ba902b7");
}

#[tokio::test]
async fn probes_and_what_the_sidecar_brings_have_no_spans() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::App, LONG).await;
    let probe = HealthCheckRequest::default();
    HealthClient::new(server.channel().await).check(probe).await.unwrap();
    any(&server, "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent").await;
    any(&server, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo").await;
    call(&server, &[]).await;
    assert_eq!(spans(&recorder, 1).await[0].name, METHOD, "the call that came last");
}

#[tokio::test]
async fn a_span_says_how_its_call_ended_and_fails_when_that_is_the_servers_fault() {
    let (recorder, _guard) = Recorder::start();
    let server = start(Port::Public, LONG).await;
    let mut client = server.client().await;
    client.list_audit_entries(plain("internal")).await.expect_err("not a service");
    client.list_audit_entries(plain("panic")).await.expect_err("panicked");
    client.list_audit_entries(plain("big")).await.expect_err("can not be sent");
    any(&server, "/docket.v1.AuditService/Nope").await;
    let told: Vec<_> = spans(&recorder, 4)
        .await
        .iter()
        .map(|span| {
            let [code, method] =
                ["rpc.response.status_code", "rpc.method_original"].map(|name| attribute(span, name));
            (
                span.name.to_string(),
                code,
                attribute(span, "error.type"),
                span.status != Outcome::Unset,
                method,
            )
        })
        .collect();
    let told_of = |name: &str, code: &str, failed: bool, original: &str| {
        let error = if failed { code } else { "" };
        (name.to_owned(), code.to_owned(), error.to_owned(), failed, original.to_owned())
    };
    let expect = [
        told_of(METHOD, "PERMISSION_DENIED", false, ""),
        told_of(METHOD, "INTERNAL", true, ""),
        told_of(METHOD, "INTERNAL", true, ""),
        told_of("_OTHER", "UNIMPLEMENTED", true, "docket.v1.AuditService/Nope"),
    ];
    assert_eq!(told, expect);
}

fn meters() -> Meters {
    let identity = Identity { service: "docket".to_owned(), version: "1.2.3", instance: Uuid::from_u128(1) };
    Handle::detached(&identity).unwrap().meters
}

/// The value of the line of this name that has all of these.
fn figure(meters: &Meters, name: &str, labels: &[&str]) -> Option<String> {
    let text = meters.render().unwrap();
    let is_it = |line: &&str| {
        line.split_once('{').is_some_and(|(found, _)| found == name)
            && labels.iter().all(|label| line.contains(label))
    };
    let lines: Vec<&str> = text.lines().filter(is_it).collect();
    assert!(lines.len() < 2, "{lines:?}");
    lines.first().and_then(|line| line.rsplit(' ').next()).map(str::to_owned)
}

#[tokio::test]
async fn calls_are_counted_by_method_and_end_and_what_a_client_makes_up_is_one_method() {
    const DURATION: &str = "rpc_server_call_duration_seconds_count";
    let meters = meters();
    let server = start_counted(Port::App, meters.meter("docket-rpc")).await;
    call(&server, &[]).await;
    call(&server, &[]).await;
    server.client().await.list_audit_entries(plain("panic")).await.expect_err("panicked");
    any(&server, "/docket.v1.AuditService/Nope").await;
    any(&server, "/made.up/4bf92f3577b34da6a3ce929d0e0e4736").await;
    HealthClient::new(server.channel().await).check(HealthCheckRequest::default()).await.unwrap();
    any(&server, "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent").await;
    let count = |method: &str, code: &str| {
        let [method, code] = [format!("rpc_method=\"{method}\""), format!("status_code=\"{code}\"")];
        figure(&meters, DURATION, &[&method, &code, "docket_port=\"app\""])
    };
    until("all are counted", || count("_OTHER", "UNIMPLEMENTED").as_deref() == Some("2")).await;
    assert_eq!(count(METHOD, "OK").as_deref(), Some("2"));
    assert_eq!(count(METHOD, "INTERNAL").as_deref(), Some("1"));
    assert_eq!(figure(&meters, DURATION, &["error_type=\"INTERNAL\""]).as_deref(), Some("1"));
    assert_eq!(figure(&meters, DURATION, &["status_code=\"OK\"", "error_type"]), None);
    let text = meters.render().unwrap();
    let all = text.lines().filter(|line| line.starts_with(DURATION)).count();
    assert_eq!(all, 3, "neither probes nor callbacks: {text}");
}

#[tokio::test]
async fn a_call_counts_as_under_way_until_its_answer_is_given_or_its_client_goes_away() {
    let meters = meters();
    let mut server = start_counted(Port::Public, meters.meter("docket-rpc")).await;
    let mut client = server.client().await;
    let under_way = || figure(&meters, "docket_calls_under_way", &["docket_port=\"public\""]);
    let waiting = tokio::spawn(async move { client.list_audit_entries(plain("wait")).await });
    assert_eq!(server.events.recv().await, Some("started"));
    assert_eq!(under_way().as_deref(), Some("1"));
    waiting.abort();
    assert_eq!(server.events.recv().await, Some("ended"));
    until("none is under way", || under_way().as_deref() == Some("0")).await;
    let cancelled = figure(&meters, "rpc_server_call_duration_seconds_count", &["status_code=\"CANCELLED\""]);
    assert_eq!(cancelled.as_deref(), Some("1"));
}
