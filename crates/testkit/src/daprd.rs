//! A sidecar.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use tonic::transport::Channel;

use crate::port::Port;
use crate::process::{Process, Program};
use crate::{client, http, tool};

/// The resource that is the sidecar's own configuration.
const CONFIGURATION: &str = "config.yaml";

/// Where callers show their token.
const TOKEN_HEADER: &str = "dapr-api-token";

/// A sidecar to be started.
#[derive(Debug)]
pub struct DaprdBuilder {
    app_id: String,
    http: Port,
    grpc: Port,
    internal: Port,
    metrics: Port,
    app: Option<App>,
    scheduler: Option<u16>,
    resources: BTreeMap<String, String>,
    /// What is beside the resources, where the sidecar runs.
    files: BTreeMap<String, String>,
    /// What resources say, and what is said instead.
    names: BTreeMap<String, String>,
    flags: Vec<String>,
    environment: BTreeMap<String, String>,
    api_token: Option<String>,
    health_threshold: u32,
}

/// Who a sidecar is beside.
#[derive(Debug)]
enum App {
    /// One that knows of sidecars: where it listens, and what it is shown.
    Docket(u16, String),
    /// One that serves gRPC, and knows nothing of them: where it listens.
    Foreign(u16),
}

/// A sidecar.
#[derive(Debug)]
pub struct Daprd {
    process: Process,
    http: SocketAddr,
    grpc: SocketAddr,
    metrics: SocketAddr,
    api_token: Option<String>,
}

impl Daprd {
    /// Reserves the ports of a sidecar without an app, scheduler and resources.
    pub fn builder(app_id: &str) -> DaprdBuilder {
        DaprdBuilder {
            app_id: app_id.to_owned(),
            http: Port::reserve(),
            grpc: Port::reserve(),
            internal: Port::reserve(),
            metrics: Port::reserve(),
            app: None,
            scheduler: None,
            resources: BTreeMap::new(),
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            flags: Vec::new(),
            environment: BTreeMap::new(),
            api_token: None,
            health_threshold: 3,
        }
    }

    /// Waits until it is healthy, which needs its app to listen.
    pub async fn ready(&mut self) {
        let http = self.http;
        self.process.ready(async || healthy(http).await).await;
    }

    /// Waits until it delivers the topics of its app.
    pub async fn subscribed(&mut self) {
        let (http, token) = (self.http, self.api_token.clone());
        self.process.ready(async || subscribed(http, token.as_deref()).await).await;
    }

    /// Asks once whether it is healthy, and, if it is to, delivers.
    pub async fn works(&self, delivers: bool) -> Result<(), String> {
        healthy(self.http).await?;
        if delivers { subscribed(self.http, self.api_token.as_deref()).await } else { Ok(()) }
    }

    /// What it says about itself: components, subscriptions.
    pub async fn metadata(&self) -> serde_json::Value {
        let metadata = metadata(self.http, self.api_token.as_deref()).await;
        metadata.unwrap_or_else(|error| panic!("metadata: {error}"))
    }

    /// Kills it if it runs, and starts it again with what it had.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.ready().await;
    }

    /// The sum of a counter over all its labels; 0 when it has never counted.
    pub async fn counter(&self, name: &str) -> f64 {
        let metrics = http::get(self.metrics, "/metrics", &[]).await;
        let metrics = metrics.unwrap_or_else(|error| panic!("{error}"));
        let of_name = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        of_name.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The code with which its HTTP API answers a POST request that shows this token.
    pub async fn post(&self, path: &str, token: Option<&str>, body: &str) -> u16 {
        let mut headers = vec![("content-type", "application/octet-stream")];
        headers.extend(token.map(|token| (TOKEN_HEADER, token)));
        let answer = http::exchange(self.http, "POST", path, &headers, body).await;
        answer.unwrap_or_else(|error| panic!("POST {path}: {error}")).0
    }

    /// The code and the body with which its HTTP API answers a request of its own app; a body that is not empty is JSON.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(self.api_token.as_deref().map(|token| (TOKEN_HEADER, token)));
        let answer = http::exchange(self.http, method, path, &headers, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Its gRPC API.
    pub fn channel(&self) -> Channel {
        client::channel(self.grpc)
    }
}

async fn healthy(http: SocketAddr) -> Result<(), String> {
    http::get(http, "/v1.0/healthz", &[]).await.map(drop)
}

async fn subscribed(http: SocketAddr, token: Option<&str>) -> Result<(), String> {
    let metadata = metadata(http, token).await?;
    let subscriptions = metadata["subscriptions"].as_array().map_or(0, Vec::len);
    if subscriptions > 0 { Ok(()) } else { Err("no subscriptions".to_owned()) }
}

impl DaprdBuilder {
    /// The port of its gRPC API.
    pub fn grpc_port(&self) -> u16 {
        self.grpc.number()
    }

    /// The app: where it listens for the sidecar, and what the sidecar shows it.
    pub fn app(mut self, port: u16, api_token: &str) -> Self {
        self.app = Some(App::Docket(port, api_token.to_owned()));
        self
    }

    /// An app that serves gRPC and knows nothing of sidecars: where it listens.
    pub fn foreign_app(mut self, port: u16) -> Self {
        self.app = Some(App::Foreign(port));
        self
    }

    /// What callers of its API must show. Without it, it serves everybody.
    pub fn api_token(mut self, token: &str) -> Self {
        self.api_token = Some(token.to_owned());
        self
    }

    /// The port of the scheduler.
    pub fn scheduler(mut self, port: u16) -> Self {
        self.scheduler = Some(port);
        self
    }

    /// Adds a resource: a component, say, in YAML.
    pub fn resource(mut self, name: &str, yaml: &str) -> Self {
        self.resources.insert(format!("{name}.yaml"), yaml.to_owned());
        self
    }

    /// Adds copies of all resources of a folder.
    pub fn resources_of(mut self, folder: &Path) -> Self {
        for file in yaml_files(folder) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let yaml = std::fs::read_to_string(&file);
            self.resources.insert(name, yaml.unwrap_or_else(|error| panic!("{}: {error}", file.display())));
        }
        self
    }

    /// Takes all resources away again.
    pub fn without_resources(mut self) -> Self {
        self.resources.clear();
        self
    }

    /// Puts a file into the folder in which it runs.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.insert(name.to_owned(), text.to_owned());
        self
    }

    /// Says `instead` wherever its resources say `name`.
    pub fn rename(mut self, name: &str, instead: &str) -> Self {
        self.names.insert(name.to_owned(), instead.to_owned());
        self
    }

    /// Adds a flag, such as `--max-body-size=128Mi`.
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// How long, in seconds, it goes on taking what its app publishes after it was told to end, unless the app is ill before.
    pub fn block_shutdown(self, seconds: u32) -> Self {
        self.flag(&format!("--dapr-block-shutdown-duration={seconds}s"))
    }

    /// How long its end may take after that, in seconds.
    pub fn graceful_shutdown(self, seconds: u32) -> Self {
        self.flag(&format!("--dapr-graceful-shutdown-seconds={seconds}"))
    }

    /// After how many probes in vain it takes the app for ill, and stops its subscriptions: 3 by default.
    pub fn health_threshold(mut self, probes: u32) -> Self {
        self.health_threshold = probes;
        self
    }

    /// Starts it without waiting.
    pub fn spawn(self) -> Daprd {
        let mut daprd = self.at_rest();
        daprd.spawn();
        daprd
    }

    /// Does not start it.
    pub(crate) fn at_rest(self) -> Daprd {
        let (http, grpc, metrics) = (self.http.address(), self.grpc.address(), self.metrics.address());
        let mut program = Program::new("daprd", tool("TOOL_DAPRD"));
        program.arguments = [
            format!("--app-id={}", self.app_id),
            "--dapr-listen-addresses=127.0.0.1".to_owned(),
            format!("--dapr-http-port={}", http.port()),
            format!("--dapr-grpc-port={}", grpc.port()),
            "--dapr-internal-grpc-listen-address=127.0.0.1".to_owned(),
            format!("--dapr-internal-grpc-port={}", self.internal.number()),
            "--metrics-listen-address=127.0.0.1".to_owned(),
            format!("--metrics-port={}", metrics.port()),
            "--resources-path=resources".to_owned(),
        ]
        .into();
        program.environment = self.environment;
        // What it tells other sidecars.
        program.environment.insert("DAPR_HOST_IP".to_owned(), "127.0.0.1".to_owned());
        if let Some(token) = self.api_token.clone() {
            program.environment.insert("DAPR_API_TOKEN".to_owned(), token);
        }
        if let Some(App::Docket(port, _) | App::Foreign(port)) = self.app {
            program.arguments.extend([format!("--app-port={port}"), "--app-protocol=grpc".to_owned()]);
        }
        if let Some(App::Docket(_, token)) = self.app {
            program.arguments.extend([
                "--enable-app-health-check".to_owned(),
                "--app-health-probe-interval=1".to_owned(),
                "--app-health-probe-timeout=1000".to_owned(),
                format!("--app-health-threshold={}", self.health_threshold),
            ]);
            program.environment.insert("APP_API_TOKEN".to_owned(), token);
        }
        if let Some(port) = self.scheduler {
            program.arguments.push(format!("--scheduler-host-address=127.0.0.1:{port}"));
        }
        if self.resources.contains_key(CONFIGURATION) {
            program.arguments.push(format!("--config=resources/{CONFIGURATION}"));
        }
        program.arguments.extend(self.flags);
        program.ports = vec![self.http, self.grpc, self.internal, self.metrics];

        let process = Process::new(program);
        let folder = process.folder().join("resources");
        std::fs::create_dir(&folder).expect("a folder can be made");
        for (name, yaml) in self.resources {
            let yaml = self.names.iter().fold(yaml, |yaml, (name, instead)| yaml.replace(name, instead));
            std::fs::write(folder.join(name), yaml).expect("a file can be written");
        }
        for (name, text) in self.files {
            std::fs::write(process.folder().join(name), text).expect("a file can be written");
        }
        Daprd { process, http, grpc, metrics, api_token: self.api_token }
    }

    /// Starts it, and waits until it is healthy.
    pub async fn start(self) -> Daprd {
        let mut daprd = self.spawn();
        daprd.ready().await;
        daprd
    }
}

async fn metadata(http: SocketAddr, token: Option<&str>) -> Result<serde_json::Value, String> {
    let headers: Vec<_> = token.into_iter().map(|token| (TOKEN_HEADER, token)).collect();
    let metadata = http::get(http, "/v1.0/metadata", &headers).await?;
    serde_json::from_str(&metadata).map_err(|error| error.to_string())
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let files = entries.map(|entry| entry.expect("a folder can be read").path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "yaml")).collect()
}

impl Deref for Daprd {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Daprd {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
