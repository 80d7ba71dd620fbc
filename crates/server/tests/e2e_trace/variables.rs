//! OpenTelemetry's own variables say who tells, where to and of what, as they do with every other service.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{Collector, Docket, repeating};

use crate::DOCKET;
use crate::client::Client;

#[tokio::test]
async fn the_variables_of_opentelemetry_are_heard() {
    let collector = Collector::start().await;
    let docket = Docket::builder(Path::new(DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", collector.otlp()))
        .env("OTEL_SERVICE_NAME", "tasks-eu")
        .env("OTEL_TRACES_SAMPLER", "parentbased_always_off")
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .start()
        .await;
    let alice = docket.user("alice");
    let bins = || repeating("Bins", Pattern::Weekly, "2027-02-01T07:00:00Z", "Europe/Berlin");

    // Nobody records the first call, and the sampler does not begin to. Its spans would leave before those of the second.
    alice.create(bins()).await;
    let client = Client::new();
    client.create(&alice, bins()).await;
    let is_there = |trace: &docket_testkit::collector::Trace| {
        let mut calls = trace.named("docket.v1.TaskService/CreateTask");
        calls.next().map(drop).ok_or_else(|| "without the call".to_owned())
    };
    let trace = collector.wait_for_trace(&client.trace, is_there).await;
    assert!(trace.spans().iter().all(|span| span.service == "tasks-eu"), "{trace:?}");

    let traces = collector.traces_of("tasks-eu").await;
    let ids: Vec<_> = traces.iter().map(|trace| &*trace.spans()[0].trace_id).collect();
    assert_eq!(ids, [&*client.trace]);
}
