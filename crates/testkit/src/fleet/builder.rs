//! A fleet to be started.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use futures::future::join_all;

use super::{Fleet, Links, Member, Release, Role};
use crate::channels::Channels;
use crate::collector::Collector;
use crate::components::{Connection, broker_settings, create_topics};
use crate::daprd::Daprd;
use crate::docket::Docket;
use crate::hooks::Hooks;
use crate::kafka::Kafka;
use crate::mail::Mail;
use crate::postgres::Database;
use crate::proxy::Proxy;
use crate::scheduler::Scheduler;
use crate::storage::Storage;

/// A fleet to be started.
#[derive(Debug)]
pub struct FleetBuilder<'a> {
    binary: &'a Path,
    /// What it begins as, when that is not the release of the binary.
    release: Option<&'a Release>,
    database: Database,
    kafka: &'a Kafka,
    connection: Connection,
    replicas: BTreeMap<Role, usize>,
    environment: Vec<(Option<Role>, String, String)>,
    /// By which messages get to people.
    channels: Channels,
    bulk: Option<u16>,
    health_threshold: Option<u32>,
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// What all members know of each other.
struct Names {
    /// Behind every app-id, because sidecars find each other by name on the whole machine.
    suffix: String,
    api_token: String,
    app_api_token: String,
    secret: String,
    topic: String,
}

impl Names {
    fn new() -> Self {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let suffix = random();
        Self {
            topic: format!("task-events-{suffix}"),
            suffix,
            api_token: random(),
            app_api_token: random(),
            secret: random() + &random(),
        }
    }

    fn app_id(&self, role: Role) -> String {
        format!("docket-{}-{}", role.name(), self.suffix)
    }
}

impl<'a> FleetBuilder<'a> {
    pub(super) fn new(binary: &'a Path, database: Database, kafka: &'a Kafka) -> Self {
        Self {
            binary,
            release: None,
            database,
            kafka,
            connection: Connection::Plain,
            replicas: Role::BACKBONE.into_iter().map(|role| (role, 1)).collect(),
            environment: Vec::new(),
            channels: Channels::default(),
            bulk: Some(100),
            health_threshold: None,
        }
    }

    /// Begins as another release: with its schema, and with its binary for the targets that it has. The others are not
    /// started.
    pub fn begin_as(mut self, release: &'a Release) -> Self {
        self.release = Some(release);
        self
    }

    /// With the targets of reminders and of messages to people, which a fleet does not have otherwise. As many replicas of
    /// each as of the task API so far.
    pub fn reminders(mut self) -> Self {
        let count = self.replicas.get(&Role::Tasks).copied().unwrap_or(1);
        self.replicas.extend([(Role::Reminders, count), (Role::Notification, count)]);
        self
    }

    /// Lets mails be sent to this server; sets what the target must know for it.
    pub fn mail(mut self, mail: &Mail) -> Self {
        self.channels.mail(mail);
        self
    }

    /// Lets push messages and webhooks be sent to this server; sets what the target must know for it. Push messages come to
    /// `/v1/projects/example/messages:send`.
    pub fn hooks(mut self, hooks: &Hooks) -> Self {
        self.channels.hooks(hooks);
        self
    }

    /// Sends the spans of every docket to this collector.
    pub fn observe(self, collector: &Collector) -> Self {
        collector.settings().iter().fold(self, |fleet, (name, value)| fleet.env(name, value))
    }

    /// So many replicas of each target that it has; one unless told otherwise.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas.values_mut().for_each(|replicas| *replicas = count);
        self
    }

    /// So many replicas of this target.
    pub fn replicas_of(mut self, role: Role, count: usize) -> Self {
        self.replicas.insert(role, count);
        self
    }

    /// How the sidecars talk to the broker, where they do not go through its proxies.
    pub fn connection(mut self, connection: Connection) -> Self {
        self.connection = connection;
        self
    }

    /// Sets a variable of the environment of every docket.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((None, name.to_owned(), value.to_owned()));
        self
    }

    /// Sets a variable of the environment of a target's replicas.
    pub fn env_of(mut self, role: Role, name: &str, value: &str) -> Self {
        self.environment.push((Some(role), name.to_owned(), value.to_owned()));
        self
    }

    /// Lets the sidecars deliver in batches of up to so many events; 100 unless told otherwise.
    pub fn bulk(mut self, max_messages: u16) -> Self {
        self.bulk = Some(max_messages);
        self
    }

    /// Lets the sidecars deliver one event at a time.
    pub fn one_by_one(mut self) -> Self {
        self.bulk = None;
        self
    }

    /// After how many probes in vain a sidecar takes its docket for ill, and stops its subscriptions: 3 by default.
    pub fn health_threshold(mut self, probes: u32) -> Self {
        self.health_threshold = Some(probes);
        self
    }

    /// Migrates the database, makes the topics, starts all, and waits until they serve and their sidecars deliver.
    pub async fn start(self) -> Fleet {
        let names = Names::new();
        self.database.migrate(self.release.map_or(self.binary, |release| &release.binary)).await;
        create_topics(self.kafka, &names.topic).await;
        let scheduler = Scheduler::builder().start().await;
        let places =
            self.replicas.iter().flat_map(|(role, count)| (0..*count).map(move |index| (*role, index)));
        let places: Vec<_> = places.collect();
        let through = self.kafka.proxies() >= places.len();
        let starts = places.into_iter().enumerate().map(|(number, (role, index))| {
            let through = through.then_some(number);
            self.member(&names, role, index, through, scheduler.port())
        });
        let members = join_all(starts).await;
        let mut fleet = Fleet { members, database: self.database.clone(), topic: names.topic, scheduler };
        let started = fleet.members.iter_mut().filter(|member| member.is_started());
        join_all(started.map(Member::ready)).await;
        fleet
    }

    async fn member(
        &self,
        names: &Names,
        role: Role,
        index: usize,
        through: Option<usize>,
        scheduler: u16,
    ) -> Member {
        let (app_id, tasks) = (names.app_id(role), names.app_id(Role::Tasks));
        let daprd = Daprd::builder(&app_id).api_token(&names.api_token).scheduler(scheduler);
        let daprd = match through {
            Some(proxy) => daprd.kafka_through(self.kafka, proxy, &tasks),
            None => daprd.kafka(self.kafka, self.connection, &tasks),
        };
        let (reminders, outside) = (names.app_id(Role::Reminders), role == Role::Notification);
        let mut daprd = daprd.reminders_app(&reminders);
        let mut docket = Docket::builder(self.binary).storage(&Storage::Postgres(self.database.clone()));
        let links = Links {
            database: Proxy::start(self.database.address()).await,
            sidecar: Proxy::start(loopback(daprd.grpc_port())).await,
            app: Proxy::start(loopback(docket.app_port())).await,
        };
        docket = docket
            .env("DOCKET_DATABASE__URL", &self.database.url_at(links.database.address()))
            .sidecar(links.sidecar.address().port(), &names.api_token, &names.app_api_token)
            .env("DOCKET_TARGETS", role.name())
            .env("DOCKET_AUTH__SECRET", &names.secret)
            .env("DOCKET_RECURRENCE__TASKS_APP_ID", &tasks)
            .env("DOCKET_NOTIFICATION__TASKS_APP_ID", &tasks)
            .env("DOCKET_NOTIFICATION__REMINDERS_APP_ID", &reminders);
        if outside {
            daprd = self.channels.of(daprd, &app_id);
            docket =
                self.channels.settings().iter().fold(docket, |docket, (name, value)| docket.env(name, value));
        }
        if let Some(bulk) = self.bulk {
            docket = docket.env("DOCKET_DAPR__BULK__MAX_MESSAGES", &bulk.to_string());
        }
        let settings = broker_settings(&names.topic).map(|(name, value)| (name.to_owned(), value));
        let asked = self.environment.iter().filter(|(of, ..)| of.is_none_or(|of| of == role));
        let asked = asked.map(|(_, name, value)| (name.clone(), value.clone()));
        for (name, value) in settings.into_iter().chain(asked) {
            docket = docket.env(&name, &value);
        }
        let mut daprd = daprd.app(links.app.address().port(), &names.app_api_token);
        if let Some(probes) = self.health_threshold {
            daprd = daprd.health_threshold(probes);
        }
        let (docket, daprd) = (docket.at_rest(), daprd.at_rest());
        let mut member = Member { docket, daprd, links, role, index, app_id, through };
        if let Some(release) = self.release {
            member.docket.change_to(release);
        }
        if self.release.is_none_or(|release| release.roles.contains(&role)) {
            member.start();
        }
        member
    }
}
