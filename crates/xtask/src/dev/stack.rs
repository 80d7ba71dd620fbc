//! The programs, wired together.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::child::Child;
use super::mail::{self, Mail};
use super::observe::Observe;
use super::ports::{self, Port};
use crate::guard::Guard;
use crate::http;
use crate::random;
use crate::tools::{self, Paths, Tool};
use crate::workspace;

/// How long each part may take to become ready.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// Scheduler, `docket` and sidecar, and a mail server and a collector of traces if there is to be one.
#[derive(Debug)]
pub(crate) struct Stack {
    data: PathBuf,
    logs: PathBuf,
    docket: PathBuf,
    tools: Paths,
    public: SocketAddr,
    ports: Ports,
    mail: Option<Mail>,
    observe: Option<Observe>,
    /// Shown by the sidecar to `docket`, so that nobody else can deliver events. New for each run.
    app_token: String,
    /// Shown by `docket` to the sidecar, so that nobody else can publish through it, or end it. New for each run.
    api_token: String,
    guard: Guard,
    /// In the order in which they are stopped.
    children: Vec<Child>,
}

#[derive(Debug)]
struct Ports {
    app: Port,
    admin: Port,
    http: Port,
    grpc: Port,
    internal: Port,
    scheduler: Port,
    health: Port,
    etcd_client: Port,
    etcd_peer: Port,
}

impl Stack {
    /// Prepares the folders and the ports, those of a mail server and a collector only if there is to be one.
    pub(crate) fn new(
        data: PathBuf,
        public: SocketAddr,
        docket: PathBuf,
        tools: Paths,
        mail: bool,
        observe: bool,
    ) -> Result<Self> {
        let logs = data.join("logs");
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let [app, http, grpc, internal, scheduler, health, etcd_client, etcd_peer, smtp, mail_api, admin] =
            ports::after(public.port())?;
        let mail = mail.then(|| Mail::new(smtp, mail_api));
        let observe = observe.then(|| ports::after(public.port()).map(Observe::new)).transpose()?;
        let ports = Ports { app, admin, http, grpc, internal, scheduler, health, etcd_client, etcd_peer };
        let (app_token, api_token) = (random::hex(32)?, random::hex(32)?);
        let guard = Guard::start()?;
        let children = Vec::new();
        Ok(Self {
            data,
            logs,
            docket,
            tools,
            public,
            ports,
            mail,
            observe,
            app_token,
            api_token,
            guard,
            children,
        })
    }

    /// Where the data is.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Where the logs are.
    pub(crate) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Where clients call.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where the sidecar calls.
    pub(crate) fn app(&self) -> SocketAddr {
        self.ports.app.address()
    }

    /// Where operators ask `docket` itself.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.ports.admin.address()
    }

    /// The sidecar's HTTP and gRPC APIs.
    pub(crate) fn sidecar(&self) -> [SocketAddr; 2] {
        [self.ports.http.address(), self.ports.grpc.address()]
    }

    /// Where sidecars find the scheduler.
    pub(crate) fn scheduler(&self) -> SocketAddr {
        self.ports.scheduler.address()
    }

    /// Where mail to an address can be read, if there is a mail server.
    pub(crate) fn mailbox(&self, address: &str) -> Option<String> {
        self.mail.as_ref().map(|mail| mail.box_of(address))
    }

    /// Where traces are shown, if they are.
    pub(crate) fn traces(&self) -> Option<SocketAddr> {
        self.observe.as_ref().map(Observe::pages)
    }

    /// Where those of calls of a method are shown, if they are.
    pub(crate) fn traces_of(&self, method: &str) -> Option<String> {
        self.observe.as_ref().map(|observe| observe.calls(method))
    }

    /// A tool.
    pub(crate) fn tool(&self, tool: Tool) -> Result<&Path> {
        self.tools.of(tool)
    }

    /// Starts all and waits until each is ready.
    pub(crate) async fn start(&mut self) -> Result<()> {
        self.start_scheduler().await?;
        self.start_mail().await?;
        self.start_observe().await?;
        // The sidecar waits for the app to listen, and the app is ready when it has the sidecar.
        self.start_docket().await?;
        self.start_sidecar().await?;
        let (grpcurl, public) = (self.tool(Tool::Grpcurl)?.to_owned(), self.public.to_string());
        self.wait_for("docket", async || {
            let mut ask = tokio::process::Command::new(&grpcurl);
            ask.args(["-plaintext", "-max-time", "2", &public, "grpc.health.v1.Health/Check"]);
            let answer = ask.output().await.map_err(|error| error.to_string())?;
            let [says, error] =
                [answer.stdout, answer.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            if says.contains("\"SERVING\"") { Ok(()) } else { Err(format!("{says}{error}")) }
        })
        .await
    }

    /// Waits until one ends, which is an error.
    pub(crate) async fn watch(&mut self) -> Result<()> {
        loop {
            self.all_alive()?;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Stops all: what uses the others first.
    pub(crate) async fn stop(&mut self) {
        match &mut self.children[..] {
            [docket, sidecar, used @ ..] => {
                tokio::join!(docket.stop(), sidecar.stop());
                for child in used {
                    child.stop().await;
                }
            }
            // The start was interrupted.
            some => {
                for child in some {
                    child.stop().await;
                }
            }
        }
        self.dismiss();
    }

    /// Ends all at once.
    pub(crate) async fn kill(&mut self) {
        for child in &mut self.children {
            child.kill().await;
        }
        self.dismiss();
    }

    /// The number of a group that has ended may be given to somebody else.
    fn dismiss(&mut self) {
        for child in self.children.drain(..) {
            // A guard that is gone needs not be told.
            let _ = self.guard.forget(child.group());
        }
    }

    /// The `docket` of this run, with its configuration.
    pub(crate) fn docket(&self) -> Command {
        let mut docket = Command::new(&self.docket);
        docket.current_dir(workspace::root());
        docket.env("DOCKET_DATA_DIR", &self.data);
        docket.env("DOCKET_DATABASE__URL", format!("sqlite:{}", self.data.join("docket.db").display()));
        docket.env("DOCKET_DAPR__ENDPOINT", format!("http://{}", self.ports.grpc.address()));
        docket.env("APP_API_TOKEN", &self.app_token).env("DAPR_API_TOKEN", &self.api_token);
        if self.mail.is_some() {
            docket.envs(Mail::settings());
        }
        if self.observe.is_some() {
            docket.envs(Observe::settings());
        }
        docket
    }

    async fn start_scheduler(&mut self) -> Result<()> {
        let Ports { scheduler, health, etcd_client, etcd_peer, .. } = &mut self.ports;
        let mut command = Command::new(self.tools.of(Tool::Scheduler)?);
        command.current_dir(&self.data).args([
            "--listen-address=127.0.0.1".to_owned(),
            format!("--port={}", scheduler.number()),
            format!("--override-broadcast-host-port={}", scheduler.address()),
            "--healthz-listen-address=127.0.0.1".to_owned(),
            format!("--healthz-port={}", health.number()),
            "--enable-metrics=false".to_owned(),
            "--etcd-data-dir=scheduler".to_owned(),
            "--etcd-client-listen-address=127.0.0.1".to_owned(),
            format!("--etcd-client-port={}", etcd_client.number()),
            format!("--etcd-initial-cluster=dapr-scheduler-server-0=http://{}", etcd_peer.address()),
        ]);
        let health_address = health.address();
        for port in [scheduler, health, etcd_client, etcd_peer] {
            port.release();
        }
        self.adopt(0, Child::spawn("scheduler", command, &self.logs)?)?;
        self.wait_for("scheduler", async || http::get(health_address, "/healthz").await.map(drop)).await
    }

    async fn start_mail(&mut self) -> Result<()> {
        let Some(mail) = &mut self.mail else { return Ok(()) };
        mail.write_secrets(&self.data)?;
        let command = mail.command(&tools::java()?, self.tools.of(Tool::Mail)?);
        let (address, path) = mail.readiness();
        self.adopt(0, Child::spawn("mail", command, &self.logs)?)?;
        self.wait_for("mail", async || http::get(address, path).await.map(drop)).await
    }

    /// The collector, and its sidecar.
    async fn start_observe(&mut self) -> Result<()> {
        let Some(observe) = &mut self.observe else { return Ok(()) };
        observe.write_configuration(&self.data, self.tools.of(Tool::JaegerUi)?)?;
        let collector = observe.collector(self.tools.of(Tool::Jaeger)?, &self.data);
        let sidecar = observe.sidecar(self.tools.of(Tool::Daprd)?, &self.data);
        let (pages, (sidecar_address, path)) = (observe.pages(), observe.readiness());
        self.adopt(0, Child::spawn("jaeger", collector, &self.logs)?)?;
        self.wait_for("jaeger", async || http::get(pages, "/").await.map(drop)).await?;
        self.adopt(0, Child::spawn("jaeger-daprd", sidecar, &self.logs)?)?;
        self.wait_for("jaeger's daprd", async || http::get(sidecar_address, path).await.map(drop)).await
    }

    async fn start_docket(&mut self) -> Result<()> {
        let mut command = self.docket();
        command.arg("serve").arg(format!("--public-address={}", self.public));
        command.arg(format!("--app-address={}", self.ports.app.address()));
        command.arg(format!("--admin-address={}", self.ports.admin.address()));
        self.ports.app.release();
        self.ports.admin.release();
        self.adopt(0, Child::spawn_aloud("docket", command, &self.logs)?)?;
        let app = self.ports.app.address();
        self.wait_for("docket", async || {
            tokio::net::TcpStream::connect(app).await.map(drop).map_err(|error| error.to_string())
        })
        .await
    }

    async fn start_sidecar(&mut self) -> Result<()> {
        let Ports { app, http, grpc, internal, scheduler, .. } = &mut self.ports;
        let resources = workspace::root().join("components/local");
        let mut command = Command::new(self.tools.of(Tool::Daprd)?);
        command.current_dir(&self.data).args([
            "--app-id=docket".to_owned(),
            format!("--app-port={}", app.number()),
            "--app-protocol=grpc".to_owned(),
            "--enable-app-health-check".to_owned(),
            "--app-health-probe-interval=1".to_owned(),
            "--app-health-probe-timeout=1000".to_owned(),
            format!("--scheduler-host-address={}", scheduler.address()),
            format!("--resources-path={}", resources.display()),
            format!("--config={}", resources.join("config.yaml").display()),
            "--dapr-listen-addresses=127.0.0.1".to_owned(),
            format!("--dapr-http-port={}", http.number()),
            format!("--dapr-grpc-port={}", grpc.number()),
            "--dapr-internal-grpc-listen-address=127.0.0.1".to_owned(),
            format!("--dapr-internal-grpc-port={}", internal.number()),
            "--enable-metrics=false".to_owned(),
        ]);
        if self.mail.is_some() {
            for folder in mail::RESOURCES {
                command.arg(format!("--resources-path={}", workspace::root().join(folder).display()));
            }
        }
        // What it tells other sidecars on this machine.
        command.env("DAPR_HOST_IP", "127.0.0.1");
        command.env("APP_API_TOKEN", &self.app_token).env("DAPR_API_TOKEN", &self.api_token);
        let http_address = http.address();
        for port in [http, grpc, internal] {
            port.release();
        }
        self.adopt(1, Child::spawn("daprd", command, &self.logs)?)?;
        self.wait_for("daprd", async || http::get(http_address, "/v1.0/healthz").await.map(drop)).await
    }

    /// Keeps a child at its place in the order in which they are stopped.
    fn adopt(&mut self, place: usize, child: Child) -> Result<()> {
        self.guard.watch(child.group())?;
        self.children.insert(place.min(self.children.len()), child);
        Ok(())
    }

    fn all_alive(&mut self) -> Result<()> {
        for child in &mut self.children {
            if let Some(status) = child.ended() {
                return Err(child.obituary(status));
            }
        }
        Ok(())
    }

    async fn wait_for(&mut self, what: &str, ready: impl AsyncFn() -> Result<(), String>) -> Result<()> {
        eprintln!("    waiting for {what} ...");
        let start = Instant::now();
        while let Err(status) = ready().await {
            self.all_alive()?;
            if start.elapsed() > LIMIT {
                let logs = self.logs.display();
                bail!("{what} is not ready after {} s: {status}\n  Its log is in {logs}.", LIMIT.as_secs());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
