//! Docket on PostgreSQL and Kafka: what is on the topic, and what becomes of it when broker, sidecar and Docket end while
//! users are at work.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::kafka::Stored;
use docket_testkit::{Connection, Fleet, Kafka, Load, Postgres, Role, Stack, Storage, due, repeating};
use serde_json::Value;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// A user who has no answer by then asks again.
const GIVE_UP: Duration = Duration::from_secs(3);

/// How many calls make a phase.
const SOME: u64 = 60;

/// What a record says, and its key.
fn read(record: &Stored) -> (String, Value) {
    let key = String::from_utf8(record.key.clone().unwrap().to_vec()).unwrap();
    (key, serde_json::from_slice(record.value.as_ref().unwrap()).unwrap())
}

/// Checks that the events of each task are in one partition, and that the first record of each comes after the first one
/// of the version before.
fn expect_order(records: &[Stored]) {
    let mut partitions: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in records {
        let (key, event) = read(record);
        partitions.entry(key.clone()).or_default().insert(record.partition);
        let version: i64 = event["data"]["sequence"].as_str().unwrap().parse().unwrap();
        let known = versions.entry(key).or_default();
        if !known.contains(&version) {
            known.push(version);
        }
    }
    for (task, partitions) in &partitions {
        assert_eq!(partitions.len(), 1, "events of {task} are in partitions {partitions:?}");
    }
    for (task, versions) in &versions {
        assert!(versions.iter().copied().eq(1..=versions.len() as i64), "events of {task}: {versions:?}");
    }
}

async fn a_recurring_task_is_followed_and_its_story_is_told(connection: Connection) {
    let kafka = Kafka::shared().await;
    let stack = Stack::builder(Path::new(DOCKET)).storage(&Storage::postgres().await);
    let stack = stack.kafka(kafka, connection).await.start().await;
    let alice = stack.user("alice");
    let rent = repeating("Pay the rent", Pattern::Monthly, "2027-01-31T09:00:00+01:00", "Europe/Berlin");
    let january = alice.create(rent).await;
    alice.complete(&january).await;
    let february = alice.successor_of(&january).await;
    assert_eq!(due(&february), "2027-02-28T08:00:00Z");
    stack.settled_on(kafka).await;
    alice.expect_story(&january, &["created", "completed"]).await;
    alice.expect_story(&february, &["created"]).await;
    alice.expect_followed_once(std::slice::from_ref(&january)).await;

    let records = kafka.read(stack.topic()).await;
    assert_eq!(records.len(), 3);
    expect_order(&records);
    for record in &records {
        let (key, event) = read(record);
        assert_eq!((&event["specversion"], &event["subject"]), (&"1.0".into(), &key.as_str().into()));
        assert_eq!(event["data"]["task_id"], key, "its key is its task");
        assert_eq!(event["datacontenttype"], "application/json");
        assert!(event["id"].as_str().is_some_and(|id| id.parse::<uuid::Uuid>().is_ok()), "{event}");
        let headers: Vec<&String> = record.headers.keys().collect();
        assert!(headers.iter().all(|name| name.starts_with("trace")), "nothing else goes along: {headers:?}");
    }
    assert_eq!(kafka.read(&stack.dead_letter_topic()).await, []);
}

#[tokio::test]
async fn a_recurring_task_is_followed_and_its_story_is_told_without_tls() {
    a_recurring_task_is_followed_and_its_story_is_told(Connection::Plain).await;
}

#[tokio::test]
async fn a_recurring_task_is_followed_and_its_story_is_told_with_tls() {
    a_recurring_task_is_followed_and_its_story_is_told(Connection::Tls).await;
}

#[tokio::test]
async fn nothing_is_lost_when_broker_sidecar_and_docket_end_under_load() {
    let mut kafka = Kafka::start().await;
    let stack = Stack::builder(Path::new(DOCKET)).storage(&Storage::postgres().await);
    let mut stack = stack
        .kafka(&kafka, Connection::Plain)
        .await
        .env("DOCKET_AUTH__SECRET", &uuid::Uuid::new_v4().to_string())
        .start()
        .await;
    let users = ["alice", "bob", "carol"].map(|name| vec![stack.user(name)]);
    let load = Load::of(users.into()).giving_up_after(GIVE_UP);
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            kafka.kill();
            load.acknowledged(SOME).await;
            kafka.spawn();
            kafka.ready().await;
            load.acknowledged(SOME).await;
            stack.daprd().restart().await;
            load.acknowledged(SOME).await;
            stack.docket.restart().await;
            load.acknowledged(SOME).await;
            let status = stack.docket.terminate().await;
            assert!(status.success(), "{status}");
            stack.docket.spawn();
            stack.ready().await;
            load.acknowledged(SOME).await;
        })
        .await;
    stack.settled_on(&kafka).await;
    load.expect_all_once(&chores, 0).await;
    expect_order(&kafka.read(stack.topic()).await);
    assert_eq!(kafka.read(&stack.dead_letter_topic()).await, [], "no outage makes a dead letter");
}

#[tokio::test]
async fn each_target_alone_does_its_part_and_a_replica_can_go_at_any_time() {
    let (postgres, kafka) = tokio::join!(Postgres::shared(), Kafka::builder().proxies(6).start());
    let database = postgres.database().await;
    let mut fleet = Fleet::builder(Path::new(DOCKET), &database, &kafka)
        .replicas_of(Role::Tasks, 2)
        .replicas_of(Role::Audit, 2)
        .env("DOCKET_OUTBOX__LEASE_SECONDS", "6")
        .env("DOCKET_DAPR__DEADLINE_MS", "4000")
        .start()
        .await;
    let users = ["alice", "bob"].map(|name| fleet.user(name));
    let load = Load::of(users.into()).giving_up_after(GIVE_UP);
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            let audit = fleet.member_mut(Role::Audit, 0);
            audit.docket.kill();
            audit.daprd.kill();
            fleet.member(Role::Tasks, 0).broker(&kafka).unwrap().cut().await;
            load.acknowledged(SOME).await;
            fleet.member(Role::Recurrence, 0).links.database.cut().await;
            fleet.member(Role::Tasks, 1).links.sidecar.reset().await;
            load.acknowledged(SOME).await;
            fleet.member(Role::Tasks, 1).docket.pause();
            load.acknowledged(SOME).await;
            fleet.heal(&kafka).await;
            load.acknowledged(SOME).await;
        })
        .await;
    fleet.settled(&kafka).await;
    for replica in 0..2 {
        load.expect_all_once(&chores, replica).await;
    }
    expect_order(&kafka.read(fleet.topic()).await);
}
