//! Scheduler, daprd and docket, wired together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use docket_store::outbox::PendingEvent;

use crate::callback::Callback;
use crate::daprd::{Daprd, DaprdBuilder};
use crate::docket::{Docket, DocketBuilder};
use crate::postgres::Database;
use crate::replicas::expect_shares;
use crate::scheduler::Scheduler;
use crate::storage::Storage;
use crate::user::User;
use crate::{PATIENCE, wait_for};

const ENABLED: &str = "DOCKET_DAPR__ENABLED";

/// A stack to be started.
#[derive(Debug)]
pub struct StackBuilder {
    binary: PathBuf,
    identity: Identity,
    storage: Storage,
    /// What was set by `env`.
    environment: BTreeMap<String, String>,
    docket: DocketBuilder,
    daprd: DaprdBuilder,
    with_dapr: bool,
}

/// The name under which sidecars find docket, what it and its own sidecar show each other, and what replicas sign with.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    app_id: String,
    api_token: String,
    app_api_token: String,
    secret: String,
}

/// Scheduler, daprd and docket, wired together.
#[derive(Debug)]
pub struct Stack {
    /// The binary under test. Ends first, so that its sidecar is not seen to go.
    pub docket: Docket,
    dapr: Option<Dapr>,
    /// What `switch_on_dapr` starts.
    later: Option<DaprdBuilder>,
    identity: Identity,
    /// The replica beside it, and the scheduler that they share.
    beside: Option<(Box<Stack>, Scheduler)>,
}

/// In the order in which they end.
#[derive(Debug)]
struct Dapr {
    daprd: Daprd,
    /// None where others share it.
    _scheduler: Option<Scheduler>,
}

impl Stack {
    /// A stack around the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    pub fn builder(binary: &Path) -> StackBuilder {
        StackBuilder::new(binary, Identity::new())
    }

    /// The sidecar.
    ///
    /// # Panics
    /// When the stack runs without.
    pub fn daprd(&mut self) -> &mut Daprd {
        &mut self.dapr.as_mut().expect("this stack runs without dapr").daprd
    }

    /// Gives a stack without dapr its sidecar, and starts docket again with it.
    ///
    /// # Panics
    /// When the stack has one.
    pub async fn switch_on_dapr(&mut self) {
        let daprd = self.later.take().expect("this stack was started without dapr");
        let status = self.docket.terminate().await;
        assert!(status.success(), "docket ended with {status}");
        self.docket.set_env(ENABLED, "true");
        self.docket.spawn();
        self.dapr = Some(start_dapr(daprd, None).await);
        self.ready().await;
    }

    /// Waits until docket serves and its sidecar delivers.
    pub async fn ready(&mut self) {
        self.docket.ready().await;
        if let Some(Dapr { daprd, .. }) = &mut self.dapr {
            daprd.ready().await;
            daprd.subscribed().await;
        }
    }

    /// What docket shows to the sidecar.
    pub fn api_token(&self) -> &str {
        &self.identity.api_token
    }

    /// What the sidecar shows to docket.
    pub fn app_api_token(&self) -> &str {
        &self.identity.app_api_token
    }

    /// The name under which other sidecars find docket.
    pub fn app_id(&self) -> &str {
        &self.identity.app_id
    }

    /// The API, as this user.
    pub fn user(&self, name: &str) -> User {
        self.docket.user(name)
    }

    /// How many events are on their way: not all of their handlers are done with them.
    pub async fn waiting_events(&self) -> u64 {
        let database = self.docket.database().await;
        let depth = database.depth().await.expect("the outboxes can be counted");
        database.close().await;
        depth
    }

    /// The first event of each key that is on its way on this topic.
    pub async fn waiting_on(&self, topic: &str) -> Vec<PendingEvent> {
        let database = self.docket.database().await;
        let heads = database.heads(&[topic]).await.expect("the outboxes can be read");
        database.close().await;
        heads
    }

    /// Waits until no event is on its way any more: each one's handlers are done with it.
    pub async fn settled(&self) {
        let database = self.docket.database().await;
        wait_for("empty outboxes", PATIENCE, async || match database.depth().await {
            Ok(0) => Ok(()),
            Ok(depth) => {
                let heads = database.heads(&["task-events", "task-events-dlq"]).await.unwrap_or_default();
                let heads = heads.into_iter().take(10);
                let heads: Vec<_> = heads.map(|head| (head.topic, head.event_type, head.key)).collect();
                Err(format!("{depth} events in them, the first are {heads:?}"))
            }
            Err(error) => Err(error.to_string()),
        })
        .await;
        database.close().await;
    }

    /// Speaks to docket as its own sidecar does.
    pub fn sidecar(&self) -> Callback {
        Callback::new(self.docket.app_channel()).with_token(self.app_api_token())
    }

    /// Speaks to docket, and to the replica beside it if there is one, as their own sidecars do.
    pub fn sidecars(&self) -> Vec<Callback> {
        self.replicas().map(Stack::sidecar).collect()
    }

    /// Stops all sidecars where they are.
    pub fn pause_sidecars(&self) {
        self.replicas().filter_map(|stack| stack.dapr.as_ref()).for_each(|dapr| dapr.daprd.pause());
    }

    /// Lets all sidecars go on.
    pub fn resume_sidecars(&self) {
        self.replicas().filter_map(|stack| stack.dapr.as_ref()).for_each(|dapr| dapr.daprd.resume());
    }

    fn replicas(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.beside.iter().map(|(stack, _)| &**stack))
    }
}

impl Identity {
    pub(crate) fn new() -> Self {
        // Sidecars find each other by name on the whole machine, and other tests run at the same time.
        let app_id = format!("docket-{}", uuid::Uuid::new_v4().simple());
        let [api_token, app_api_token] = std::array::from_fn(|_| uuid::Uuid::new_v4().to_string());
        let secret = format!("{0}{0}", uuid::Uuid::new_v4().simple());
        Self { app_id, api_token, app_api_token, secret }
    }
}

impl StackBuilder {
    pub(crate) fn new(binary: &Path, identity: Identity) -> Self {
        let Identity { app_id, api_token, app_api_token, .. } = &identity;
        let components = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../components/local"));
        let daprd = Daprd::builder(app_id).api_token(api_token).resources_of(&components);
        let docket = Docket::builder(binary)
            .sidecar(daprd.grpc_port(), api_token, app_api_token)
            .env("DOCKET_RECURRENCE__TASKS_APP_ID", app_id);
        let daprd = daprd.app(docket.app_port(), app_api_token);
        let (binary, storage, environment) = (binary.to_owned(), Storage::Sqlite, BTreeMap::new());
        Self { binary, identity, storage, environment, docket, daprd, with_dapr: true }
    }

    /// Keeps the data there; in a file of its own unless told otherwise.
    pub fn storage(mut self, storage: &Storage) -> Self {
        self.storage = storage.clone();
        self.docket = self.docket.storage(storage);
        self
    }

    /// Keeps the data in this database.
    pub fn postgres(self, database: &Database) -> Self {
        self.storage(&Storage::Postgres(database.clone()))
    }

    /// Starts docket alone, with `dapr.enabled = false`.
    pub fn without_dapr(mut self) -> Self {
        self.with_dapr = false;
        self.env(ENABLED, "false")
    }

    /// Arms a failpoint of docket, for its first start only.
    pub fn failpoint(mut self, name: &str, action: &str) -> Self {
        self.docket = self.docket.failpoint(name, action);
        self
    }

    /// Sets a variable of docket's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self.docket = self.docket.env(name, value);
        self
    }

    /// Lets a user's token be good for all that have its identity.
    pub(crate) fn with_shared_secret(self) -> Self {
        let secret = self.identity.secret.clone();
        self.env("DOCKET_AUTH__SECRET", &secret)
    }

    /// Another one of the same name on the same database, in the same environment, but without failpoints.
    fn replica(&self) -> Self {
        let replica = Self::new(&self.binary, self.identity.clone()).storage(&self.storage);
        self.environment.iter().fold(replica, |replica, (name, value)| replica.env(name, value))
    }

    /// Lets the sidecar deliver in batches of up to so many events.
    pub fn bulk(self, max_messages: u16) -> Self {
        self.env("DOCKET_DAPR__BULK__MAX_MESSAGES", &max_messages.to_string())
    }

    /// After how many probes in vain the sidecar takes docket for ill, and stops its subscriptions: 3 by default.
    pub fn health_threshold(mut self, probes: u32) -> Self {
        self.daprd = self.daprd.health_threshold(probes);
        self
    }

    /// Adds a resource of the sidecar's, in YAML.
    pub fn resource(mut self, name: &str, yaml: &str) -> Self {
        self.daprd = self.daprd.resource(name, yaml);
        self
    }

    /// Migrates a database on PostgreSQL, starts all, and waits until docket serves and its sidecar delivers; with a
    /// replica beside it, until each has its part of the outbox, too.
    pub async fn start(self) -> Stack {
        if let Storage::Postgres(database) | Storage::Replicas(database) = &self.storage {
            database.migrate(&self.binary).await;
        }
        let Storage::Replicas(database) = self.storage.clone() else { return self.launch(None).await };
        let this = self.with_shared_secret();
        let scheduler = Scheduler::builder().start().await;
        let replica = this.replica().launch(Some(scheduler.port()));
        let (mut stack, replica) = tokio::join!(this.launch(Some(scheduler.port())), replica);
        expect_shares(&database, &[32, 32]).await;
        stack.beside = Some((Box::new(replica), scheduler));
        stack
    }

    /// Starts all on a database that is migrated, with this scheduler or one of its own.
    pub(crate) async fn launch(self, scheduler: Option<u16>) -> Stack {
        let docket = self.docket.spawn();
        let (dapr, later) = if self.with_dapr {
            (Some(start_dapr(self.daprd, scheduler).await), None)
        } else {
            (None, Some(self.daprd))
        };
        let mut stack = Stack { docket, dapr, later, identity: self.identity, beside: None };
        stack.ready().await;
        stack
    }
}

async fn start_dapr(daprd: DaprdBuilder, scheduler: Option<u16>) -> Dapr {
    let Some(port) = scheduler else {
        let scheduler = Scheduler::builder();
        let daprd = daprd.scheduler(scheduler.port());
        let scheduler = scheduler.start().await;
        return Dapr { daprd: daprd.spawn(), _scheduler: Some(scheduler) };
    };
    Dapr { daprd: daprd.scheduler(port).spawn(), _scheduler: None }
}
