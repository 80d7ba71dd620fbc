//! Puts the roles of one process together: binds, opens, builds.

mod health;
mod operating;
mod reminding;
mod run;
mod sidecar;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use docket_domain::source::{Clock, Ids};
use docket_outbox::Relay;
use docket_rpc::{Health, reflection};
use docket_sidecar::{Client, Drain, Jitter};
use docket_store::{Lock, Schema, Stores};
use docket_telemetry::{Handle, Meters};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

use crate::admin::Admin;
use crate::config::Config;
use crate::databases::Databases;
use crate::identity::Identity;
use crate::lag::Lag;
use crate::retention::Purge;
use crate::source::{SystemClock, TimeOrderedIds};
use crate::target::Target;
use crate::telling;
use reminding::{Loops, Reminding};

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
    meters: Meters,
    public: Door,
    app: Option<Door>,
    admin: Option<(TcpListener, Admin)>,
    relays: Vec<Relay>,
    loops: Loops,
    letters: Option<docket_deadletters::Watch>,
    purge: Purge,
    lag: Option<Lag>,
    drain: Drain,
    telemetry: Handle,
}

/// An address that is listened on, and what is served there.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
}

/// The addresses of a process. Nothing is served there yet.
struct Doors {
    public: Door,
    /// None where Dapr is off.
    app: Option<Door>,
    admin: Option<TcpListener>,
}

impl Doors {
    async fn open(config: &Config) -> anyhow::Result<Self> {
        let public = bind(config.listen.public, "listen.public").await?;
        let app = match config.dapr.enabled {
            true => Some(bind(config.listen.app, "listen.app").await?),
            false => None,
        };
        let admin = match config.listen.admin {
            Some(address) => Some(bind(address, "listen.admin").await?.listener),
            None => None,
        };
        Ok(Self { public, app, admin })
    }
}

/// What the roles share.
struct Shared {
    stores: Stores,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    jitter: Jitter,
    /// The sidecar. Nobody calls it where Dapr is off.
    client: Client,
    identity: Identity,
    meters: Meters,
}

impl Shared {
    /// Opens the databases, whose schemas are then those of this release, and what else is needed from outside; with the lock
    /// of an embedded database.
    async fn open(config: &Config, telemetry: &Handle) -> anyhow::Result<(Self, Option<Lock>)> {
        std::fs::create_dir_all(&config.data_dir).context("data_dir: cannot be created")?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let identity = Identity::open(config, clock.clone()).await?;
        let lock = Lock::take(&config.database).context("database")?;
        let stores = Stores::open(&config.database, &config.schemas()).await?;
        let stores = stores.with_meter(&telemetry.meters.meter("docket-store"));
        if stores.is_embedded() {
            // The lock makes the embedded database this process's alone, so nobody else can be waiting for its schema.
            stores.migrate_up(None).await.context("database: the schema cannot be brought up to date")?;
        }
        stores.check_schema().await.context("database")?;
        let shared = Self {
            stores,
            clock,
            ids: Arc::new(TimeOrderedIds),
            jitter: Arc::new(rand::random::<f64>),
            client: Client::connect_lazy(&config.dapr)?,
            identity,
            meters: telemetry.meters.clone(),
        };
        Ok((shared, lock))
    }
}

impl App {
    /// Builds everything; nothing is served yet.
    pub async fn build(config: Config, telemetry: Handle) -> anyhow::Result<Self> {
        // Before the database, so that a second process is told of its ports and not of a lock.
        let Doors { public, app, admin } = Doors::open(&config).await?;
        let (shared, lock) = Shared::open(&config, &telemetry).await?;

        let stores = config.schemas().into_iter().map(|schema| (schema, shared.stores.of(schema)));
        let databases = Arc::new(Databases::new(stores.collect()));
        let health = health::health(&config, &databases).await;
        let drain = Drain::new();
        let reminding = Reminding::build(&config, &shared)?;
        let routes = reflection::add_to(api(&config, &shared, &reminding).add_service(health.service()))?;
        let public = Door { routes, ..public };
        let (app, relays) = match app {
            Some(door) => {
                let (routes, relays) = sidecar::sidecar(&config, &shared, &reminding, &health, &drain)?;
                (Some(Door { routes, ..door }), relays)
            }
            None => (None, Vec::new()),
        };
        let admin = admin.map(|listener| {
            (listener, operating::admin(&config, &shared, databases, telemetry.clone(), &relays))
        });
        // They have nothing to call without a sidecar.
        let loops = if app.is_some() { reminding.loops() } else { Loops::default() };
        let letters = app.is_some().then(|| watch_letters(&config, &shared)).flatten();
        let purge = purge(&config, &shared);
        telling::build_info(&shared.meters);
        let lag = Lag::new(&config, &shared.client, &shared.meters.meter("docket-server"));
        let Shared { stores, clock, identity, meters, .. } = shared;
        Ok(Self {
            telemetry,
            config,
            lock,
            stores,
            health,
            identity,
            clock,
            meters,
            public,
            app,
            admin,
            relays,
            loops,
            letters,
            purge,
            lag,
            drain,
        })
    }

    /// Where clients call.
    pub fn public_address(&self) -> SocketAddr {
        self.public.address
    }

    /// Where the sidecar calls.
    pub fn app_address(&self) -> Option<SocketAddr> {
        self.app.as_ref().map(|door| door.address)
    }

    /// Where operators ask.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Counts what is sent to the database.
    pub fn statements(&self) -> docket_store::Statements {
        self.stores.statements().clone()
    }

    /// Follows how each relay is doing.
    pub fn relay_status(&self) -> Vec<watch::Receiver<docket_outbox::Status>> {
        self.relays.iter().map(Relay::status).collect()
    }
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<Door> {
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{key}: cannot listen on {address}"))?;
    Ok(Door { address: listener.local_addr()?, listener, routes: Routes::default() })
}

/// The API of the targets that this process runs.
fn api(config: &Config, shared: &Shared, reminding: &Reminding) -> Routes {
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
    if config.runs(Target::DeadLetters) {
        let letters = docket_deadletters::service(dead_letters(config, shared));
        let letters = letters.accept_compressed(CompressionEncoding::Gzip);
        let letters = letters.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(letters.max_encoding_message_size(limits.max_response_bytes));
    }
    if let Some(reminders) = &reminding.reminders {
        let reminders = reminders.service.clone().accept_compressed(CompressionEncoding::Gzip);
        let reminders = reminders.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(reminders.max_encoding_message_size(limits.max_response_bytes));
    }
    if let Some(notification) = &reminding.notification {
        let notification = notification.service.clone().accept_compressed(CompressionEncoding::Gzip);
        let notification = notification.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(notification.max_encoding_message_size(limits.max_response_bytes));
    }
    routes
}

/// What the target `deadletters` needs.
fn dead_letters(config: &Config, shared: &Shared) -> docket_deadletters::Deps {
    docket_deadletters::Deps {
        store: shared.stores.of(Schema::DeadLetters),
        clock: shared.clock.clone(),
        ids: shared.ids.clone(),
        origins: sidecar::origins(config),
        replay_to_all: config.retention.replay_to_all(),
    }
}

/// What counts dead letters, if the target runs here that keeps them.
fn watch_letters(config: &Config, shared: &Shared) -> Option<docket_deadletters::Watch> {
    let (store, meter) = (shared.stores.of(Schema::DeadLetters), shared.meters.meter("docket-deadletters"));
    config
        .runs(Target::DeadLetters)
        .then(|| docket_deadletters::Watch::new(store, shared.clock.clone(), &meter))
}

/// What forgets the old rows of the targets that this process runs.
fn purge(config: &Config, shared: &Shared) -> Purge {
    let purge = Purge::new(config.retention.clone(), shared.clock.clone(), shared.jitter.clone());
    config.schemas().into_iter().fold(purge, |purge, schema| purge.target(schema, &shared.stores.of(schema)))
}
