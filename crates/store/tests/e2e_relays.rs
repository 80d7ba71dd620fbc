//! Relays that share an outbox: every shard has one of them, whoever comes, goes, dies or wakes up too late.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docket_domain::EventId;
use docket_store::outbox::{NewEvent, SHARDS};
use docket_store::relay::Part;
use docket_store::{Config, Error, Schema, Store, Stores};
use docket_testkit::{Database, PATIENCE, Postgres, wait_for};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

const ALL: usize = SHARDS as usize;

/// Outlasts every test, so that a lease ends when the test says so.
const LONG: Duration = Duration::from_secs(600);

struct Outbox {
    database: Database,
    stores: Stores,
}

impl Outbox {
    async fn fresh() -> Self {
        let database = Postgres::shared().await.database().await;
        let config = |url| Config { url, ..Config::default() };
        let owner = Stores::open(&config(database.owner_url()), &[]).await.unwrap();
        owner.migrate_up(None).await.unwrap();
        database.grant_runtime().await;
        let stores = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap();
        Self { database, stores }
    }

    fn relay(&self) -> Relay {
        Relay { store: self.stores.of(Schema::Tasks), lease: LONG, name: Uuid::nil(), part: None }
    }

    async fn relays(&self, count: usize) -> Vec<Relay> {
        let mut relays: Vec<Relay> = (0..count).map(|_| self.relay()).collect();
        settle(relays.iter_mut().collect()).await;
        relays
    }

    /// Lets the time of a relay run out.
    async fn expire(&self, relay: &Relay) {
        let name = relay.name;
        self.database
            .execute(&format!("UPDATE tasks.relays SET expire_time = 0 WHERE relay_id = '{name}'"))
            .await;
    }

    /// How many events are kept as published.
    async fn published(&self) -> i64 {
        let client = self.database.superuser_client().await;
        client.query_one("SELECT count(*) FROM tasks.published_events", &[]).await.unwrap().get(0)
    }

    /// Puts an event into the outbox for every shard to have some.
    async fn fill(&self, count: u128) {
        let store = self.stores.of(Schema::Tasks);
        let event = |number: u128| NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(number)),
            topic: "t".to_owned(),
            key: format!("key {number}"),
            event_type: "com.todo.task.updated",
            source: "docket/tasks".to_owned(),
            payload: b"{}".to_vec(),
            trace: None,
            time: docket_domain::Instant::default(),
        };
        let filled: Result<(), Error> = store
            .transaction(|tx| {
                Box::pin(async move { tx.outbox_append((1..=count).map(event).collect()).await })
            })
            .await;
        filled.unwrap();
    }
}

/// A relay, but for what it publishes.
struct Relay {
    store: Store,
    lease: Duration,
    name: Uuid,
    part: Option<Part>,
}

impl Relay {
    /// What a relay does in one round; answers the shards that it has got.
    async fn round(&mut self) -> Vec<(i16, i64)> {
        if self.part.is_none() {
            self.name = Uuid::new_v4();
            self.part = Some(self.store.relay_join(self.name, self.lease).await.unwrap());
        }
        let before: HashSet<(i16, i64)> = self.shards();
        let part = self.part.as_mut().unwrap();
        match self.store.relay_poll(part, self.lease, &["t".to_owned()], 0, 500).await.unwrap() {
            None => self.part = None,
            Some(poll) => {
                let had: Vec<i16> = part.shards().map(|(shard, _)| shard).collect();
                assert!(poll.heads.iter().all(|head| had.contains(&head.shard)), "events of others");
                let share = poll.census.share();
                let surplus = had.len().saturating_sub(share);
                self.store.relay_release(part, &had[..surplus]).await.unwrap();
                self.store.relay_claim(part, share.saturating_sub(had.len())).await.unwrap();
            }
        }
        self.shards().difference(&before).copied().collect()
    }

    async fn leave(&mut self) {
        if let Some(part) = self.part.take() {
            self.store.relay_leave(part).await.unwrap();
        }
    }

    fn shards(&self) -> HashSet<(i16, i64)> {
        self.part.iter().flat_map(Part::shards).collect()
    }

    fn epochs(&self) -> BTreeMap<i16, i64> {
        self.part.iter().flat_map(Part::shards).collect()
    }

    fn count(&self) -> usize {
        self.shards().len()
    }

    /// The events that it may publish.
    async fn heads(&self) -> Option<Vec<EventId>> {
        let part = self.part.as_ref().unwrap();
        let poll = self.store.relay_poll(part, self.lease, &["t".to_owned()], 0, 500).await.unwrap();
        poll.map(|poll| poll.heads.iter().map(|head| head.id).collect())
    }
}

/// Enough rounds for all to have their shares.
async fn settle(mut relays: Vec<&mut Relay>) {
    for _ in 0..4 {
        for relay in &mut relays {
            relay.round().await;
        }
    }
    assert_shared(&relays.iter().map(|relay| &**relay).collect::<Vec<_>>());
}

/// All shards are taken, none twice, by shares that are even.
fn assert_shared(relays: &[&Relay]) {
    let shards: Vec<i16> = relays.iter().flat_map(|relay| relay.epochs().into_keys()).collect();
    let distinct: HashSet<i16> = shards.iter().copied().collect();
    assert_eq!((shards.len(), distinct.len()), (ALL, ALL));
    let counts: Vec<usize> = relays.iter().map(|relay| relay.count()).collect();
    assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
}

#[tokio::test]
async fn relays_share_evenly_and_each_event_is_shown_to_one() {
    let outbox = Outbox::fresh().await;
    outbox.fill(200).await;
    let [mut one, mut two] = outbox.relays(2).await.try_into().ok().unwrap();
    assert_eq!((one.count(), two.count()), (32, 32));
    let (first, second) = (one.heads().await.unwrap(), two.heads().await.unwrap());
    let all: HashSet<EventId> = first.iter().chain(&second).copied().collect();
    assert_eq!((first.len() + second.len(), all.len()), (200, 200));

    let mut three = outbox.relay();
    settle(vec![&mut one, &mut two, &mut three]).await;
    two.leave().await;
    settle(vec![&mut one, &mut three]).await;
    // Nothing is written into the shards' rows by those who have their share.
    let epochs = (one.epochs(), three.epochs());
    one.round().await;
    three.round().await;
    assert_eq!((one.epochs(), three.epochs()), epochs);
}

/// A plan of the moment when there was nothing would read all events once for each of them.
#[tokio::test]
async fn events_after_a_quiet_time_are_not_read_by_a_plan_for_none() {
    const EVENTS: u128 = 3_000;
    let outbox = Outbox::fresh().await;
    outbox.database.execute("VACUUM ANALYZE tasks.outbox").await;
    let [relay] = outbox.relays(1).await.try_into().ok().unwrap();
    // More often than PostgreSQL takes to decide whether it keeps a plan.
    for _ in 0..20 {
        assert_eq!(relay.heads().await.unwrap(), []);
    }
    outbox.fill(EVENTS).await;
    let client = outbox.database.superuser_client().await;
    let read = async || -> i64 {
        let sql = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = 'tasks.outbox'::regclass";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let before = read().await;
    assert_eq!(relay.heads().await.unwrap().len(), 500);
    // Whoever has disconnected has said what it has read.
    drop(relay);
    outbox.stores.close().await.unwrap();
    let gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    wait_for("the store to have disconnected", PATIENCE, async || {
        let left: i64 = client.query_one(gone, &[]).await.unwrap().get(0);
        if left == 0 { Ok(()) } else { Err(format!("{left} connections")) }
    })
    .await;
    let rows = read().await - before;
    assert!(rows <= 10 * EVENTS as i64, "{rows} rows were read for {EVENTS} events");
}

#[tokio::test]
async fn what_a_dead_relay_had_is_taken_over_when_its_lease_is_over() {
    let outbox = Outbox::fresh().await;
    let mut dying = Relay { lease: Duration::from_millis(500), ..outbox.relay() };
    let mut other = outbox.relay();
    // Its lease is short, and it is renewed by every round.
    wait_for("two shares", PATIENCE, async || {
        dying.round().await;
        other.round().await;
        let counts = (dying.count(), other.count());
        if counts == (32, 32) { Ok(()) } else { Err(format!("{counts:?}")) }
    })
    .await;
    let before = dying.epochs();
    wait_for("all shards at one relay", PATIENCE, async || {
        other.round().await;
        if other.count() == ALL { Ok(()) } else { Err(other.count().to_string()) }
    })
    .await;
    let after = other.epochs();
    assert!(before.iter().all(|(shard, epoch)| after[shard] == epoch + 1), "{before:?} {after:?}");
}

#[tokio::test]
async fn a_relay_that_wakes_up_too_late_has_nothing_and_removes_nothing() {
    let outbox = Outbox::fresh().await;
    outbox.fill(100).await;
    let [mut paused, mut other] = outbox.relays(2).await.try_into().ok().unwrap();
    let known = paused.heads().await.unwrap();
    assert!(!known.is_empty());

    outbox.expire(&paused).await;
    let part = paused.part.clone().unwrap();
    assert!(!paused.store.outbox_remove(&part, &known).await.unwrap(), "nobody has taken over yet");
    settle(vec![&mut other]).await;
    assert!(!paused.store.outbox_remove(&part, &known).await.unwrap());
    assert_eq!(other.heads().await.unwrap().len(), 100, "all are still there, for the other one to publish");
    assert_eq!(paused.heads().await, None, "and it may not publish any");
    assert_eq!(paused.store.relay_claim(&mut part.clone(), ALL).await.unwrap(), 0);
    assert_eq!(outbox.published().await, 0, "what is not removed is not published");

    // What it had before is not what it has under its new name.
    paused.round().await;
    settle(vec![&mut paused, &mut other]).await;
    assert!(!paused.store.outbox_remove(&part, &known).await.unwrap());
    let mine = paused.heads().await.unwrap();
    assert!(paused.store.outbox_remove(paused.part.as_ref().unwrap(), &mine).await.unwrap());
    assert_eq!(other.store.outbox_depth().await.unwrap(), 100 - mine.len() as u64);
    assert_eq!(outbox.published().await, mine.len() as i64);

    // A shard that was given back and taken again is another lease of it: what was read in the first may be gone.
    let stale = other.part.clone().unwrap();
    let had: Vec<i16> = other.epochs().into_keys().collect();
    other.store.relay_release(other.part.as_mut().unwrap(), &had).await.unwrap();
    settle(vec![&mut paused, &mut other]).await;
    let known: Vec<EventId> = other.heads().await.unwrap();
    assert!(!other.store.outbox_remove(&stale, &known).await.unwrap());
}

#[tokio::test]
async fn what_a_process_announces_the_others_hear_and_not_itself() {
    let outbox = Outbox::fresh().await;
    let (store, own, other) = (outbox.stores.of(Schema::Tasks), Uuid::new_v4(), Uuid::new_v4());
    let heard = Arc::<AtomicUsize>::default();
    let (count, listener) = (heard.clone(), store.clone());
    let listening =
        async move |by| listener.outbox_listen(by, move || _ = count.fetch_add(1, Ordering::SeqCst)).await;
    let _listening = AbortOnDropHandle::new(tokio::spawn(listening(own)));
    let mut announced = 0;
    let mut hears_another = async || {
        let before = heard.load(Ordering::SeqCst);
        wait_for("the word of another", PATIENCE, async || {
            store.outbox_announce(other).await.unwrap();
            announced += 1;
            if heard.load(Ordering::SeqCst) > before { Ok(()) } else { Err("silence".to_owned()) }
        })
        .await;
        (heard.load(Ordering::SeqCst), announced)
    };
    hears_another().await;
    outbox
        .database
        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'")
        .await;
    hears_another().await;
    for _ in 0..50 {
        store.outbox_announce(own).await.unwrap();
    }
    let (heard, announced) = hears_another().await;
    // One more for the connection that was lost.
    assert!(heard <= announced + 1, "{heard} of {announced}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Round(usize),
    Leave(usize),
    Expire(usize),
}

fn step(relays: usize) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..relays).prop_map(Step::Round),
        1 => (0..relays).prop_map(Step::Leave),
        1 => (0..relays).prop_map(Step::Expire),
    ]
}

#[tokio::test]
async fn whatever_happens_no_shard_has_two_relays_and_none_is_left_over() {
    const RELAYS: usize = 5;
    let outbox = Outbox::fresh().await;
    let steps = proptest::collection::vec(step(RELAYS), 60);
    let mut runner = TestRunner::default();
    for _ in 0..8 {
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let mut relays: Vec<Relay> = (0..RELAYS).map(|_| outbox.relay()).collect();
        let (mut dead, mut newest) = (HashSet::new(), BTreeMap::<i16, i64>::new());
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Round(index) => {
                    for (shard, epoch) in relays[index].round().await {
                        let older = newest.insert(shard, epoch).unwrap_or_default();
                        assert!(epoch > older, "shard {shard} at step {number} of {steps:?}");
                    }
                    // Whoever is fenced has nothing, and lives again.
                    dead.remove(&index);
                }
                Step::Leave(index) => relays[index].leave().await,
                Step::Expire(index) => {
                    outbox.expire(&relays[index]).await;
                    dead.insert(index);
                }
            }
            let living = relays.iter().enumerate().filter(|(index, _)| !dead.contains(index));
            let held: Vec<i16> = living.flat_map(|(_, relay)| relay.epochs().into_keys()).collect();
            let distinct: HashSet<&i16> = held.iter().collect();
            assert_eq!(held.len(), distinct.len(), "step {number} of {steps:?}");
        }
        settle(relays.iter_mut().collect()).await;
        for relay in &mut relays {
            relay.leave().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn relays_that_take_shards_at_the_same_time_never_get_the_same() {
    let outbox = Outbox::fresh().await;
    let taken = Arc::<Mutex<Vec<(i16, i64)>>>::default();
    let mut running = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (mut relay, taken) = (outbox.relay(), taken.clone());
        running.spawn(async move {
            for round in 0..40 {
                let got = relay.round().await;
                taken.lock().unwrap().extend(got);
                if round % 7 == number {
                    relay.leave().await;
                }
            }
            relay
        });
    }
    let mut relays = running.join_all().await;
    let taken = std::mem::take(&mut *taken.lock().unwrap());
    let distinct: HashSet<(i16, i64)> = taken.iter().copied().collect();
    assert!(taken.len() > ALL, "shards have moved");
    assert_eq!(taken.len(), distinct.len(), "a lease of a shard has one relay");
    settle(relays.iter_mut().collect()).await;
}
