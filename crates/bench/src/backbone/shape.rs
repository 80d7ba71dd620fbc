//! What is measured: PostgreSQL and Kafka, which are there all the time, and what each cell starts beside them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use docket_testkit::postgres::Client;
use docket_testkit::{
    Connection, Daprd, DaprdBuilder, Database, Docket, DocketBuilder, Kafka, Postgres, Storage, once,
};

use super::settings::{PARTITIONS, TASKS, docket};
use crate::usage;

/// What a sidecar and its app show each other.
const API_TOKEN: &str = "shown-by-the-app";
const APP_API_TOKEN: &str = "shown-by-the-sidecar";

/// Users that make the tasks at the same time.
const USERS: u64 = 8;

/// The settings of the cluster that are not PostgreSQL's own.
pub(crate) const SETTINGS: [(&str, &str); 8] = [
    ("shared_buffers", "512MB"),
    ("synchronous_commit", "on"),
    // No cell has a checkpoint or a vacuum in it; both come between them.
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("track_activity_query_size", "16384"),
    // Tells when each row came to be, to the microsecond and without asking while it does.
    ("track_commit_timestamp", "on"),
];

/// The columns of an event that are the same in each copy of it.
const SAME: &str = "shard, partition_key, event_type, source, traceparent, tracestate, create_time";

/// A target in a process of its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Tasks,
    Audit,
    Recurrence,
}

impl Target {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Audit => "audit",
            Self::Recurrence => "recurrence",
        }
    }

    /// Its name among sidecars, which is the name of its consumer group, too.
    pub(crate) fn app_id(self) -> String {
        format!("docket-{}", self.name())
    }
}

/// A Docket and its sidecar. The app ends first, so that its sidecar is not seen to go.
pub(crate) struct Pair {
    pub(crate) docket: Docket,
    pub(crate) daprd: Daprd,
}

impl Pair {
    /// Lets Docket end in its own way, so that it leaves no lease behind.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let status = self.docket.terminate().await;
        ensure!(status.success(), "docket ended with {status}");
        Ok(())
    }
}

/// What is there all the time.
pub(crate) struct Shape {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    pub(crate) kafka: Kafka,
    pub(crate) counters: Client,
    database: Database,
    postmaster: u32,
    /// The keys of the events.
    pub(crate) keys: Vec<String>,
    _postgres: Postgres,
}

impl Shape {
    /// Starts both, and makes the tasks whose events are copied.
    pub(crate) async fn start(binary: &Path, more: &[(String, String)]) -> Result<Self> {
        let builder = SETTINGS
            .into_iter()
            .fold(Postgres::builder().durable(true), |builder, (name, value)| builder.setting(name, value));
        let (postgres, kafka) = tokio::join!(builder.start(), Kafka::start());
        let database = postgres.database().await;
        database.migrate(binary).await;
        database.execute("CREATE EXTENSION pg_stat_statements").await;
        let counters = database.superuser_client().await;
        let postmaster = usage::postmaster(&counters).await?;
        let settings = docket().into_iter().map(|(name, value)| (name.to_owned(), value));
        let environment = settings.chain(more.iter().cloned()).collect();
        let mut shape = Self {
            binary: binary.to_owned(),
            environment,
            kafka,
            counters,
            database,
            postmaster,
            keys: Vec::new(),
            _postgres: postgres,
        };
        shape.make_events().await?;
        Ok(shape)
    }

    /// An event of each task, made by Docket itself.
    async fn make_events(&mut self) -> Result<()> {
        let mut docket =
            self.docket(Target::Tasks, "none").env("DOCKET_DAPR__ENABLED", "false").start().await;
        let mut users = tokio::task::JoinSet::new();
        for number in 0..USERS {
            let user = docket.user(&format!("user-{number}"));
            users.spawn(async move {
                for number in 0..TASKS / USERS {
                    let mut task = once(&format!("Ask the neighbours for the long ladder, {number}"));
                    task.description =
                        "It leans behind their shed. Bring it back before Sunday, and plums, too. "
                            .repeat(4)
                            .trim()
                            .to_owned();
                    task.priority = docket_proto::v1::task::Priority::High.into();
                    task.tags = vec!["garden".to_owned(), "weekend".to_owned()];
                    user.create(task).await;
                }
            });
        }
        while let Some(ended) = users.join_next().await {
            ended.context("a user panicked")?;
        }
        docket.terminate().await;
        self.database.execute("CREATE TABLE public.events AS SELECT * FROM tasks.outbox").await;
        let keys =
            self.counters.query("SELECT partition_key FROM public.events ORDER BY position", &[]).await?;
        self.keys = keys.iter().map(|row| row.get(0)).collect();
        ensure!(self.keys.len() as u64 == TASKS, "{TASKS} tasks have left {} events", self.keys.len());
        Ok(())
    }

    /// Empties everything, and puts so many events into the outbox: of each task in turn, for this topic.
    pub(crate) async fn fill(&self, topic: &str, events: u64) -> Result<()> {
        // Before the data is written and not after it, so that the first change of a page does not log the page.
        let tables = "tasks.outbox, tasks.published_events, audit.outbox, audit.inbox, audit.audit_entries,
            recurrence.outbox, recurrence.inbox";
        self.counters.batch_execute("CHECKPOINT").await?;
        // Times and ids grow from event to event, as they do when tasks change one after the other.
        let sql = format!(
            "TRUNCATE {tables};
             INSERT INTO tasks.outbox (event_id, topic, payload, {SAME})
             SELECT ('0192f0c1-0000-7000-8000-' || lpad(to_hex(number), 12, '0'))::uuid, '{topic}',
                 convert_to(replace(convert_from(payload, 'UTF8'), '\"sequence\":\"1\"', format('\"sequence\":\"%s\"', turn)), 'UTF8'),
                 {SAME}
             FROM (
                 SELECT events.*, turn, row_number() OVER (ORDER BY turn, position) AS number
                 FROM public.events, generate_series(1, {turns}) AS turn
             ) AS copies WHERE number <= {events} ORDER BY number;",
            turns = events.div_ceil(TASKS)
        );
        self.counters.batch_execute(&sql).await?;
        for table in tables.split(',') {
            self.counters.batch_execute(&format!("VACUUM (ANALYZE) {}", table.trim())).await?;
        }
        Ok(self.counters.batch_execute("SELECT pg_stat_statements_reset()").await?)
    }

    /// Makes a topic.
    pub(crate) async fn topic(&self, name: &str) {
        self.kafka.create_topic(name, PARTITIONS).await;
    }

    /// Waits until a consumer group takes part, so that its forming is no part of the measurement.
    pub(crate) async fn joined(&self, group: &str) {
        let mut client = self.kafka.client().await;
        docket_testkit::wait_for(&format!("group {group} to form"), docket_testkit::PATIENCE, async || {
            let groups = client.groups().await.map_err(|error| error.to_string())?;
            match groups.iter().find(|one| one.name == group) {
                Some(found) if found.state == "Stable" => Ok(()),
                found => Err(format!("{found:?}")),
            }
        })
        .await;
    }

    /// A target that works on this topic.
    fn docket(&self, target: Target, topic: &str) -> DocketBuilder {
        let docket = Docket::builder(&self.binary)
            .storage(&Storage::Postgres(self.database.clone()))
            .env("DOCKET_TARGETS", target.name())
            .env("DOCKET_TASKS__TOPIC", topic);
        self.environment.iter().fold(docket, |docket, (name, value)| docket.env(name, value))
    }

    /// Starts a target with its sidecar, and does not wait.
    pub(crate) fn pair(&self, target: Target, topic: &str) -> Pair {
        let sidecar = self.sidecar(&target.app_id()).api_token(API_TOKEN);
        let docket = self.docket(target, topic).sidecar(sidecar.grpc_port(), API_TOKEN, APP_API_TOKEN);
        let daprd = sidecar.app(docket.app_port(), APP_API_TOKEN);
        Pair { docket: docket.spawn(), daprd: daprd.spawn() }
    }

    /// A sidecar with the resources of production.
    pub(crate) fn sidecar(&self, app_id: &str) -> DaprdBuilder {
        let daprd = Daprd::builder(app_id).flag("--log-level=warn");
        daprd.kafka(&self.kafka, Connection::Plain, &Target::Tasks.app_id())
    }

    /// CPU seconds of PostgreSQL so far, all its processes.
    pub(crate) fn postgres_cpu(&self) -> Result<f64> {
        usage::of_family(self.postmaster)
    }

    /// CPU seconds of the broker so far.
    pub(crate) fn kafka_cpu(&self) -> Result<f64> {
        usage::of_process(self.kafka.id().context("Kafka has ended")?)
    }

    /// The version of PostgreSQL.
    pub(crate) async fn postgres_version(&self) -> Result<String> {
        let version: String = self.counters.query_one("SHOW server_version", &[]).await?.get(0);
        Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// The statements that cost most since the counters were last set back, and how often each was sent.
    pub(crate) async fn statements(&self) -> Result<Vec<(f64, i64, String)>> {
        let sql = "SELECT total_exec_time + total_plan_time, calls, query FROM pg_stat_statements
            JOIN pg_roles ON pg_roles.oid = userid WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin
            ORDER BY 1 DESC LIMIT 12";
        let rows = self.counters.query(sql, &[]).await?;
        let shorten = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), shorten(row.get(2)))).collect())
    }
}
