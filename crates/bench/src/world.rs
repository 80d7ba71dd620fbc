//! What is measured: a PostgreSQL, a Docket, and the data that every cell begins with.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use docket_testkit::postgres::Client;
use docket_testkit::{Database, Docket, DocketBuilder, Postgres, Storage, once};
use tonic::transport::Channel;

use crate::usage;

/// How many users have tasks, beside the one with many.
pub(crate) const USERS: u64 = 1_000;

/// The one with many, and how many.
pub(crate) const READER: &str = "reader";
const READER_TASKS: u64 = 2_000;

/// Connections of the load generator.
const CONNECTIONS: usize = 8;

/// What tokens are signed with: any text that is long enough.
pub(crate) const SECRET: &str = "the secret of a server that lives as long as one measurement";

/// The settings of the cluster that are not PostgreSQL's own.
pub(crate) const SETTINGS: [(&str, &str); 12] = [
    ("shared_buffers", "512MB"),
    ("synchronous_commit", "on"),
    ("max_connections", "400"),
    // No cell has a checkpoint or a vacuum in it; both come between them.
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("track_activity_query_size", "16384"),
    // Where the statements are recorded from.
    ("logging_collector", "on"),
    ("log_destination", "jsonlog"),
    ("log_rotation_size", "0"),
    ("log_min_messages", "warning"),
];

/// The users' tasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    /// Of each user.
    pub(crate) tasks_per_user: u64,
}

impl Data {
    /// Of all users together; they are numbered from 0.
    pub(crate) fn tasks(self) -> u64 {
        USERS * self.tasks_per_user
    }
}

/// The name of a task's user.
pub(crate) fn user_of(task: u64) -> String {
    format!("user-{}", task % USERS)
}

/// The id of a task.
pub(crate) fn id_of(task: u64) -> String {
    format!("00000000-0000-7000-8000-{task:012x}")
}

/// Everything that runs. Ends when dropped.
pub(crate) struct World {
    docket: Docket,
    postgres: Postgres,
    database: Database,
    postmaster: u32,
    counters: Client,
}

impl World {
    /// Starts PostgreSQL, migrates, starts Docket.
    pub(crate) async fn start(binary: &Path) -> Result<Self> {
        let settings = SETTINGS.into_iter();
        let builder = settings
            .fold(Postgres::builder().durable(true), |builder, (name, value)| builder.setting(name, value));
        let postgres = builder.start().await;
        let database = postgres.database().await;
        migrate(binary, &database)?;
        database.grant_runtime().await;
        let docket = docket(binary, &database).start().await;
        postgres.execute("CREATE EXTENSION pg_stat_statements").await;
        let counters = postgres.client().await;
        let postmaster = usage::postmaster(&counters).await?;
        let world = Self { docket, postgres, database, postmaster, counters };
        world.make_template().await?;
        Ok(world)
    }

    /// Another Docket on the same database, to be started.
    pub(crate) fn docket_beside(&self, binary: &Path) -> DocketBuilder {
        docket(binary, &self.database)
    }

    /// The one task of which all others are copies, made by Docket itself.
    async fn make_template(&self) -> Result<()> {
        let mut task = once("Ask the neighbours for the long ladder");
        task.description =
            "It leans behind their shed. Bring it back before Sunday, and bring some plums, too.".to_owned();
        task.priority = docket_proto::v1::task::Priority::High.into();
        task.tags = vec!["garden".to_owned()];
        self.docket.user("template").create(task).await;
        let template = "CREATE TABLE public.template AS SELECT to_jsonb(tasks) AS task FROM tasks.tasks;
            CREATE TABLE public.template_tags AS SELECT tag FROM tasks.task_tags";
        self.database.execute(template).await;
        Ok(())
    }

    /// Puts the data back to what a cell begins with.
    pub(crate) async fn reset(&self, data: Data) -> Result<()> {
        // Before the data is written and not after it, so that the first change of a page does not log the page.
        self.postgres.execute("CHECKPOINT").await;
        let tasks = data.tasks();
        let copies = |count: u64, first: u64, user: &str, number: &str| {
            format!(
                "INSERT INTO tasks.tasks SELECT copy.* FROM public.template, generate_series(0, {count} - 1) AS n,
                 LATERAL jsonb_populate_record(NULL::tasks.tasks, task || jsonb_build_object(
                     'task_id', '00000000-0000-7000-8000-' || lpad(to_hex({first} + n::bigint), 12, '0'),
                     'user_id', {user}, 'user_seq', {number} + 1,
                     'create_time', (task->>'create_time')::bigint + n, 'update_time', (task->>'update_time')::bigint + n
                 )) AS copy;"
            )
        };
        let of_users = copies(tasks, 0, &format!("'user-' || n % {USERS}"), &format!("n / {USERS}"));
        let of_reader = copies(READER_TASKS, 1 << 40, &format!("'{READER}'"), "n");
        let sql = format!(
            "TRUNCATE tasks.tasks, tasks.task_tags, tasks.occurrences, tasks.user_sequences, tasks.idempotency_keys, tasks.outbox CASCADE;
             {of_users} {of_reader}
             INSERT INTO tasks.task_tags (task_id, tag) SELECT task_id, tag FROM tasks.tasks, public.template_tags;
             INSERT INTO tasks.user_sequences (user_id, last_seq) SELECT user_id, max(user_seq) FROM tasks.tasks GROUP BY user_id;"
        );
        self.database.execute(&sql).await;
        for table in ["tasks", "task_tags", "occurrences", "user_sequences", "idempotency_keys", "outbox"] {
            self.database.execute(&format!("VACUUM (ANALYZE) tasks.{table}")).await;
        }
        Ok(())
    }

    /// What a cell has left, to be compared with what it says that it did.
    pub(crate) async fn count(&self, what: &str) -> Result<u64> {
        let client = self.database.superuser_client().await;
        let count: i64 = client.query_one(&format!("SELECT count(*) FROM {what}"), &[]).await?.get(0);
        Ok(count.try_into()?)
    }

    /// The time in seconds by PostgreSQL's clock, statements of the target, and bytes of the write-ahead log, so far.
    pub(crate) async fn counters(&self) -> Result<(f64, f64, f64)> {
        let sql = "SELECT extract(epoch FROM clock_timestamp())::float8, coalesce(sum(calls), 0)::float8,
                (pg_current_wal_insert_lsn() - '0/0')::float8
            FROM pg_stat_statements WHERE userid = 'docket_tasks'::regrole";
        let row = self.counters.query_one(sql, &[]).await?;
        Ok((row.get(0), row.get(1), row.get(2)))
    }

    /// The connections of the load generator.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        Self::channels_to(&self.docket)
    }

    /// As many to another Docket.
    pub(crate) fn channels_to(docket: &Docket) -> Vec<Channel> {
        (0..CONNECTIONS).map(|_| docket.public_channel()).collect()
    }

    /// The version of PostgreSQL.
    pub(crate) async fn postgres_version(&self) -> Result<String> {
        let version: String = self.counters.query_one("SHOW server_version", &[]).await?.get(0);
        Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
    }

    pub(crate) fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// CPU seconds of Docket so far.
    pub(crate) fn docket_cpu(&self) -> Result<f64> {
        usage::of_process(self.docket.id().context("docket has ended")?)
    }

    /// CPU seconds of PostgreSQL so far, all its processes.
    pub(crate) fn postgres_cpu(&self) -> Result<f64> {
        usage::of_family(self.postmaster)
    }
}

/// A Docket that serves the API alone, without limits.
fn docket(binary: &Path, database: &Database) -> DocketBuilder {
    Docket::builder(binary)
        .storage(&Storage::Postgres(database.clone()))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_AUTH__SECRET", SECRET)
        .env("DOCKET_LOG", "warn")
        .env("DOCKET_LIMITS__RATE_PER_SECOND", "0")
        .env("DOCKET_LIMITS__MAX_CONCURRENT_CALLS", "0")
        .env("DOCKET_LIMITS__MAX_CONCURRENT_CALLS_PER_USER", "0")
}

/// A token of a user's.
pub(crate) fn token(user: &str) -> Result<String> {
    /// The year 2100: nobody measures for so long.
    const EXPIRY: u64 = 4_102_444_800;
    let claims = serde_json::json!({ "iss": "docket", "aud": "docket", "sub": user, "exp": EXPIRY });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    Ok(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)?)
}

fn migrate(binary: &Path, database: &Database) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let output = Command::new(binary)
        .arg("migrate")
        .current_dir(folder.path())
        .env("DOCKET_DATA_DIR", ".")
        .env("DOCKET_DATABASE__URL", database.owner_url())
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "docket migrate: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
