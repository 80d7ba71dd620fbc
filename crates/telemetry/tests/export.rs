//! What leaves, as whoever stands in the sidecar's place sees it. Spans are everybody's, so this is one test.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docket_telemetry::{Collector, Config, Export, Format, Identity, Levels, Lines, Telemetry};
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as trace;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// What came in.
#[derive(Default)]
struct Came {
    /// `dapr-app-id`, `dapr-api-token` and `traceparent` of each call, by the method.
    headers: BTreeMap<&'static str, [Option<String>; 3]>,
    spans: Vec<String>,
    figures: Vec<String>,
    resource: BTreeMap<String, String>,
}

/// Stands in the sidecar's place; it may be told not to answer.
#[derive(Clone)]
struct Sidecar {
    came: Arc<Mutex<Came>>,
    hangs: watch::Receiver<bool>,
}

impl Sidecar {
    async fn hear<T>(&self, method: &'static str, request: &Request<T>) {
        let mut hangs = self.hangs.clone();
        // It never ends when the test is over first.
        let _ = hangs.wait_for(|hangs| !hangs).await;
        let header = |name| request.metadata().get(name).map(|value| value.to_str().unwrap().to_owned());
        let headers = ["dapr-app-id", "dapr-api-token", "traceparent"].map(header);
        self.came.lock().unwrap().headers.insert(method, headers);
    }

    fn of(&self, resource: Option<&Resource>) {
        let attributes = &resource.unwrap().attributes;
        let told = attributes.iter().map(|one| (one.key.clone(), format!("{:?}", one.value)));
        self.came.lock().unwrap().resource.extend(told);
    }
}

#[tonic::async_trait]
impl trace::trace_service_server::TraceService for Sidecar {
    async fn export(
        &self,
        request: Request<trace::ExportTraceServiceRequest>,
    ) -> Result<Response<trace::ExportTraceServiceResponse>, Status> {
        self.hear("spans", &request).await;
        for resource in &request.get_ref().resource_spans {
            self.of(resource.resource.as_ref());
            let spans = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            self.came.lock().unwrap().spans.extend(spans.map(|span| span.name.clone()));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl metrics::metrics_service_server::MetricsService for Sidecar {
    async fn export(
        &self,
        request: Request<metrics::ExportMetricsServiceRequest>,
    ) -> Result<Response<metrics::ExportMetricsServiceResponse>, Status> {
        self.hear("figures", &request).await;
        for resource in &request.get_ref().resource_metrics {
            let figures = resource.scope_metrics.iter().flat_map(|scope| &scope.metrics);
            self.came.lock().unwrap().figures.extend(figures.map(|figure| figure.name.clone()));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_and_figures_leave_through_the_sidecar_unrecorded_and_hold_up_no_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (hang, hangs) = watch::channel(false);
    let sidecar = Sidecar { came: Arc::default(), hangs };
    let came = sidecar.came.clone();
    let server = Server::builder()
        .add_service(trace::trace_service_server::TraceServiceServer::new(sidecar.clone()))
        .add_service(metrics::metrics_service_server::MetricsServiceServer::new(sidecar));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    // It is sent when it is asked for, and at the end.
    let config = Config {
        export: Export::Sidecar,
        collector_app_id: "collector".to_owned(),
        metrics_interval_seconds: 3_600,
        ..Config::default()
    };
    let identity = Identity { service: "docket-tasks".to_owned(), version: "1.2.3", instance: Uuid::nil() };
    let lines = Lines { format: Format::Text, filter: Levels::parse("off").unwrap() };
    let collector = Collector { endpoint, api_token: Some("open sesame".to_owned()) };
    let telemetry = Telemetry::start(&config, lines, &identity, &collector).unwrap();
    let handle = telemetry.handle();
    handle.meters.meter("docket-test").u64_counter("docket.test.calls").build().add(1, &[]);
    drop(tracing::info_span!(target: "docket_test", "one"));
    handle.flush(Duration::from_secs(60)).await;
    {
        let came = came.lock().unwrap();
        assert_eq!(came.spans, ["one"], "before the end");
        for (key, value) in [("service.name", "docket-tasks"), ("service.version", "1.2.3")] {
            assert!(came.resource[key].contains(value), "{:?}", came.resource);
        }
    }

    // What hangs is not waited for: until the export itself is given up, what it has may still arrive.
    drop(tracing::info_span!(target: "docket_test", "two"));
    hang.send_replace(true);
    handle.flush(Duration::from_millis(200)).await;
    assert_eq!(came.lock().unwrap().spans, ["one"]);
    hang.send_replace(false);
    telemetry.end().await;
    let came = came.lock().unwrap();
    assert_eq!(came.spans, ["one", "two"]);
    assert!(came.figures.iter().any(|name| name == "docket.test.calls"), "{:?}", came.figures);
    for (method, [app, token, parent]) in &came.headers {
        assert_eq!((app.as_deref(), token.as_deref()), (Some("collector"), Some("open sesame")), "{method}");
        assert!(parent.as_deref().is_some_and(|parent| parent.ends_with("-00")), "{method} {parent:?}");
    }
    assert_eq!(came.headers.keys().copied().collect::<Vec<_>>(), ["figures", "spans"]);
}
