//! Puts the roles of one process together: binds, opens, builds.

mod run;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use docket_deadletters::Origin;
use docket_domain::source::{Clock, Ids};
use docket_outbox::{Burial, Handler, Relay, Topic, dead_letter_topic};
use docket_rpc::{Health, reflection};
use docket_sidecar::{Client, Drain, Guard, Router, TopicHandler};
use docket_store::{Lock, Schema, Store, Stores};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;

use crate::config::Config;
use crate::identity::Identity;
use crate::retention::Purge;
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
    purge: Purge,
    drain: Drain,
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
        let drain = Drain::new();
        let routes = reflection::add_to(api(&config, &shared).add_service(health.service()))?;
        let public = Door { routes, ..public };
        let (app, relays) = match app {
            Some(door) => {
                let (routes, relays) = sidecar(&config, &shared, &health, &drain)?;
                (Some(Door { routes, ..door }), relays)
            }
            None => (None, Vec::new()),
        };
        let purge = purge(&config, &shared);
        let Shared { stores, clock, identity, .. } = shared;
        Ok(Self { config, lock, stores, health, identity, clock, public, app, relays, purge, drain })
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
    if config.runs(Target::DeadLetters) {
        names.push("docket.v1.DeadLetterService");
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
    if config.runs(Target::DeadLetters) {
        let letters = docket_deadletters::service(dead_letters(config, shared));
        let letters = letters.accept_compressed(CompressionEncoding::Gzip);
        let letters = letters.max_decoding_message_size(limits.max_request_bytes);
        routes = routes.add_service(letters.max_encoding_message_size(limits.max_response_bytes));
    }
    routes
}

/// What the target `deadletters` needs.
fn dead_letters(config: &Config, shared: &Shared) -> docket_deadletters::Deps {
    docket_deadletters::Deps {
        store: shared.stores.of(Schema::DeadLetters),
        clock: shared.clock.clone(),
        ids: shared.ids.clone(),
        origins: origins(config),
        replay_to_all: config.retention.replay_to_all(),
    }
}

/// The handlers of the tasks' events in this release, wherever each of them runs.
const TASK_EVENT_HANDLERS: [Target; 2] = [Target::Audit, Target::Recurrence];

/// The topics that have handlers, whose events may become dead letters.
fn origins(config: &Config) -> Vec<Origin> {
    let origin = |topic: &String| Origin {
        pubsub: config.dapr.pubsub.clone(),
        topic: topic.clone(),
        letters: dead_letter_topic(topic),
        handlers: Some(TASK_EVENT_HANDLERS.map(|handler| handler.name().to_owned()).to_vec()),
    };
    [&config.tasks.topic].map(origin).to_vec()
}

/// What the sidecar calls, and the relays that call the sidecar: one for each outbox.
fn sidecar(
    config: &Config,
    shared: &Shared,
    health: &Health,
    drain: &Drain,
) -> anyhow::Result<(Routes, Vec<Relay>)> {
    let client = Client::connect_lazy(&config.dapr)?;
    let jitter: docket_sidecar::Jitter = Arc::new(rand::random::<f64>);
    let (pubsub, topic) = (&config.dapr.pubsub, &config.tasks.topic);
    let tasks = shared.stores.of(Schema::Tasks);
    // A receipt lets the next event of its task leave, so the relay of those events is woken by it as by a commit.
    let waiting = tasks.clone();
    let mut router =
        Router::new(&config.dapr, jitter.clone()).tell(Arc::new(move || waiting.outbox_changed()));
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
        let (handler, repair) = config.recurrence.clone().build(deps)?;
        router = router.binding(&config.recurrence.binding, Arc::new(repair));
        handlers.push((Arc::new(handler), store));
    }

    let keeper = config.runs(Target::DeadLetters).then(|| dead_letters(config, shared));
    let keeps = |deps: &docket_deadletters::Deps| Handler {
        name: docket_deadletters::NAME,
        store: deps.store.clone(),
    };
    let letters = Topic {
        pubsub: config.dead_letter_pubsub().to_owned(),
        name: dead_letter_topic(topic),
        handlers: keeper.iter().map(keeps).collect(),
    };
    let mut events = Topic { pubsub: pubsub.clone(), name: topic.clone(), handlers: Vec::new() };
    let mut outboxes = Outboxes(Vec::new());
    for (handler, store) in handlers {
        events.handlers.push(Handler { name: handler.name(), store: store.clone() });
        outboxes.add(&store, &letters);
        let burial = Burial { store, clock: shared.clock.clone(), ids: shared.ids.clone() };
        router = router.subscribe(pubsub, topic, handler, Arc::new(burial))?;
    }
    if config.runs(Target::Tasks) {
        outboxes.add(&tasks, &events);
    }
    if let Some(deps) = keeper {
        // What is replayed leaves from the letters' own outbox.
        for topic in [&events, &letters] {
            outboxes.add(&deps.store, topic);
        }
        let keeper = Arc::new(docket_deadletters::handler(deps));
        router = router.subscribe(&letters.pubsub, &letters.name, keeper.clone(), keeper)?;
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
    Ok((docket_sidecar::add_callbacks(routes, router, &guard, drain.clone()), relays))
}

/// What forgets the old rows of the targets that this process runs.
fn purge(config: &Config, shared: &Shared) -> Purge {
    let purge = Purge::new(config.retention.clone(), shared.clock.clone(), Arc::new(rand::random::<f64>));
    config.schemas().into_iter().fold(purge, |purge, schema| purge.target(schema, &shared.stores.of(schema)))
}

/// The topics that leave each outbox.
struct Outboxes(Vec<(Store, Vec<Topic>)>);

impl Outboxes {
    /// Targets that share an outbox name its topics more than once.
    fn add(&mut self, store: &Store, topic: &Topic) {
        match self.0.iter_mut().find(|(other, _)| other.is_same(store)) {
            Some((_, topics)) if topics.iter().any(|known| known.name == topic.name) => {}
            Some((_, topics)) => topics.push(topic.clone()),
            None => self.0.push((store.clone(), vec![topic.clone()])),
        }
    }
}
