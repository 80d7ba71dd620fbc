//! A collector of traces behind a sidecar of its own.

mod trace;

use std::net::SocketAddr;

use crate::daprd::Daprd;
use crate::port::Port;
use crate::process::{Process, Program};
use crate::{PATIENCE, http, tool, wait_for};
pub use trace::{Kind, Link, Span, Trace};

/// In its own folder.
const CONFIGURATION: &str = "config.yaml";

/// How many traces are kept, in memory.
const MAX_TRACES: u32 = 100_000;

/// How many traces an answer has at most.
const PAGE: u32 = 10_000;

/// How soon a Docket of a test sends the spans that it has, in milliseconds.
const DELAY_MS: u32 = 200;

/// Jaeger, with a sidecar of its own. A Docket's spans come to it through that alone: where it listens for them itself is told
/// to no Docket. Keeps traces in memory. Listens on loopback alone.
#[derive(Debug)]
pub struct Collector {
    /// Ends first, as whoever uses another one does.
    daprd: Daprd,
    jaeger: Process,
    otlp: SocketAddr,
    query: SocketAddr,
    metrics: SocketAddr,
    app_id: String,
}

impl Collector {
    /// A collector without traces.
    pub async fn start() -> Self {
        let [otlp, query, api, metrics] = [(); 4].map(|()| Port::reserve());
        let [otlp_port, query_address, metrics_address] = [&otlp, &query, &metrics].map(Port::address);
        let mut program = Program::new("jaeger", tool("TOOL_JAEGER"));
        program.arguments = vec![format!("--config={CONFIGURATION}")];
        let configuration = configuration(otlp_port, query_address, api.address(), metrics_address);
        program.ports = vec![otlp, query, api, metrics];
        let mut jaeger = Process::new(program);
        let file = jaeger.folder().join(CONFIGURATION);
        std::fs::write(file, configuration.to_string()).expect("a file can be written");
        jaeger.spawn();
        jaeger.ready(async || http::get(query_address, "/api/v3/services", &[]).await).await;
        // Sidecars find each other by name on the whole machine, and other tests run at the same time.
        let app_id = format!("otel-collector-{}", uuid::Uuid::new_v4().simple());
        let daprd = Daprd::builder(&app_id).foreign_app(otlp_port.port()).start().await;
        Self { daprd, jaeger, otlp: otlp_port, query: query_address, metrics: metrics_address, app_id }
    }

    /// What a Docket is told so that its spans come here, soon.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        [
            ("DOCKET_TELEMETRY__EXPORT", "sidecar".to_owned()),
            ("DOCKET_TELEMETRY__COLLECTOR_APP_ID", self.app_id.clone()),
            // It takes no figures. That they are sent all the same shows that sending makes no spans.
            ("DOCKET_TELEMETRY__METRICS_INTERVAL_SECONDS", "1".to_owned()),
            ("OTEL_BSP_SCHEDULE_DELAY", DELAY_MS.to_string()),
        ]
    }

    /// Where it listens itself, for what has no sidecar to go through: a sidecar's own spans.
    pub fn otlp(&self) -> SocketAddr {
        self.otlp
    }

    /// What has come of a trace so far.
    ///
    /// # Panics
    /// When it can not be asked.
    pub async fn trace(&self, id: &str) -> Trace {
        self.ask(id).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until a trace is what it is to be, and gives it.
    pub async fn wait_for_trace(
        &self,
        id: &str,
        mut what: impl FnMut(&Trace) -> Result<(), String>,
    ) -> Trace {
        wait_for(&format!("trace {id}"), PATIENCE, async || {
            let trace = self.ask(id).await?;
            what(&trace).map(|()| trace)
        })
        .await
    }

    /// The traces of a service, whole.
    ///
    /// # Panics
    /// When it can not be asked.
    pub async fn traces_of(&self, service: &str) -> Vec<Trace> {
        const EVER: &str =
            "query.start_time_min=2000-01-01T00:00:00Z&query.start_time_max=2200-01-01T00:00:00Z";
        let path = format!(
            "/api/v3/traces?query.service_name={service}&query.num_traces={PAGE}&query.raw_traces=true&{EVER}"
        );
        let spans = spans(http::exchange(self.query, "GET", &path, &[], "").await, &path);
        Trace::apart(spans.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Waits for the trace of a service that was begun because of another one: its first span, of this name, has a link to
    /// that.
    pub async fn wait_for_linked(&self, service: &str, root: &str, to: &str) -> Trace {
        wait_for(&format!("{root} with a link to {to}"), PATIENCE, async || {
            let traces = self.traces_of(service).await;
            let count = traces.len();
            let is = |span: &Span| span.name == root && span.links.iter().any(|link| link.trace_id == to);
            let linked = traces.into_iter().find(|trace| trace.roots().any(is));
            linked.ok_or(format!("none among {count}"))
        })
        .await
    }

    /// How many spans have come, ever, since it was started last.
    ///
    /// # Panics
    /// When it can not be asked.
    pub async fn received(&self) -> u64 {
        let metrics =
            http::get(self.metrics, "/metrics", &[]).await.unwrap_or_else(|error| panic!("{error}"));
        let of_name =
            metrics.lines().filter(|line| line.starts_with("otelcol_receiver_accepted_spans_total{"));
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Waits until at least so many have come.
    pub async fn wait_for_spans(&self, count: u64) {
        wait_for(&format!("{count} spans"), PATIENCE, async || match self.received().await {
            few if few < count => Err(format!("{few} so far")),
            _ => Ok(()),
        })
        .await;
    }

    /// Ends it at once, if it runs; its sidecar stays.
    pub fn kill(&mut self) {
        self.jaeger.kill();
    }

    /// Stops it where it is (SIGSTOP): connections are made, and nothing is answered on them.
    pub fn pause(&self) {
        self.jaeger.pause();
    }

    /// Lets it go on (SIGCONT).
    pub fn resume(&self) {
        self.jaeger.resume();
    }

    /// Kills it if it runs, and starts it again where it was, without traces.
    pub async fn restart(&mut self) {
        self.jaeger.kill();
        self.jaeger.spawn();
        let query = self.query;
        self.jaeger.ready(async || http::get(query, "/api/v3/services", &[]).await).await;
    }

    /// Its sidecar.
    pub fn daprd(&mut self) -> &mut Daprd {
        &mut self.daprd
    }

    async fn ask(&self, id: &str) -> Result<Trace, String> {
        // As they came: otherwise it moves their times, and writes into them what it found odd.
        let path = format!("/api/v3/traces/{id}?raw_traces=true");
        spans(http::exchange(self.query, "GET", &path, &[], "").await, &path).map(Trace::new)
    }
}

/// The spans of an answer; one without any has a code of its own.
fn spans(answer: std::io::Result<(u16, String)>, path: &str) -> Result<Vec<Span>, String> {
    match answer.map_err(|error| format!("GET {path}: {error}"))? {
        (200, body) => Span::read(&body).map_err(|error| format!("GET {path}: {error}")),
        (404, _) => Ok(Vec::new()),
        (code, body) => Err(format!("GET {path}: {code} {body}")),
    }
}

/// How it runs. JSON is YAML, too.
fn configuration(
    otlp: SocketAddr,
    query: SocketAddr,
    api: SocketAddr,
    metrics: SocketAddr,
) -> serde_json::Value {
    let own = serde_json::json!({"host": metrics.ip(), "port": metrics.port()});
    serde_json::json!({
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {
                "metrics": {"level": "normal", "readers": [{"pull": {"exporter": {"prometheus": own}}}]},
                "logs": {"level": "warn"},
            },
        },
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MAX_TRACES}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                // Its own spans would go to whoever listens on the port of OTLP.
                "enable_tracing": false,
                "http": {"endpoint": query},
                "grpc": {"endpoint": api},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": otlp}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
    })
}
