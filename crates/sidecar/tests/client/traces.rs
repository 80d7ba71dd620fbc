//! How a trace goes on in what the sidecar is asked for.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use docket_proto::v1;
use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_sidecar::{BindingCall, Client};
use docket_telemetry::testing::{Recorder, SpanData, SpanKind, Status};
use docket_telemetry::{TraceContext, context_of, continue_trace};
use tonic::{Code, Request};
use tracing::Instrument as _;

use crate::message;
use crate::sidecar::{Answer, Asked, start, unanswered};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
const METHOD: &str = "docket.v1.AuditService/ListAuditEntries";

/// The headers of the last call: `traceparent`, and what is for the app.
fn sent(asked: &Mutex<Asked>) -> [Option<String>; 3] {
    let asked = asked.lock().unwrap();
    ["traceparent", "docket-traceparent", "docket-tracestate"]
        .map(|name| asked.headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
}

fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key.as_str() == name);
    found.map(|one| one.value.to_string()).unwrap_or_default()
}

/// What others see of a span.
fn own(span: &SpanData) -> String {
    format!("00-{}-{}-01", span.span_context.trace_id(), span.span_context.span_id())
}

/// Calls another app with this trace.
async fn invoke(client: &Client, trace: Option<TraceContext>) -> Result<(), Code> {
    let mut audit = AuditServiceClient::new(client.channel_for("docket-audit").unwrap());
    let mut request = Request::new(v1::ListAuditEntriesRequest::default());
    if let Some(trace) = trace {
        request.extensions_mut().insert(trace);
    }
    audit.list_audit_entries(request).await.map(drop).map_err(|status| status.code())
}

fn context(parent: &str) -> TraceContext {
    TraceContext::parse(Some(parent), Some("vendor=1"))
}

async fn mail(client: &Client) -> Result<(), docket_sidecar::Error> {
    let call = BindingCall {
        name: "mail",
        operation: "create",
        data: Vec::new(),
        metadata: HashMap::from([("emailTo".to_owned(), "greta@example.org".to_owned())]),
        deadline: Duration::from_secs(5),
    };
    client.invoke_binding(call).await.map(drop)
}

#[tokio::test]
async fn the_sidecar_goes_on_with_the_span_it_is_called_in_and_begins_no_trace_by_itself() {
    let (recorder, _guard) = Recorder::start();
    let (client, asked) = start(Answer::Yes, 5000).await;
    let span = tracing::info_span!(target: "docket_test", "publish");
    let context = context_of(&span);
    client.publish("pubsub", "task-events", &message("k", 1)).instrument(span).await.unwrap();
    assert_eq!(sent(&asked), [context.traceparent, None, None]);

    client.bulk_publish("pubsub", "task-events", &[message("k", 1)]).await.unwrap();
    let [first, ..] = sent(&asked);
    client.healthy("pubsub").await;
    let [second, ..] = sent(&asked);
    assert_ne!(first, second);
    for parent in [first, second] {
        let context = TraceContext::parse(parent.as_deref(), None);
        assert!(context.traceparent.is_some() && !context.is_sampled(), "{parent:?}");
    }
    assert_eq!(recorder.spans().len(), 1, "none but the one that was made here");
}

#[tokio::test]
async fn a_call_of_an_output_binding_is_a_span_that_names_nobody() {
    let (recorder, _guard) = Recorder::start();
    let (client, asked) = start(Answer::Yes, 5000).await;
    mail(&client).await.unwrap();
    let outer = tracing::info_span!(target: "docket_test", "outer");
    mail(&client).instrument(outer.clone()).await.unwrap();
    let (broken, _) = start(Answer::No(Code::Internal), 5000).await;
    mail(&broken).instrument(outer.clone()).await.unwrap_err();
    drop(outer);
    let spans = recorder.spans();
    let [sent_mail, failed, outer] = &spans[..] else { panic!("{spans:?}") };
    for span in [sent_mail, failed] {
        assert_eq!((span.name.as_ref(), &span.span_kind), ("invoke mail", &SpanKind::Client));
        assert_eq!(span.parent_span_id, outer.span_context.span_id());
        let said = ["docket.binding", "docket.operation"].map(|name| attribute(span, name));
        assert_eq!(said, ["mail", "create"]);
        assert!(!format!("{span:?}").contains("greta"), "{span:?}");
    }
    assert_eq!(sent(&asked)[0], Some(own(sent_mail)));
    assert_eq!(
        (attribute(failed, "error.type").as_str(), &failed.status),
        ("INTERNAL", &Status::error("INTERNAL"))
    );
}

#[tokio::test]
async fn a_call_of_another_app_is_a_span_and_the_app_goes_on_with_that() {
    let (recorder, _guard) = Recorder::start();
    let (client, asked) = start(Answer::Yes, 5000).await;
    // Whatever span it is made in, as where many events are handled at once.
    invoke(&client, Some(context(PARENT)))
        .instrument(tracing::info_span!(target: "docket_test", "another"))
        .await
        .unwrap();
    let spans = recorder.spans();
    let call = spans.iter().find(|span| span.name == METHOD).unwrap();
    assert_eq!(
        (call.name.as_ref(), &call.span_kind, &call.status),
        (METHOD, &SpanKind::Client, &Status::Unset)
    );
    assert_eq!(call.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(call.parent_span_id.to_string(), "00f067aa0ba902b7");
    let said = ["rpc.system.name", "rpc.method", "rpc.response.status_code", "server.address"]
        .map(|name| attribute(call, name));
    assert_eq!(said, ["grpc", METHOD, "OK", "docket-audit"]);
    assert_eq!(sent(&asked), [Some(own(call)), Some(own(call)), Some("vendor=1".to_owned())]);
}

#[tokio::test]
async fn a_call_of_another_app_belongs_to_the_span_it_is_made_in_where_nobody_says_otherwise() {
    let (recorder, _guard) = Recorder::start();
    let (client, asked) = start(Answer::Yes, 5000).await;
    invoke(&client, None).instrument(tracing::info_span!(target: "docket_test", "outer")).await.unwrap();
    let spans = recorder.spans();
    let call = spans.iter().find(|span| span.name == METHOD).unwrap();
    let outer = spans.iter().find(|span| span.name == "outer").unwrap();
    assert_eq!(call.parent_span_id, outer.span_context.span_id());
    assert_eq!(sent(&asked)[1], Some(own(call)));
}

#[tokio::test]
async fn the_span_of_a_call_says_why_it_failed() {
    let (recorder, _guard) = Recorder::start();
    let (client, _) = start(Answer::No(Code::NotFound), 5000).await;
    invoke(&client, Some(context(PARENT))).await.unwrap_err();
    let (client, asked) = start(Answer::Silence, 5000).await;
    unanswered(&asked, invoke(&client, Some(context(PARENT)))).await.unwrap_err();
    let told: Vec<_> = recorder
        .spans()
        .iter()
        .map(|span| ["rpc.response.status_code", "error.type"].map(|name| attribute(span, name)))
        .collect();
    assert_eq!(told, [["NOT_FOUND", "NOT_FOUND"], ["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]]);
}

#[tokio::test]
async fn the_span_of_a_call_that_is_given_up_says_so() {
    let (recorder, _guard) = Recorder::start();
    let (client, _) = start(Answer::Silence, 60_000).await;
    let given_up = tokio::time::timeout(Duration::from_millis(50), invoke(&client, Some(context(PARENT))));
    given_up.await.unwrap_err();
    let spans = recorder.spans();
    let [call] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attribute(call, "rpc.response.status_code"), "CANCELLED");
    assert_eq!(call.status, Status::error("CANCELLED"));
}

#[tokio::test]
async fn what_is_not_recorded_goes_on_all_the_same() {
    let recorder = Recorder::start();
    let (client, asked) = start(Answer::Yes, 5000).await;
    invoke(&client, Some(context(UNSAMPLED))).await.unwrap();
    let parent = Some(UNSAMPLED.to_owned());
    assert_eq!(sent(&asked), [parent.clone(), parent, Some("vendor=1".to_owned())]);
    let span = tracing::info_span!(target: "docket_test", "unsampled");
    continue_trace(&span, &context(UNSAMPLED));
    let own = context_of(&span).traceparent;
    invoke(&client, None).instrument(span).await.unwrap();
    assert_eq!(sent(&asked)[..2], [own.clone(), own]);
    assert_eq!(recorder.0.spans().len(), 0);
}

#[tokio::test]
async fn where_nothing_is_recorded_a_call_hands_on_what_it_was_handed_or_a_trace_of_its_own() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    invoke(&client, Some(context(PARENT))).await.unwrap();
    let parent = Some(PARENT.to_owned());
    assert_eq!(sent(&asked), [parent.clone(), parent, Some("vendor=1".to_owned())]);
    invoke(&client, None).await.unwrap();
    let [sidecar, app, _] = sent(&asked);
    let made = TraceContext::parse(app.as_deref(), None);
    assert!(made.traceparent.is_some() && !made.is_sampled(), "{app:?}");
    assert_eq!(sidecar, app);
}
