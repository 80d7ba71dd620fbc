//! A replica is killed, stopped for longer than its lease, or told to end, while users work through it and another one:
//! nothing that was acknowledged is lost, nothing happens twice, and the order of each task's events is kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use docket_testkit::{Database, Load, Postgres, Replicas, expect_shares};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A user who has no answer by then asks another replica.
const GIVE_UP: Duration = Duration::from_secs(3);

/// A lease, in seconds, whose end a test can wait for.
const SHORT: &str = "3";

/// A lease that outlasts every test.
const LONG: &str = "300";

/// How many calls make a phase.
const SOME: u64 = 100;

/// Two replicas, and users at both of them.
async fn replicas(lease: &str) -> (Database, Replicas, Load) {
    let database = Postgres::shared().await.database().await;
    let replicas = Replicas::builder(Path::new(DOCKET), &database, 2)
        .env("DOCKET_OUTBOX__LEASE_SECONDS", lease)
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "2000")
        .env("DOCKET_DAPR__DEADLINE_MS", "2000")
        // A sidecar that stops its subscriptions while a delivery hangs in a stopped process may never answer again: what
        // is tried here is docket.
        .each(|stack, _| stack.health_threshold(1_000))
        .start()
        .await;
    let users = ["alice", "bob", "carol", "dave"];
    let users = users.map(|name| replicas.iter().map(|replica| replica.user(name)).collect());
    let load = Load::of(users.into()).giving_up_after(GIVE_UP);
    (database, replicas, load)
}

/// Who has a relay's row.
async fn relays(database: &Database) -> HashSet<String> {
    let sql = "SELECT relay_id::text FROM tasks.relays";
    let relays = database.superuser_client().await.query(sql, &[]).await.unwrap();
    relays.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_a_killed_replica_had_the_other_takes_over() {
    let (database, mut replicas, load) = replicas(SHORT).await;
    expect_shares(&database, &[32, 32]).await;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            replicas[0].docket.kill();
            replicas[0].daprd().kill();
            load.acknowledged(SOME).await;
            expect_shares(&database, &[64]).await;
            load.acknowledged(SOME).await;
        })
        .await;
    replicas.settled().await;
    load.expect_all_once(&chores, 1).await;
}

#[tokio::test]
async fn replica_that_was_stopped_beyond_its_lease_comes_back_as_another() {
    let (database, replicas, load) = replicas(SHORT).await;
    expect_shares(&database, &[32, 32]).await;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            let before = relays(&database).await;
            replicas[0].docket.pause();
            expect_shares(&database, &[64]).await;
            load.acknowledged(SOME).await;
            replicas[0].docket.resume();
            expect_shares(&database, &[32, 32]).await;
            let after = relays(&database).await;
            assert_ne!(before, after, "who was taken for dead is somebody else now");
            load.acknowledged(SOME).await;
        })
        .await;
    replicas.settled().await;
    for replica in 0..replicas.len() {
        load.expect_all_once(&chores, replica).await;
    }
}

#[tokio::test]
async fn replica_that_is_told_to_end_gives_its_shards_back_at_once() {
    let (database, mut replicas, load) = replicas(LONG).await;
    expect_shares(&database, &[32, 32]).await;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            let status = replicas[0].docket.terminate().await;
            assert!(status.success(), "{status}");
            replicas[0].daprd().kill();
            expect_shares(&database, &[64]).await;
            load.acknowledged(SOME).await;
        })
        .await;
    replicas.settled().await;
    load.expect_all_once(&chores, 1).await;
}
