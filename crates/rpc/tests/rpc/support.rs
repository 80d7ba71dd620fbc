//! A server on a free port, its clients, and the service double.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::{Clock, Instant};
use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_proto::v1::audit_service_server::{AuditService, AuditServiceServer};
use docket_proto::v1::{AuditEntry, ListAuditEntriesRequest, ListAuditEntriesResponse};
use docket_rpc::{
    Authenticator, Health, Limits, LimitsConfig, Port, Secret, Server, Signer, Tls, auth, caller, reflection,
    server,
};
use docket_telemetry::instruments::Meter;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

pub(crate) const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";
pub(crate) const AUDIT: &str = "docket.v1.AuditService";

/// Services of the tests take and give less than the real ones, so that too much is quickly made.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;

pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Instant {
        now()
    }
}

pub(crate) fn now() -> Instant {
    "2027-01-31T08:00:00Z".parse().unwrap()
}

pub(crate) fn authenticator() -> Authenticator {
    Authenticator::new(&auth::Config::default(), &Secret::new(SECRET).unwrap())
}

pub(crate) fn token(user: &str, scopes: &[&str]) -> String {
    let signer = Signer::new(&auth::Config::default(), &Secret::new(SECRET).unwrap());
    signer.issue(&user.parse().unwrap(), scopes, Duration::from_secs(60), now())
}

/// What the double tells its test, and what it waits for.
#[derive(Clone)]
pub(crate) struct Audit {
    pub(crate) events: mpsc::UnboundedSender<&'static str>,
    pub(crate) gate: Arc<Notify>,
}

/// Tells when a handler ended, in whatever way.
struct Ended(mpsc::UnboundedSender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send("ended");
    }
}

#[tonic::async_trait]
impl AuditService for Audit {
    /// `task_id` tells what to do; the answer tells who was seen to call.
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Result<Response<ListAuditEntriesResponse>, Status> {
        let _ended = Ended(self.events.clone());
        let mut entry = AuditEntry::default();
        match request.get_ref().task_id.as_str() {
            "panic" => panic!("told to"),
            "wait" => {
                self.events.send("started").unwrap();
                self.gate.notified().await;
            }
            "trace" => {
                entry.event_id = caller::trace_context(&request).traceparent.unwrap_or_default();
            }
            "big" => entry.event_id = "x".repeat(MAX_MESSAGE_BYTES),
            "internal" => {
                caller::service(&request)?;
            }
            "admin" => {
                caller::with_scope(&request, docket_rpc::auth::DEAD_LETTERS_ADMIN)?;
            }
            _ => {}
        }
        let caller = caller::caller(&request)?;
        entry.user_id = caller::user(&request)?.to_string();
        entry.event_type =
            if caller.service { format!("service {}", caller.subject) } else { "plain".to_owned() };
        entry.trace_id = caller::trace_context(&request).trace_id().unwrap_or_default().to_owned();
        let answer = ListAuditEntriesResponse { entries: vec![entry], next_page_token: String::new() };
        Ok(Response::new(answer))
    }
}

/// A server that is stopped when the test ends.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    pub(crate) served: JoinHandle<()>,
    pub(crate) events: mpsc::UnboundedReceiver<&'static str>,
    pub(crate) gate: Arc<Notify>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.served.abort();
    }
}

pub(crate) async fn routes(health: &Health, audit: Audit) -> Routes {
    let audit = AuditServiceServer::new(audit)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    reflection::add_to(Routes::new(audit).add_service(health.service())).unwrap()
}

/// The limits of a process; whatever is random comes out in the middle.
pub(crate) fn limits(config: &LimitsConfig) -> Arc<Limits> {
    Arc::new(Limits::new(config, Arc::new(|| 0.5)))
}

pub(crate) async fn start(port: Port, drain: Duration) -> Running {
    start_with(port, drain, server::Config::default(), &LimitsConfig::default()).await
}

/// The same with another configuration.
pub(crate) async fn start_with(
    port: Port,
    drain: Duration,
    config: server::Config,
    limited: &LimitsConfig,
) -> Running {
    let server = |health| {
        let (authenticator, clock) = (Arc::new(authenticator()), Arc::new(Stopped));
        Server::new(config, port, authenticator, clock, health, limits(limited))
    };
    start_server(drain, server).await
}

/// The same with other keys, and TLS if there is any.
pub(crate) async fn start_as(
    port: Port,
    authenticator: Arc<Authenticator>,
    tls: Option<Arc<Tls>>,
) -> Running {
    let server = |health| {
        let (config, limits) = (server::Config::default(), limits(&LimitsConfig::default()));
        Server::new(config, port, authenticator, Arc::new(Stopped), health, limits).with_tls(tls)
    };
    start_server(LONG, server).await
}

/// The same, where whatever is random comes out as `random`.
pub(crate) async fn start_with_chance(port: Port, config: server::Config, random: f64) -> Running {
    let server = |health| {
        let limits = Arc::new(Limits::new(&LimitsConfig::default(), Arc::new(move || random)));
        Server::new(config, port, Arc::new(authenticator()), Arc::new(Stopped), health, limits)
    };
    start_server(LONG, server).await
}

/// The same, whose calls are counted.
pub(crate) async fn start_counted(port: Port, meter: Meter) -> Running {
    let server = |health| {
        let (config, limits) = (server::Config::default(), limits(&LimitsConfig::default()));
        let (authenticator, clock) = (Arc::new(authenticator()), Arc::new(Stopped));
        Server::new(config, port, authenticator, clock, health, limits).with_meter(meter)
    };
    start_server(LONG, server).await
}

async fn start_server(drain: Duration, server: impl FnOnce(Health) -> Server) -> Running {
    let health = Health::new([AUDIT]).await;
    let (sender, events) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let routes = routes(&health, Audit { events: sender, gate: gate.clone() }).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(server(health.clone()).serve(listener, routes, shutdown.clone(), drain));
    health.serving().await;
    Running { address, health, shutdown, served, events, gate }
}

/// A drain that no test waits out.
pub(crate) const LONG: Duration = Duration::from_secs(60);

impl Running {
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    pub(crate) async fn client(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channel().await)
    }
}

/// A request that tells the double what to do, with metadata.
pub(crate) fn request(task: &str, metadata: &[(&'static str, &str)]) -> Request<ListAuditEntriesRequest> {
    let message = ListAuditEntriesRequest { task_id: task.to_owned(), ..Default::default() };
    let mut headers = MetadataMap::new();
    for (key, value) in metadata {
        headers.append(*key, value.parse().unwrap());
    }
    let mut request = Request::new(message);
    *request.metadata_mut() = headers;
    request
}

/// As alice, with nothing special about it.
pub(crate) fn plain(task: &str) -> Request<ListAuditEntriesRequest> {
    request(task, &[("authorization", &format!("Bearer {}", token("alice", &[])))])
}

/// Code, reason and metadata of a refusal; every one has to carry an `ErrorInfo` of the right domain.
pub(crate) fn refusal(status: &Status) -> (Code, String, Vec<(String, String)>) {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status}"));
    assert_eq!(info.domain, "docket.dev");
    let mut metadata: Vec<_> = info.metadata.into_iter().collect();
    metadata.sort();
    (status.code(), info.reason, metadata)
}

/// The same as text, for tables: `Code REASON key=value …`.
pub(crate) fn told(status: &Status) -> String {
    let (code, reason, metadata) = refusal(status);
    let metadata: String = metadata.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    format!("{code:?} {reason}{metadata}")
}
