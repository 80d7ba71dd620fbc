//! Puts the roles of one process together: binds, opens, builds, runs, drains.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::source::{Clock, Ids};
use docket_outbox::{Burial, Handler, Relay, Topic, dead_letter_topic};
use docket_rpc::{Health, Limits, Port, Server, reflection};
use docket_sidecar::{Client, Guard, Router, TopicHandler};
use docket_store::{Lock, Schema, Store, Stores};
use futures::future::select_all;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

use crate::config::Config;
use crate::identity::Identity;
use crate::source::{SystemClock, TimeOrderedIds};
use crate::target::Target;

/// The name under which health tells whether the sidecar takes events.
pub const SIDECAR: &str = "docket.sidecar";

/// A process that is ready to run: everything that can fail at the start has not.
pub struct App {
    config: Config,
    /// None for a database in memory.
    lock: Option<Lock>,
    stores: Stores,
    health: Health,
    identity: Identity,
    clock: Arc<dyn Clock>,
    public: Door,
    app: Option<Door>,
    relays: Vec<Relay>,
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
    stores: Stores,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    identity: Identity,
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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = Identity::open(&config, clock.clone()).await?;
        let lock = Lock::take(&config.database).context("database")?;
        let stores = Stores::open(&config.database, &config.schemas()).await.context("database")?;
        if stores.is_embedded() {
            // The lock makes the embedded database this process's alone, so nobody else can be waiting for its schema.
            stores.migrate_up(None).await.context("database: the schema cannot be brought up to date")?;
        }
        stores.check_schema().await.context("database")?;
        let shared = Shared { stores, clock, ids: Arc::new(TimeOrderedIds), identity };

        let health = Health::new(services(&config)).await;
        let draining = CancellationToken::new();
        let routes = reflection::add_to(api(&config, &shared).add_service(health.service()))?;
        let public = Door { routes, ..public };
        let (app, relays) = match app {
            Some(door) => {
                let (routes, relays) = sidecar(&config, &shared, &health, &draining)?;
                (Some(Door { routes, ..door }), relays)
            }
            None => (None, Vec::new()),
        };
        let Shared { stores, clock, identity, .. } = shared;
        Ok(Self { config, lock, stores, health, identity, clock, public, app, relays, draining })
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
        self.stores.statements().clone()
    }

    /// Follows how each relay is doing.
    pub fn relay_status(&self) -> Vec<watch::Receiver<docket_outbox::Status>> {
        self.relays.iter().map(Relay::status).collect()
    }

    /// Runs until it is told to stop, or a part fails; then what is under way is finished.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let drain = Duration::from_secs(self.config.drain_seconds);
        let mut parts: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (public, app) = (self.public.address, self.app.as_ref().map(|door| door.address));
        let limits = Arc::new(Limits::new(&self.config.limits, Arc::new(rand::random::<f64>)));
        let Identity { authenticator, tls, .. } = self.identity;
        let doors = [(Some(self.public), Port::Public, tls.clone()), (self.app, Port::App, None)];
        for (door, port, tls) in doors {
            let Some(door) = door else { continue };
            let (authenticator, clock) = (authenticator.clone(), self.clock.clone());
            let (server, health) = (self.config.server.clone(), self.health.clone());
            let server = Server::new(server, port, authenticator, clock, health, limits.clone());
            let server = server.with_tls(tls);
            let stop = stop.clone();
            parts.spawn(async move {
                server.serve(door.listener, door.routes, stop, drain).await;
                Ok(())
            });
        }
        let keys = stop.clone();
        parts.spawn(async move {
            authenticator.run(keys).await;
            Ok(())
        });
        if let Some(tls) = tls {
            let stop = stop.clone();
            parts.spawn(async move {
                tls.run(stop).await;
                Ok(())
            });
        }
        if !self.relays.is_empty() {
            let statuses = self.relays.iter().map(Relay::status).collect();
            parts.spawn(tell(statuses, self.health.clone(), stop.clone()));
        }
        for relay in self.relays {
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
        self.stores.close().await?;
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
            store: shared.stores.of(Schema::Tasks),
            clock: shared.clock.clone(),
            ids: shared.ids.clone(),
        };
        let tasks = config.tasks.clone().build(deps);
        let tasks = tasks.accept_compressed(CompressionEncoding::Gzip);
        let tasks = tasks.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(tasks.max_encoding_message_size(limits.max_response_bytes));
    }
    if config.runs(Target::Audit) {
        let deps = docket_audit::Deps { store: shared.stores.of(Schema::Audit), clock: shared.clock.clone() };
        let audit = docket_audit::service(&deps).accept_compressed(CompressionEncoding::Gzip);
        let audit = audit.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(audit.max_encoding_message_size(limits.max_response_bytes));
    }
    routes
}

/// What the sidecar calls, and the relays that call the sidecar: one for each outbox.
fn sidecar(
    config: &Config,
    shared: &Shared,
    health: &Health,
    draining: &CancellationToken,
) -> anyhow::Result<(Routes, Vec<Relay>)> {
    let client = Client::connect_lazy(&config.dapr)?;
    let jitter: docket_sidecar::Jitter = Arc::new(rand::random::<f64>);
    let (pubsub, topic) = (&config.dapr.pubsub, &config.tasks.topic);
    let tasks = shared.stores.of(Schema::Tasks);
    let mut handlers: Vec<(Arc<dyn TopicHandler>, Store)> = Vec::new();
    if config.runs(Target::Audit) {
        let store = shared.stores.of(Schema::Audit);
        let deps = docket_audit::Deps { store: store.clone(), clock: shared.clock.clone() };
        handlers.push((Arc::new(docket_audit::handler(deps)), store));
    }
    // There when the target runs.
    if let Some(token) = shared.identity.service_token.clone() {
        let store = shared.stores.of(Schema::Recurrence);
        let (clock, client) = (shared.clock.clone(), client.clone());
        let deps = docket_recurrence::Deps { store: store.clone(), clock, client, token };
        handlers.push((Arc::new(config.recurrence.clone().build(deps)?), store));
    }

    // A receipt lets the next event of its task leave, so the relay of those events is woken by it as by a commit.
    let waiting = tasks.clone();
    let mut router =
        Router::new(&config.dapr, jitter.clone()).tell(Arc::new(move || waiting.outbox_changed()));
    let mut receipts = Vec::new();
    let mut outboxes = Outboxes(Vec::new());
    for (handler, store) in handlers {
        receipts.push(Handler { name: handler.name(), store: store.clone() });
        let letters = Topic { pubsub: pubsub.clone(), name: dead_letter_topic(topic), handlers: Vec::new() };
        outboxes.add(&store, letters);
        let burial = Burial { store, clock: shared.clock.clone(), ids: shared.ids.clone() };
        router = router.subscribe(pubsub, topic, handler, Arc::new(burial))?;
    }
    if config.runs(Target::Tasks) {
        let events = Topic { pubsub: pubsub.clone(), name: topic.clone(), handlers: receipts };
        outboxes.add(&tasks, events);
    }
    let relay = |(store, topics): (Store, Vec<Topic>)| {
        let deps = docket_outbox::Deps {
            store,
            client: client.clone(),
            pubsub: pubsub.clone(),
            topics,
            ids: shared.ids.clone(),
            jitter: jitter.clone(),
        };
        config.outbox.clone().build(deps)
    };
    let relays = outboxes.0.into_iter().map(relay).collect();
    let guard = Guard::new(&config.dapr)?;
    let routes = api(config, shared).add_service(health.service());
    Ok((docket_sidecar::add_callbacks(routes, router, &guard, draining.clone()), relays))
}

/// The topics that leave each outbox.
struct Outboxes(Vec<(Store, Vec<Topic>)>);

impl Outboxes {
    fn add(&mut self, store: &Store, topic: Topic) {
        match self.0.iter_mut().find(|(other, _)| other.is_same(store)) {
            Some((_, topics)) => topics.push(topic),
            None => self.0.push((store.clone(), vec![topic])),
        }
    }
}

/// Tells health whether the sidecar takes events, by the word of all relays.
async fn tell(
    mut statuses: Vec<watch::Receiver<docket_outbox::Status>>,
    health: Health,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let connected: Vec<bool> =
            statuses.iter_mut().map(|status| status.borrow_and_update().connected).collect();
        health.set(SIDECAR, connected.into_iter().all(|connected| connected)).await;
        let changes = statuses.iter_mut().map(|status| Box::pin(status.changed()));
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            (changed, ..) = select_all(changes) => if changed.is_err() { return Ok(()) },
        }
    }
}
