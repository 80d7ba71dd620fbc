//! Scheduler, daprd and docket, wired together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use docket_store::outbox::PendingEvent;

use crate::callback::Callback;
use crate::components::{Connection, broker_settings, components, create_topics, dead_letter_topic};
use crate::daprd::{Daprd, DaprdBuilder};
use crate::docket::{Docket, DocketBuilder};
use crate::kafka::Kafka;
use crate::postgres::Database;
use crate::replicas::expect_shares;
use crate::scheduler::Scheduler;
use crate::storage::Storage;
use crate::user::User;
use crate::{PATIENCE, wait_for};

const ENABLED: &str = "DOCKET_DAPR__ENABLED";

/// How many events a batch has at most, where there are batches and nothing else is said.
const BATCH: u16 = 100;

/// Docket's own name for its topic.
const EVENTS: &str = "task-events";

const BULK: &str = "DOCKET_DAPR__BULK__MAX_MESSAGES";

/// A stack to be started.
#[derive(Debug)]
pub struct StackBuilder {
    binary: PathBuf,
    identity: Identity,
    storage: Storage,
    /// What was set by `env`.
    environment: BTreeMap<String, String>,
    /// Those that replicas have, too.
    failpoints: Vec<(String, String)>,
    docket: DocketBuilder,
    daprd: DaprdBuilder,
    topic: String,
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
    topic: String,
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

    /// Kills docket, and the replica beside it if there is one, and starts them again with what they had, but without
    /// failpoints.
    pub async fn restart(&mut self) {
        for docket in std::iter::once(&mut self.docket)
            .chain(self.beside.iter_mut().map(|(stack, _)| &mut stack.docket))
        {
            docket.kill();
            docket.spawn();
        }
        self.ready().await;
        if let Some((beside, _)) = &mut self.beside {
            beside.ready().await;
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

    /// The topic of its events.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The topic of what it could not handle of them.
    pub fn dead_letter_topic(&self) -> String {
        dead_letter_topic(&self.topic)
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
                let topics = [self.topic(), &self.dead_letter_topic()];
                let heads = database.heads(&topics).await.unwrap_or_default();
                let heads = heads.into_iter().take(10);
                let heads: Vec<_> = heads.map(|head| (head.topic, head.event_type, head.key)).collect();
                Err(format!("{depth} events in them, the first are {heads:?}"))
            }
            Err(error) => Err(error.to_string()),
        })
        .await;
        database.close().await;
    }

    /// The same where a broker carries the events: its outboxes are empty, and its sidecar has brought it everything that is
    /// on its topics.
    pub async fn settled_on(&self, kafka: &Kafka) {
        self.settled().await;
        for (group, topic) in self.identity.groups(&self.topic) {
            kafka.caught_up(&group, &topic).await;
        }
        // Letters are written while events are handled.
        self.settled().await;
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

    /// The groups in which its sidecar consumes from a broker, each with its topic.
    fn groups(&self, topic: &str) -> [(String, String); 2] {
        let letters = format!("{}-dead-letters", self.app_id);
        [(self.app_id.clone(), topic.to_owned()), (letters, dead_letter_topic(topic))]
    }
}

impl StackBuilder {
    pub(crate) fn new(binary: &Path, identity: Identity) -> Self {
        let Identity { app_id, api_token, app_api_token, .. } = &identity;
        let daprd = Daprd::builder(app_id).api_token(api_token).resources_of(&components("local"));
        let docket = Docket::builder(binary)
            .sidecar(daprd.grpc_port(), api_token, app_api_token)
            .env("DOCKET_RECURRENCE__TASKS_APP_ID", app_id);
        let daprd = daprd.app(docket.app_port(), app_api_token);
        let (binary, storage, environment) = (binary.to_owned(), Storage::Sqlite, BTreeMap::new());
        let topic = EVENTS.to_owned();
        let failpoints = Vec::new();
        Self { binary, identity, storage, environment, failpoints, docket, daprd, topic, with_dapr: true }
    }

    /// Lets a broker carry the events, as in production, on topics of its own that this makes, and in batches unless
    /// [`StackBuilder::one_by_one`] says otherwise.
    pub async fn kafka(mut self, kafka: &Kafka, connection: Connection) -> Self {
        self.topic = format!("task-events-{}", uuid::Uuid::new_v4().simple());
        create_topics(kafka, &self.topic).await;
        self.daprd = self.daprd.kafka(kafka, connection, &self.identity.app_id);
        let topic = self.topic.clone();
        let settings = broker_settings(&topic);
        settings.iter().fold(self, |stack, (name, value)| stack.env(name, value)).bulk(BATCH)
    }

    /// Lets the sidecar deliver one event at a time.
    pub fn one_by_one(mut self) -> Self {
        self.environment.remove(BULK);
        self.docket = self.docket.without_env(BULK);
        self
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

    /// The same in the replica beside it, too.
    pub fn failpoint_everywhere(mut self, name: &str, action: &str) -> Self {
        self.failpoints.push((name.to_owned(), action.to_owned()));
        self.failpoint(name, action)
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

    /// Another one of the same name on the same database, in the same environment, with the failpoints that are everywhere.
    fn replica(&self) -> Self {
        let replica = Self::new(&self.binary, self.identity.clone()).storage(&self.storage);
        let replica =
            self.failpoints.iter().fold(replica, |replica, (name, action)| replica.failpoint(name, action));
        self.environment.iter().fold(replica, |replica, (name, value)| replica.env(name, value))
    }

    /// Lets the sidecar deliver in batches of up to so many events.
    pub fn bulk(self, max_messages: u16) -> Self {
        self.env(BULK, &max_messages.to_string())
    }

    /// After how many probes in vain the sidecar takes docket for ill, and stops its subscriptions: 3 by default.
    pub fn health_threshold(mut self, probes: u32) -> Self {
        self.daprd = self.daprd.health_threshold(probes);
        self
    }

    /// Lets the sidecar take what docket publishes for so many seconds after it was told to end, unless docket is ill before,
    /// and then end within so many.
    pub fn block_shutdown(mut self, seconds: u32, graceful_seconds: u32) -> Self {
        self.daprd = self.daprd.block_shutdown(seconds).graceful_shutdown(graceful_seconds);
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
        assert_eq!(self.topic, EVENTS, "with a broker, replicas are those of a `Fleet`");
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
        let (identity, topic) = (self.identity, self.topic);
        let mut stack = Stack { docket, dapr, later, identity, topic, beside: None };
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
