//! The collector of `dev --observe`, which shows traces, and its sidecar: there is no other way to it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::ports::Port;

/// What the collector is started with.
pub(super) const CONFIGURATION: &str = "jaeger.yaml";

/// The name under which Docket's sidecar finds it.
const APP_ID: &str = "otel-collector";

/// How many traces are kept, in memory.
const MAX_TRACES: u32 = 10_000;

/// Jaeger behind a sidecar of its own.
#[derive(Debug)]
pub(super) struct Observe {
    pub(super) ports: [Port; 6],
}

impl Observe {
    /// So many ports are used.
    pub(super) fn new(ports: [Port; 6]) -> Self {
        Self { ports }
    }

    /// What `docket` is told. Figures stay with it: Jaeger takes none.
    pub(super) fn settings() -> [(&'static str, &'static str); 3] {
        [
            ("DOCKET_TELEMETRY__EXPORT", "sidecar"),
            ("DOCKET_TELEMETRY__COLLECTOR_APP_ID", APP_ID),
            ("DOCKET_TELEMETRY__METRICS_INTERVAL_SECONDS", "0"),
        ]
    }

    /// Where the pages are.
    pub(super) fn pages(&self) -> SocketAddr {
        self.ports[0].address()
    }

    /// Where calls of this method are found, with the traces that they belong to.
    pub(super) fn calls(&self, method: &str) -> String {
        let method = method.replace('/', "%2F");
        format!("http://{}/search?service=docket&operation={method}&lookback=1h&limit=20", self.pages())
    }

    /// Says how the collector is to run, with its pages in this folder.
    pub(super) fn write_configuration(&self, folder: &Path, pages: &Path) -> Result<()> {
        let [ui, api, otlp, ..] = &self.ports;
        let configuration = json!({
            "service": {
                "extensions": ["jaeger_storage", "jaeger_query"],
                "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
            },
            "extensions": {
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MAX_TRACES}}}},
                "jaeger_query": {
                    "storage": {"traces": "memory"},
                    // Its own spans would go to whoever listens on the port of OTLP.
                    "enable_tracing": false,
                    "ui": {"assets_path": pages},
                    "http": {"endpoint": ui.address()},
                    "grpc": {"endpoint": api.address()},
                },
            },
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": otlp.address()}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        });
        let file = folder.join(CONFIGURATION);
        // JSON is YAML, too.
        fs::write(&file, configuration.to_string())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Starts the collector.
    pub(super) fn collector(&mut self, jaeger: &Path, folder: &Path) -> Command {
        let mut command = Command::new(jaeger);
        command.current_dir(folder).arg(format!("--config={CONFIGURATION}"));
        for port in &mut self.ports[..3] {
            port.release();
        }
        command
    }

    /// Starts its sidecar.
    pub(super) fn sidecar(&mut self, daprd: &Path, folder: &Path) -> Command {
        let [_, _, otlp, http, grpc, internal] = &mut self.ports;
        let mut command = Command::new(daprd);
        command.current_dir(folder).args([
            format!("--app-id={APP_ID}"),
            format!("--app-port={}", otlp.number()),
            "--app-protocol=grpc".to_owned(),
            "--dapr-listen-addresses=127.0.0.1".to_owned(),
            format!("--dapr-http-port={}", http.number()),
            format!("--dapr-grpc-port={}", grpc.number()),
            "--dapr-internal-grpc-listen-address=127.0.0.1".to_owned(),
            format!("--dapr-internal-grpc-port={}", internal.number()),
            "--enable-metrics=false".to_owned(),
        ]);
        // What it tells other sidecars on this machine.
        command.env("DAPR_HOST_IP", "127.0.0.1");
        // Those of the user's own are of other apps.
        command.env_remove("APP_API_TOKEN").env_remove("DAPR_API_TOKEN");
        for port in [http, grpc, internal] {
            port.release();
        }
        command
    }

    /// Where the sidecar says that it is ready.
    pub(super) fn readiness(&self) -> (SocketAddr, &'static str) {
        (self.ports[3].address(), "/v1.0/healthz")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::ports;
    use super::*;

    #[test]
    fn spans_come_in_where_the_sidecar_brings_them_and_nowhere_else() {
        let mut observe = Observe::new(ports::after(23_000).unwrap());
        let folder = tempfile::tempdir().unwrap();
        observe.write_configuration(folder.path(), Path::new("/opt/pages")).unwrap();
        let text = fs::read_to_string(folder.path().join(CONFIGURATION)).unwrap();
        let configuration: Value = serde_json::from_str(&text).unwrap();
        let query = &configuration["extensions"]["jaeger_query"];
        assert_eq!(query["ui"]["assets_path"], "/opt/pages");
        assert_eq!(query["http"]["endpoint"], observe.pages().to_string());
        let receivers = configuration["receivers"].as_object().unwrap();
        assert_eq!(receivers.keys().collect::<Vec<_>>(), ["otlp"]);
        let protocols = receivers["otlp"]["protocols"].as_object().unwrap();
        assert_eq!(protocols.keys().collect::<Vec<_>>(), ["grpc"]);
        let otlp: SocketAddr = protocols["grpc"]["endpoint"].as_str().unwrap().parse().unwrap();
        assert!(otlp.ip().is_loopback());

        let command = observe.sidecar(Path::new("daprd"), folder.path());
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        assert!(arguments.contains(&&*format!("--app-port={}", otlp.port())), "{arguments:?}");
        let [.., (_, app_id), _] = Observe::settings();
        assert!(arguments.contains(&&*format!("--app-id={app_id}")), "{arguments:?}");
    }

    #[test]
    fn the_link_is_one_that_a_browser_takes() {
        let observe = Observe::new(ports::after(23_100).unwrap());
        let link = observe.calls("docket.v1.TaskService/CompleteTask");
        let query = link.strip_prefix(&format!("http://{}/search?", observe.pages())).unwrap();
        assert!(query.contains("&operation=docket.v1.TaskService%2FCompleteTask&"), "{link}");
    }
}
