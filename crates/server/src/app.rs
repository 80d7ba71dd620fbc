//! Puts the roles of one process together: binds, opens, builds, runs, drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::source::{Clock, Ids};
use docket_outbox::{Burial, Relay, Topic, dead_letter_topic};
use docket_rpc::{Authenticator, Health, Port, Server, reflection};
use docket_sidecar::{Client, Guard, Router};
use docket_store::{Lock, Store};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::config::Config;
use crate::source::{SystemClock, TimeOrderedIds};
use crate::target::Target;

/// The name under which health tells whether the sidecar takes events.
pub const SIDECAR: &str = "docket.sidecar";

/// A process that is ready to run: everything that can fail at the start has not.
pub struct App {
    config: Config,
    /// None for a database in memory.
    lock: Option<Lock>,
    store: Store,
    health: Health,
    authenticator: Arc<Authenticator>,
    clock: Arc<dyn Clock>,
    public: Door,
    app: Option<Door>,
    relay: Option<Relay>,
    draining: CancellationToken,
}

/// An address that is listened on, and what is served there.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
}

/// What the roles share.
struct Shared {
    store: Store,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    committed: Arc<Notify>,
    authenticator: Arc<Authenticator>,
}

impl App {
    /// Builds everything; nothing is served yet.
    pub async fn build(config: Config) -> anyhow::Result<Self> {
        let public = bind(config.listen.public, "listen.public").await?;
        let app = match config.dapr.enabled {
            true => Some(bind(config.listen.app, "listen.app").await?),
            false => None,
        };
        std::fs::create_dir_all(&config.data_dir).context("data_dir: cannot be created")?;
        let secret =
            config.auth.load_secret(&config.secret_file()).context("auth: the secret cannot be had")?;
        let lock = Lock::take(&config.database).context("database")?;
        let store = Store::open(&config.database).await.context("database")?;
        // The lock makes the embedded database this process's alone, so nobody else can be waiting for its schema.
        store.migrate_up(None).await.context("database: the schema cannot be brought up to date")?;
        let shared = Shared {
            store,
            clock: Arc::new(SystemClock),
            ids: Arc::new(TimeOrderedIds),
            committed: Arc::new(Notify::new()),
            authenticator: Arc::new(Authenticator::new(&config.auth, &secret)),
        };

        let health = Health::new(services(&config)).await;
        let draining = CancellationToken::new();
        let routes = reflection::add_to(api(&config, &shared).add_service(health.service()))?;
        let public = Door { routes, ..public };
        let (app, relay) = match app {
            Some(door) => {
                let (routes, relay) = sidecar(&config, &shared, &health, &draining)?;
                (Some(Door { routes, ..door }), relay)
            }
            None => (None, None),
        };
        let Shared { store, clock, authenticator, .. } = shared;
        Ok(Self { config, lock, store, health, authenticator, clock, public, app, relay, draining })
    }

    /// Where clients call.
    pub fn public_address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the sidecar calls.
    pub fn app_address(&self) -> Option<SocketAddr> {
        self.app.as_ref().map(|door| door.address)
    }

    /// Counts what is sent to the database.
    pub fn statements(&self) -> docket_store::Statements {
        self.store.statements().clone()
    }

    /// Follows how the relay is doing.
    pub fn relay_status(&self) -> Option<watch::Receiver<docket_outbox::Status>> {
        self.relay.as_ref().map(Relay::status)
    }

    /// Runs until it is told to stop, or a part fails; then what is under way is finished.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let drain = Duration::from_secs(self.config.drain_seconds);
        let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (public, app) = (self.public.address, self.app.as_ref().map(|door| door.address));
        for (door, port) in [(Some(self.public), Port::Public), (self.app, Port::App)] {
            let Some(door) = door else { continue };
            let (authenticator, clock) = (self.authenticator.clone(), self.clock.clone());
            let server =
                Server::new(self.config.server.clone(), port, authenticator, clock, self.health.clone());
            let stop = stop.clone();
            parts.spawn(async move { Ok(server.serve(door.listener, door.routes, stop, drain).await?) });
        }
        if let Some(relay) = self.relay {
            parts.spawn(tell(relay.status(), self.health.clone(), stop.clone()));
            let stop = stop.clone();
            parts.spawn(async move {
                relay.run(stop).await;
                Ok(())
            });
        }
        self.health.serving().await;
        let app = app.map(|address| address.to_string()).unwrap_or_else(|| "none".to_owned());
        tracing::info!(%public, app, "docket is ready: clients call {public}, the sidecar calls {app}");

        // A part that ends before it is told to takes the others with it.
        let early = tokio::select! {
            // First, because parts that were told to stop end too.
            biased;
            () = stop.cancelled() => None,
            ended = parts.join_next() => ended,
        };
        tracing::info!("docket stops");
        self.draining.cancel();
        stop.cancel();
        let mut outcome =
            early.map_or(Ok(()), |ended| ended?.and_then(|()| anyhow::bail!("a part ended early")));
        while let Some(ended) = parts.join_next().await {
            outcome = outcome.and(ended?);
        }
        self.store.close().await?;
        drop(self.lock);
        outcome
    }
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<Door> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))?;
    Ok(Door { address: listener.local_addr()?, listener, routes: Routes::default() })
}

/// The names that health knows.
fn services(config: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    if config.runs(Target::Tasks) {
        names.push("docket.v1.TaskService");
    }
    if config.runs(Target::Audit) {
        names.push("docket.v1.AuditService");
    }
    names
}

/// The API of the targets that this process runs.
fn api(config: &Config, shared: &Shared) -> Routes {
    let limits = &config.server;
    let mut routes = Routes::default();
    if config.runs(Target::Tasks) {
        let deps = docket_tasks::Deps {
            store: shared.store.clone(),
            clock: shared.clock.clone(),
            ids: shared.ids.clone(),
            committed: shared.committed.clone(),
        };
        let tasks = config.tasks.clone().build(deps);
        let tasks = tasks.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(tasks.max_encoding_message_size(limits.max_response_bytes));
    }
    if config.runs(Target::Audit) {
        let deps = docket_audit::Deps { store: shared.store.clone(), clock: shared.clock.clone() };
        let audit = docket_audit::service(&deps).max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(audit.max_encoding_message_size(limits.max_response_bytes));
    }
    routes
}

/// What the sidecar calls, and the relay that calls the sidecar.
fn sidecar(
    config: &Config,
    shared: &Shared,
    health: &Health,
    draining: &CancellationToken,
) -> anyhow::Result<(Routes, Option<Relay>)> {
    let client = Client::connect_lazy(&config.dapr)?;
    let jitter: docket_sidecar::Jitter = Arc::new(rand::random::<f64>);
    let burial = Burial {
        store: shared.store.clone(),
        clock: shared.clock.clone(),
        ids: shared.ids.clone(),
        committed: shared.committed.clone(),
    };
    let (pubsub, topic) = (&config.dapr.pubsub, &config.tasks.topic);
    // A receipt lets the next event of its task leave, so the relay is woken by it as by a commit.
    let mut router =
        Router::new(&config.dapr, Arc::new(burial), jitter.clone()).tell(shared.committed.clone());
    if config.runs(Target::Audit) {
        let deps = docket_audit::Deps { store: shared.store.clone(), clock: shared.clock.clone() };
        router = router.subscribe(pubsub, topic, Arc::new(docket_audit::handler(deps)))?;
    }
    if config.runs(Target::Recurrence) {
        let deps = docket_recurrence::Deps {
            store: shared.store.clone(),
            clock: shared.clock.clone(),
            client: client.clone(),
            authenticator: shared.authenticator.clone(),
        };
        router = router.subscribe(pubsub, topic, Arc::new(config.recurrence.clone().build(deps)?))?;
    }
    let events =
        |name: String| Topic { handlers: router.handlers(pubsub, &name), pubsub: pubsub.clone(), name };
    let deps = docket_outbox::Deps {
        store: shared.store.clone(),
        client,
        committed: shared.committed.clone(),
        topics: vec![events(topic.clone()), events(dead_letter_topic(topic))],
        jitter,
    };
    let relay = config.outbox.clone().build(deps);
    let guard = Guard::new(&config.dapr)?;
    let routes = api(config, shared).add_service(health.service());
    Ok((docket_sidecar::add_callbacks(routes, router, &guard, draining.clone()), Some(relay)))
}

/// Tells health whether the sidecar takes events.
async fn tell(
    mut status: watch::Receiver<docket_outbox::Status>,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let connected = status.borrow_and_update().connected;
        health.set(SIDECAR, connected).await;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = status.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}
