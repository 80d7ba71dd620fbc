//! A stack to be started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ENABLED, EVENTS, Identity, Stack, start_dapr};
use crate::channels::Channels;
use crate::collector::Collector;
use crate::components::{Connection, broker_settings, components, create_topics};
use crate::daprd::{Daprd, DaprdBuilder};
use crate::docket::{Docket, DocketBuilder};
use crate::gateway::Gateway;
use crate::hooks::Hooks;
use crate::kafka::Kafka;
use crate::mail::Mail;
use crate::postgres::Database;
use crate::replicas::expect_shares;
use crate::scheduler::Scheduler;
use crate::storage::Storage;

/// How many events a batch has at most, where there are batches and nothing else is said.
const BATCH: u16 = 100;

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
    /// By which messages get to people; replicas have them, too.
    channels: Channels,
    topic: String,
    with_dapr: bool,
}

impl StackBuilder {
    pub(crate) fn new(binary: &Path, identity: Identity) -> Self {
        let Identity { app_id, api_token, app_api_token, .. } = &identity;
        let daprd = Daprd::builder(app_id).api_token(api_token).resources_of(&components("local"));
        let docket = Docket::builder(binary)
            .sidecar(daprd.grpc_port(), api_token, app_api_token)
            .env("DOCKET_RECURRENCE__TASKS_APP_ID", app_id)
            .env("DOCKET_NOTIFICATION__TASKS_APP_ID", app_id)
            .env("DOCKET_NOTIFICATION__REMINDERS_APP_ID", app_id);
        let daprd = daprd.app(docket.app_port(), app_api_token);
        let (binary, storage, environment) = (binary.to_owned(), Storage::Sqlite, BTreeMap::new());
        let topic = EVENTS.to_owned();
        let (failpoints, channels, with_dapr) = (Vec::new(), Channels::default(), true);
        Self { binary, identity, storage, environment, failpoints, docket, daprd, channels, topic, with_dapr }
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
        let mut replica = Self::new(&self.binary, self.identity.clone()).storage(&self.storage);
        replica.channels = self.channels.clone();
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

    /// Lets mails be sent to this server; sets what Docket must know for it.
    pub fn mail(mut self, mail: &Mail) -> Self {
        self.channels.mail(mail);
        self.told()
    }

    /// Lets push messages and webhooks be sent to this server; sets what Docket must know for it. Push messages come to
    /// `/v1/projects/example/messages:send`.
    pub fn hooks(mut self, hooks: &Hooks) -> Self {
        self.channels.hooks(hooks);
        self.told()
    }

    /// Lets mails be given to SendGrid, for which this gateway stands; sets what Docket must know for it. They come to
    /// `/v3/mail/send`.
    pub fn sendgrid(mut self, gateway: &Gateway) -> Self {
        self.channels.sendgrid(gateway);
        self.told()
    }

    /// Sends spans to this collector.
    pub fn observe(self, collector: &Collector) -> Self {
        collector.settings().iter().fold(self, |stack, (name, value)| stack.env(name, value))
    }

    /// Sets what Docket must know of the channels.
    fn told(self) -> Self {
        let settings = self.channels.settings().to_vec();
        settings.iter().fold(self, |stack, (name, value)| stack.env(name, value))
    }

    /// Adds copies of all resources of a folder to the sidecar's.
    pub fn components(mut self, folder: &Path) -> Self {
        self.daprd = self.daprd.resources_of(folder);
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
        let daprd = self.channels.of(self.daprd, &self.identity.app_id);
        let (dapr, later) = if self.with_dapr {
            (Some(start_dapr(daprd, scheduler).await), None)
        } else {
            (None, Some(daprd))
        };
        let (identity, topic) = (self.identity, self.topic);
        let mut stack = Stack { docket, dapr, later, identity, topic, beside: None };
        stack.ready().await;
        stack
    }
}
