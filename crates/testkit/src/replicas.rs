//! Several Dockets on one database, each with its own sidecar, under one name.

use std::ops::{Index, IndexMut};
use std::path::{Path, PathBuf};

use futures::future::join_all;

use crate::postgres::Database;
use crate::scheduler::Scheduler;
use crate::stack::{Identity, Stack, StackBuilder};
use crate::storage::Storage;
use crate::{PATIENCE, wait_for};

/// Replicas to be started.
#[derive(Debug)]
pub struct ReplicasBuilder {
    binary: PathBuf,
    database: Database,
    stacks: Vec<StackBuilder>,
}

/// Several Dockets on one database. Each is a [`Stack`] of its own, but for the scheduler, which they share, as they do
/// the app-id and the secret: a user's token is good for all.
#[derive(Debug)]
pub struct Replicas {
    stacks: Vec<Stack>,
    // Ends last.
    scheduler: Scheduler,
}

impl Replicas {
    /// So many replicas of the binary, which a test names by `env!("CARGO_BIN_EXE_docket")`.
    pub fn builder(binary: &Path, database: &Database, count: usize) -> ReplicasBuilder {
        let (identity, storage) = (Identity::new(), Storage::Postgres(database.clone()));
        let stack = |_| StackBuilder::new(binary, identity.clone()).storage(&storage).with_shared_secret();
        let stacks = (0..count).map(stack).collect();
        ReplicasBuilder { binary: binary.to_owned(), database: database.clone(), stacks }
    }

    /// How many there are, running or not.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.stacks.len()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Stack> {
        self.stacks.iter()
    }

    /// The scheduler that they share.
    pub fn scheduler(&mut self) -> &mut Scheduler {
        &mut self.scheduler
    }

    /// Waits until no event is on its way any more, whichever replica has it.
    pub async fn settled(&self) {
        self.stacks[0].settled().await;
    }
}

impl ReplicasBuilder {
    /// Changes each of them: the second parameter counts from 0.
    pub fn each(mut self, mut change: impl FnMut(StackBuilder, usize) -> StackBuilder) -> Self {
        let stacks = self.stacks.into_iter().enumerate();
        self.stacks = stacks.map(|(index, stack)| change(stack, index)).collect();
        self
    }

    /// Sets a variable of the environment of all of them.
    pub fn env(self, name: &str, value: &str) -> Self {
        self.each(|stack, _| stack.env(name, value))
    }

    /// Migrates the database, starts all, and waits until they serve and their sidecars deliver.
    pub async fn start(self) -> Replicas {
        self.database.migrate(&self.binary).await;
        let scheduler = Scheduler::builder().start().await;
        let starts = self.stacks.into_iter().map(|stack| stack.launch(Some(scheduler.port())));
        Replicas { stacks: join_all(starts).await, scheduler }
    }
}

impl Index<usize> for Replicas {
    type Output = Stack;

    fn index(&self, index: usize) -> &Stack {
        &self.stacks[index]
    }
}

impl IndexMut<usize> for Replicas {
    fn index_mut(&mut self, index: usize) -> &mut Stack {
        &mut self.stacks[index]
    }
}

/// Waits until the living relays have so many shards of the outbox each. With receipts, only the outbox of the tasks has
/// relays.
pub async fn expect_shares(database: &Database, expect: &[i64]) {
    let sql = "SELECT count(shard) FROM tasks.relays LEFT JOIN tasks.relay_shards USING (relay_id)
        WHERE expire_time > extract(epoch FROM clock_timestamp()) * 1000000 GROUP BY relay_id";
    let client = database.superuser_client().await;
    wait_for(&format!("relays with {expect:?} shards"), PATIENCE, async || {
        let relays = client.query(sql, &[]).await.expect("the relays can be read");
        let shares: Vec<i64> = relays.iter().map(|relay| relay.get(0)).collect();
        if shares == expect { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .await;
}
