//! Everything that runs: PostgreSQL, Kafka, two or more of every target, each with its sidecar and its networks.

use std::time::Duration;

use docket_testkit::postgres::{self, Client};
use docket_testkit::{Database, Fleet, Kafka, Links, Member, Postgres, Process, Role, history};
use tokio::time::{Instant, timeout};

use crate::ground::Ground;
use crate::options::Options;
use crate::poison;

/// The variable that arms failpoints.
pub(crate) const FAILPOINTS: &str = "FAILPOINTS";

/// How many partitions the topic has.
pub(crate) const PARTITIONS: i32 = 3;

/// How often it is asked how things are.
const INTERVAL: Duration = Duration::from_millis(100);

/// Everything that runs. The fleet ends first.
pub(crate) struct World {
    pub(crate) fleet: Fleet,
    pub(crate) kafka: Kafka,
    pub(crate) postgres: Postgres,
    pub(crate) database: Database,
    /// How often a process had ended by itself, and was started again as an orchestrator would.
    pub(crate) revived: u64,
}

impl World {
    /// Starts it.
    pub(crate) async fn start(options: &Options) -> Self {
        let (name, value) = history::SETTING;
        let members = options.replicas * Role::BACKBONE.len();
        let (postgres, kafka) = tokio::join!(
            Postgres::builder().setting(name, value).start(),
            Kafka::builder().proxies(members).start(),
        );
        let database = postgres.database().await;
        let fleet = Fleet::builder(&options.docket, &database, &kafka)
            .replicas(options.replicas)
            // Small, so that several calls of a relay are under way at the same time.
            .env("DOCKET_OUTBOX__BATCH", "4")
            .env("DOCKET_OUTBOX__LEASE_SECONDS", &options.lease.as_secs().to_string())
            .env("DOCKET_DAPR__DEADLINE_MS", &(options.lease.as_millis() / 2).to_string())
            .start()
            .await;
        Self { fleet, kafka, postgres, database, revived: 0 }
    }

    /// A replica of a target.
    pub(crate) fn member(&mut self, (role, index): (Role, usize)) -> &mut Member {
        self.fleet.member_mut(role, index)
    }

    /// Puts an end to every fault.
    pub(crate) async fn mend(&mut self) {
        for member in self.fleet.members_mut() {
            let broker = member.broker(&self.kafka);
            let Links { database, sidecar, app } = &member.links;
            for link in [Some(database), Some(sidecar), Some(app), broker].into_iter().flatten() {
                link.heal().await;
            }
            for process in [&mut *member.docket, &mut *member.daprd] {
                if process.runs() {
                    process.resume();
                }
            }
        }
        // Who starts without them would end at once.
        if self.postgres.runs() {
            self.postgres.resume();
        } else {
            self.postgres.start_again().await;
        }
        revive(self.fleet.scheduler());
        revive(&mut self.kafka);
        self.kafka.ready().await;
        for member in self.fleet.members_mut() {
            revive(&mut member.docket);
            revive(&mut member.daprd);
        }
    }

    /// Who does not serve or deliver.
    async fn down(&self) -> Option<String> {
        for member in self.fleet.members() {
            if let Err(error) = member.is_ready().await {
                return Some(format!("{}: {error}", member.name()));
            }
        }
        None
    }

    /// The logs of all processes, by their names.
    pub(crate) fn logs(&self) -> Vec<(String, String)> {
        let members = self.fleet.members().flat_map(|member| {
            let name = member.name();
            [
                (format!("{name}.docket"), member.docket.log_text()),
                (format!("{name}.daprd"), member.daprd.log_text()),
            ]
        });
        let others =
            [("kafka".to_owned(), self.kafka.log_text()), ("postgres".to_owned(), self.postgres.log_text())];
        members.chain(others).collect()
    }
}

impl Ground for World {
    async fn database(&self) -> Result<Client, String> {
        postgres::connect(&self.database.superuser_url()).await
    }

    async fn up(&mut self, limit: Duration) -> Result<Duration, String> {
        let start = Instant::now();
        loop {
            self.revive();
            let down = match timeout(limit, self.down()).await {
                Ok(None) => return Ok(start.elapsed()),
                Ok(Some(down)) => down,
                Err(_elapsed) => "nobody answers".to_owned(),
            };
            if start.elapsed() > limit {
                return Err(down);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    async fn settled(&self) -> Result<(), String> {
        let planted = poison::planted(&self.kafka, self.fleet.topic()).await;
        let letters = planted.map_err(|error| error.to_string())?.letters;
        self.fleet.unsettled(&self.kafka, letters).await
    }

    /// As an orchestrator would.
    fn revive(&mut self) {
        for member in self.fleet.members_mut() {
            for process in [&mut *member.docket, &mut *member.daprd] {
                if !process.runs() {
                    process.spawn();
                    self.revived += 1;
                }
            }
        }
    }
}

/// Lets a process go on that was stopped, and starts it again when it has ended.
fn revive(process: &mut Process) {
    if process.runs() {
        process.resume();
    } else {
        process.spawn();
    }
}
