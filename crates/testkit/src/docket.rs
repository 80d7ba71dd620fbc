//! The binary under test.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Output;

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::client;
use crate::figures::Figures;
use crate::fleet::Release;
use crate::http;
use crate::port::Port;
use crate::process::{Process, Program};
use crate::storage::{Opened, Storage};
use crate::user::User;

/// A Docket to be started.
#[derive(Debug)]
pub struct DocketBuilder {
    program: Program,
    storage: Storage,
    public: Port,
    app: Port,
    admin: Port,
    failpoints: Vec<String>,
}

/// A Docket with a database of its own.
#[derive(Debug)]
pub struct Docket {
    process: Process,
    storage: Storage,
    /// Whether it is of the release under test.
    under_test: bool,
    /// How many bytes of its log other releases have written in its place, and were read.
    read: usize,
    public: SocketAddr,
    app: SocketAddr,
    admin: SocketAddr,
}

impl Docket {
    /// Reserves the ports of the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    pub fn builder(binary: &Path) -> DocketBuilder {
        let [public, app, admin] = std::array::from_fn(|_| Port::reserve());
        let mut program = Program::new("docket", binary);
        program.arguments = vec!["serve".to_owned()];
        for (name, value) in [
            ("DOCKET_DATA_DIR", ".".to_owned()),
            ("DOCKET_LISTEN__PUBLIC", public.address().to_string()),
            ("DOCKET_LISTEN__APP", app.address().to_string()),
            ("DOCKET_LISTEN__ADMIN", admin.address().to_string()),
            // A test's users are few, and fast.
            ("DOCKET_LIMITS__RATE_PER_SECOND", "0".to_owned()),
            ("NO_COLOR", "1".to_owned()),
            ("RUST_BACKTRACE", "1".to_owned()),
        ] {
            program.environment.insert(name.to_owned(), value);
        }
        let builder =
            DocketBuilder { program, storage: Storage::Sqlite, public, app, admin, failpoints: Vec::new() };
        builder.storage(&Storage::Sqlite)
    }

    /// Waits until it says that it is serving.
    pub async fn ready(&mut self) {
        let channel = self.public_channel();
        self.process.ready(async || serves(&channel).await).await;
    }

    /// Asks once whether it serves.
    pub async fn serves(&self) -> Result<(), String> {
        serves(&self.public_channel()).await
    }

    /// Kills it if it runs, and starts it again with what it had, but without failpoints.
    pub async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.ready().await;
    }

    /// Is of this release from its next start on. Other commands of the binary are at once.
    ///
    /// # Panics
    /// When it runs, or has said what is nobody's business.
    pub fn change_to(&mut self, release: &Release) {
        assert!(self.process.id().is_none(), "{} runs", self.process.name());
        self.read = self.process.check_discretion(self.read, self.under_test);
        self.process.change_to(&release.binary, release.unknown);
        self.under_test = release.under_test;
    }

    /// Runs another command of the binary, in the same folder and environment.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.output_of(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docket {arguments:?}: {}: {error}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, however it ends.
    pub fn output_of(&self, arguments: &[&str]) -> Output {
        self.process.command().args(arguments).output().expect("the binary can be run")
    }

    /// A token of the user's.
    pub fn token(&self, user: &str) -> String {
        self.run(&["token", "--user", user]).trim().to_owned()
    }

    /// The API, as this user.
    pub fn user(&self, name: &str) -> User {
        User::new(self.public_channel(), &self.token(name))
    }

    /// Its database, opened once more.
    pub async fn database(&self) -> Opened {
        self.storage.open(self.folder()).await
    }

    /// The public port.
    pub fn public_channel(&self) -> Channel {
        client::channel(self.public)
    }

    /// Asks the admin port for a page; the status and the body, or why there is no answer.
    pub async fn ask(&self, path: &str) -> Result<(u16, String), String> {
        self.tell("GET", path, "").await
    }

    /// The same by another method, with a body.
    pub async fn tell(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        http::exchange(self.admin, method, path, &[], body).await.map_err(|error| error.to_string())
    }

    /// All figures that it tells, or why there are none.
    pub async fn figures(&self) -> Result<Figures, String> {
        match self.ask("/metrics").await? {
            (200, page) => Figures::parse(&page),
            other => Err(format!("{other:?}")),
        }
    }

    /// Where operators ask.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The port that is meant for the sidecar.
    pub fn app_channel(&self) -> Channel {
        client::channel(self.app)
    }
}

async fn serves(channel: &Channel) -> Result<(), String> {
    let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    let status = answer.map_err(|status| status.to_string())?.into_inner().status();
    if status == ServingStatus::Serving { Ok(()) } else { Err(format!("health is {status:?}")) }
}

impl DocketBuilder {
    /// The port that is meant for the sidecar.
    pub fn app_port(&self) -> u16 {
        self.app.number()
    }

    /// Keeps the data there. A database on PostgreSQL is to be migrated first.
    pub fn storage(mut self, storage: &Storage) -> Self {
        self.storage = storage.clone();
        self.env("DOCKET_DATABASE__URL", &storage.url())
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.program.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Takes a variable of its environment away again.
    pub fn without_env(mut self, name: &str) -> Self {
        self.program.environment.remove(name);
        self
    }

    /// The sidecar: the port of its gRPC API, what it wants to see, and what it shows when it calls.
    pub fn sidecar(self, grpc_port: u16, api_token: &str, app_api_token: &str) -> Self {
        self.env("DOCKET_DAPR__ENDPOINT", &format!("http://127.0.0.1:{grpc_port}"))
            .env("DAPR_API_TOKEN", api_token)
            .env("APP_API_TOKEN", app_api_token)
    }

    /// Arms a failpoint, for the first start only. Needs a binary that was built with them.
    pub fn failpoint(mut self, name: &str, action: &str) -> Self {
        self.failpoints.push(format!("{name}={action}"));
        self
    }

    /// Starts it without waiting.
    pub fn spawn(self) -> Docket {
        let mut docket = self.at_rest();
        docket.spawn();
        docket
    }

    /// Does not start it.
    pub(crate) fn at_rest(mut self) -> Docket {
        if !self.failpoints.is_empty() {
            self.program.first_environment.insert("FAILPOINTS".to_owned(), self.failpoints.join(";"));
        }
        let [public, app, admin] = [&self.public, &self.app, &self.admin].map(Port::address);
        self.program.ports = vec![self.public, self.app, self.admin];
        let process = Process::new(self.program);
        Docket { process, storage: self.storage, under_test: true, read: 0, public, app, admin }
    }

    /// Starts it, and waits until it serves.
    pub async fn start(self) -> Docket {
        let mut docket = self.spawn();
        docket.ready().await;
        docket
    }
}

impl Drop for Docket {
    /// Ends it, and reads its log: it must not have said what is nobody's business.
    fn drop(&mut self) {
        self.process.kill();
        // Whoever fails already is not to be interrupted.
        if !std::thread::panicking() {
            self.process.check_discretion(self.read, self.under_test);
        }
    }
}

impl Deref for Docket {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Docket {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
