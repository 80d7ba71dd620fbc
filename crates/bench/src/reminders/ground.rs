//! What reminders stand on: PostgreSQL and Kafka, which are there all the time, and a Docket with a sidecar and a scheduler of
//! its own for each cell.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use docket_testkit::postgres::Client;
use docket_testkit::{Connection, Kafka, Postgres, Stack, User};

use super::meter::Parties;
use crate::backbone::shape::SETTINGS;
use crate::{usage, world};

/// Connections of the users.
const CONNECTIONS: usize = 8;

/// Where the channel `log` writes.
const NOTICE: &str = "docket::notice";

/// The most lines of Docket's that are shown when something has failed.
const SHOWN: usize = 40;

/// How Docket is set, beside where things are. What the channel `log` writes is a part of the way.
const DOCKET: [(&str, &str); 7] = [
    ("DOCKET_OUTBOX__BATCH", "500"),
    ("DOCKET_DAPR__BULK__MAX_MESSAGES", "500"),
    ("DOCKET_DAPR__BULK__MAX_AWAIT_MS", "5"),
    ("DOCKET_LOG", "warn,docket::notice=info"),
    ("DOCKET_LIMITS__MAX_CONCURRENT_CALLS", "0"),
    ("DOCKET_LIMITS__MAX_CONCURRENT_CALLS_PER_USER", "0"),
    ("DOCKET_AUTH__SECRET", world::SECRET),
];

/// What is there all the time.
pub(crate) struct Ground {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    pub(crate) kafka: Kafka,
    pub(crate) counters: Client,
    pub(crate) postmaster: u32,
    postgres: Postgres,
}

/// A Docket that plays all parts in one process, on a database of its own.
pub(crate) struct Running {
    pub(crate) stack: Stack,
    pub(crate) database: Client,
}

impl Ground {
    /// Starts both.
    pub(crate) async fn start(binary: &Path, more: &[(String, String)]) -> Result<Self> {
        let builder = SETTINGS
            .into_iter()
            .fold(Postgres::builder().durable(true), |builder, (name, value)| builder.setting(name, value));
        let (postgres, kafka) = tokio::join!(builder.start(), Kafka::start());
        postgres.execute("CREATE EXTENSION pg_stat_statements").await;
        let counters = postgres.client().await;
        let postmaster = usage::postmaster(&counters).await?;
        let settings = DOCKET.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = settings.chain(more.iter().cloned()).collect();
        Ok(Self { binary: binary.to_owned(), environment, kafka, counters, postmaster, postgres })
    }

    /// Starts a Docket with a sidecar that has the resources of production.
    pub(crate) async fn docket(&self, more: &[(&str, &str)]) -> Running {
        let database = self.postgres.database().await;
        let stack = Stack::builder(&self.binary).postgres(&database).kafka(&self.kafka, Connection::Plain);
        let ours = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings = more.iter().copied().chain(ours);
        let stack = settings.fold(stack.await, |stack, (name, value)| stack.env(name, value));
        Running { stack: stack.start().await, database: database.superuser_client().await }
    }

    /// The version of PostgreSQL.
    pub(crate) async fn postgres_version(&self) -> Result<String> {
        let version: String = self.counters.query_one("SHOW server_version", &[]).await?.get(0);
        Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

impl Running {
    /// The first so many users.
    pub(crate) fn users(&self, count: usize) -> Result<Vec<User>> {
        let channels: Vec<_> = (0..CONNECTIONS).map(|_| self.stack.docket.public_channel()).collect();
        let user = |number: usize| {
            let token = world::token(&format!("user-{number}"))?;
            Ok(User::new(channels[number % CONNECTIONS].clone(), &token))
        };
        (0..count).map(user).collect()
    }

    /// Whose CPU counts.
    pub(crate) fn parties(&mut self) -> Result<Parties> {
        Ok(Parties {
            app: self.stack.docket.id().context("docket has ended")?,
            daprd: self.stack.daprd().id().context("the sidecar has ended")?,
            scheduler: self.stack.scheduler().id().context("the scheduler has ended")?,
        })
    }

    /// How many rows there are of what is said behind FROM.
    pub(crate) async fn count(&self, what: &str) -> Result<u64> {
        let count: i64 = self.database.query_one(&format!("SELECT count(*) FROM {what}"), &[]).await?.get(0);
        Ok(count.try_into()?)
    }

    /// Brings everything to rest: what was written is on the disk, and what is dead is gone.
    pub(crate) async fn tidy(&self) -> Result<()> {
        self.stack.settled().await;
        self.database.batch_execute("CHECKPOINT").await?;
        Ok(self.database.batch_execute("VACUUM (ANALYZE)").await?)
    }

    /// Shows the last warnings and errors of Docket's.
    pub(crate) fn show_complaints(&self) {
        let log = self.stack.docket.log_text();
        let complaints: Vec<&str> = log.lines().filter(|line| !line.contains(NOTICE)).collect();
        for line in &complaints[complaints.len().saturating_sub(SHOWN)..] {
            eprintln!("      {line}");
        }
    }

    /// Lets Docket end in its own way.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let status = self.stack.docket.terminate().await;
        anyhow::ensure!(status.success(), "docket ended with {status}");
        Ok(())
    }
}
