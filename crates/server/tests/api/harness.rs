//! A Docket in this process, those who call it, and what it says when it refuses.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use docket_domain::{Clock as _, Instant};
use docket_proto::v1;
use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use docket_proto::v1::notification_service_client::NotificationServiceClient;
use docket_proto::v1::reminder_service_client::ReminderServiceClient;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_rpc::auth::{ACT_AS, ACT_AS_KEY, DEAD_LETTERS_ADMIN};
use docket_rpc::{Secret, Signer};
use docket_server::app::App;
use docket_server::config::Config;
use docket_server::source::SystemClock;
use docket_server::telling;
use docket_store::{Schema, Statements, Store, Stores};
use docket_telemetry::Handle;
use docket_testkit::callback::Callback;
use docket_testkit::{User, at};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataKey;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

/// What the server signs tokens with.
pub(crate) const SECRET: &str = "a-secret-of-at-least-thirty-two-bytes";

/// What the sidecar would prove itself with.
const APP_API_TOKEN: &str = "app-api-token";

/// A call that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// A Docket in this process, with a folder of its own. Stops when dropped.
pub(crate) struct Api {
    address: SocketAddr,
    public: Channel,
    app: Option<Channel>,
    /// Where operators ask.
    pub(crate) admin: SocketAddr,
    signer: Signer,
    /// What was sent to the database.
    pub(crate) statements: Statements,
    /// How the relay is doing, when there is one.
    pub(crate) relay: Option<watch::Receiver<docket_outbox::Status>>,
    stop: CancellationToken,
    _running: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The configuration of a test: a sidecar that is away, so that the app port is served and events wait in the outbox.
fn config(folder: &Path) -> Config {
    let mut config = Config { data_dir: folder.to_owned(), ..Config::default() };
    config.database.url = format!("sqlite:{}", folder.join("docket.db").display());
    config.listen.public = SocketAddr::from(([127, 0, 0, 1], 0));
    config.listen.app = config.listen.public;
    config.listen.admin = Some(config.listen.public);
    config.auth.secret = Some(Secret::new(SECRET).unwrap());
    // Nobody listens on port 1.
    config.dapr.endpoint = Some("http://127.0.0.1:1".to_owned());
    config.dapr.app_api_token = Some(APP_API_TOKEN.to_owned().try_into().unwrap());
    config
}

impl Api {
    /// With a sidecar that is away.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::Builder::new().prefix("docket-test-api-").tempdir().unwrap();
        let mut config = config(folder.path());
        change(&mut config);
        let signer = Signer::new(&config.auth, config.auth.secret.as_ref().unwrap());
        let telemetry = Handle::detached(&telling::identity(&config)).unwrap();
        let app = App::build(config, telemetry).await.unwrap();
        let address = app.public_address();
        let admin = app.admin_address().unwrap();
        let (public, sidecar) = (channel(address), app.app_address().map(channel));
        let (statements, relay) = (app.statements(), app.relay_status().pop());
        let stop = CancellationToken::new();
        let running = tokio::spawn(app.run(stop.clone()));
        Self {
            address,
            public,
            app: sidecar,
            admin,
            signer,
            statements,
            relay,
            stop,
            _running: running,
            folder,
        }
    }

    /// Where the public port is.
    pub(crate) fn public_address(&self) -> SocketAddr {
        self.address
    }

    /// A user of the public port.
    pub(crate) fn user(&self, name: &str) -> User {
        User::new(self.public.clone(), &self.token(name, &[]))
    }

    /// A token as the server itself issues them.
    pub(crate) fn token(&self, subject: &str, scopes: &[&str]) -> String {
        self.signer.issue(&subject.parse().unwrap(), scopes, PATIENCE, now())
    }

    /// A caller of the public port who shows nothing.
    pub(crate) fn public(&self) -> Caller {
        Caller { channel: self.public.clone(), metadata: Vec::new() }
    }

    /// A caller of the app port who shows nothing.
    pub(crate) fn app(&self) -> Caller {
        Caller { channel: self.app.clone().unwrap(), metadata: Vec::new() }
    }

    /// The same user as a caller.
    pub(crate) fn caller(&self, name: &str) -> Caller {
        self.public().bearer(&self.token(name, &[]))
    }

    /// One of Docket's own services.
    pub(crate) fn service(&self) -> Caller {
        self.app().bearer(&self.token("docket-recurrence", &[ACT_AS]))
    }

    /// Who looks after dead letters.
    pub(crate) fn admin(&self, name: &str) -> Caller {
        self.public().bearer(&self.token(name, &[DEAD_LETTERS_ADMIN]))
    }

    /// The sidecar that delivers events.
    pub(crate) fn sidecar(&self) -> Callback {
        Callback::new(self.app.clone().unwrap()).with_token(APP_API_TOKEN)
    }

    /// Its database, opened once more.
    pub(crate) async fn store(&self) -> Store {
        Stores::open(&config(self.folder.path()).database, &[]).await.unwrap().of(Schema::Tasks)
    }

    /// Where its database is.
    pub(crate) fn database_url(&self) -> String {
        config(self.folder.path()).database.url
    }
}

/// A connection that is made on the first call.
fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().timeout(PATIENCE).connect_lazy()
}

/// Somebody who calls, with metadata on every call.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) channel: Channel,
    metadata: Vec<(&'static str, String)>,
}

impl Caller {
    /// Shows a token.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Names the user whom the caller acts for.
    pub(crate) fn acting_for(self, user: &str) -> Self {
        self.with(ACT_AS_KEY, user.to_owned())
    }

    fn with(mut self, key: &'static str, value: String) -> Self {
        self.metadata.push((key, value));
        self
    }

    /// The task API.
    pub(crate) fn tasks(&self) -> TaskServiceClient<InterceptedService<Channel, Self>> {
        TaskServiceClient::with_interceptor(self.channel.clone(), self.clone())
    }

    /// The audit API.
    pub(crate) fn audit(&self) -> AuditServiceClient<InterceptedService<Channel, Self>> {
        AuditServiceClient::with_interceptor(self.channel.clone(), self.clone())
    }

    /// The dead letters.
    pub(crate) fn letters(&self) -> DeadLetterServiceClient<InterceptedService<Channel, Self>> {
        DeadLetterServiceClient::with_interceptor(self.channel.clone(), self.clone())
    }

    /// The reminders.
    pub(crate) fn reminders(&self) -> ReminderServiceClient<InterceptedService<Channel, Self>> {
        ReminderServiceClient::with_interceptor(self.channel.clone(), self.clone())
    }

    /// Preferences, and what was sent.
    pub(crate) fn notifications(&self) -> NotificationServiceClient<InterceptedService<Channel, Self>> {
        NotificationServiceClient::with_interceptor(self.channel.clone(), self.clone())
    }
}

impl Interceptor for Caller {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (key, value) in &self.metadata {
            request.metadata_mut().insert(MetadataKey::from_static(key), value.parse().unwrap());
        }
        Ok(request)
    }
}

/// The present, as the server sees it.
pub(crate) fn now() -> Instant {
    SystemClock.now()
}

/// A fresh id.
pub(crate) fn uuid() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A task that is due at an instant, in RFC 3339.
pub(crate) fn due_at(title: &str, due: &str) -> v1::Task {
    v1::Task { due: Some(v1::task::Due::DueTime(at(due))), ..docket_testkit::once(title) }
}

/// A refusal as text, for tables: `Code REASON key=value …`.
///
/// # Panics
/// When it does not carry exactly one `ErrorInfo`, that of Docket.
pub(crate) fn told(status: &Status) -> String {
    let details = status.get_error_details_vec();
    let infos: Vec<_> = details
        .iter()
        .filter_map(|detail| match detail {
            tonic_types::ErrorDetail::ErrorInfo(info) => Some(info),
            _ => None,
        })
        .collect();
    let [info] = infos.as_slice() else { panic!("{} ErrorInfos: {status:?}", infos.len()) };
    assert_eq!(info.domain, "docket.dev", "{status:?}");
    let mut metadata: Vec<String> =
        info.metadata.iter().map(|(key, value)| format!(" {key}={value}")).collect();
    metadata.sort();
    format!("{:?} {}{}", status.code(), info.reason, metadata.concat())
}

/// The fields at fault, in the order in which they are told.
pub(crate) fn fields_at_fault(status: &Status) -> Vec<String> {
    assert_eq!(told(status), "InvalidArgument INVALID_FIELDS", "{status:?}");
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("no BadRequest: {status:?}"));
    details.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// What a call came to: `OK`, or why it was refused.
pub(crate) fn outcome<T>(answer: &Result<T, Status>) -> String {
    answer.as_ref().map_or_else(told, |_| "OK".to_owned())
}

/// What the user is told by the first call that meets a limit on calls.
pub(crate) async fn refused_at_last(user: &User) -> Status {
    for _ in 0..1_000 {
        let list = docket_proto::v1::ListTasksRequest::default();
        if let Err(status) = user.tasks().list_tasks(list).await {
            return status;
        }
    }
    panic!("no call was refused");
}
