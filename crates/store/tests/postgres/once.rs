//! Several processes at the same rows: each event is begun by one of them, each letter is done with by one, and who purges
//! waits for nobody.

use std::collections::HashSet;
use std::sync::Arc;

use docket_domain::LetterState;
use docket_store::audit::NewEntry;
use docket_store::dead_letters::{Filter, Letter};
use docket_store::inbox::Arrival;
use docket_store::{Error, Schema, Stores};
use docket_testkit::Postgres;
use tokio::sync::Barrier;

use crate::suite::letters::{act, failure, keep, replayed};
use crate::suite::series::entry;
use crate::suite::{at, event_id};
use crate::{config, migrated};

pub(crate) async fn deadlocks(database: &docket_testkit::Database) -> i64 {
    let client = database.superuser_client().await;
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_that_come_to_several_at_once_are_begun_by_one() {
    const EVENTS: u128 = 40;
    const CONSUMERS: u128 = 8;
    let database = migrated(Postgres::shared().await).await;
    let store = Stores::open(&config(database.url()), &[Schema::Audit]).await.unwrap().of(Schema::Audit);
    for round in 0..10_u128 {
        // Half of the events were given up, and come back with replays; everybody has all, in an order of his own.
        let given_up: Result<(), Error> = store
            .transaction(|tx| {
                Box::pin(async move {
                    for number in (0..EVENTS).step_by(2) {
                        let event = event_id(1_000 * round + number);
                        assert!(tx.inbox_bury("audit", &Arrival { event, replay: None }, "", at(1)).await?);
                    }
                    Ok(())
                })
            })
            .await;
        given_up.unwrap();
        let barrier = Arc::new(Barrier::new(CONSUMERS as usize));
        let consumer = |number: u128| {
            let (store, barrier) = (store.clone(), barrier.clone());
            tokio::spawn(async move {
                let mut events: Vec<u128> = (0..EVENTS).map(|event| 1_000 * round + event).collect();
                events.rotate_left(usize::try_from(number * 5).unwrap());
                if number.is_multiple_of(2) {
                    events.reverse();
                }
                let arrivals: Vec<Arrival> = events
                    .iter()
                    .map(|event| Arrival {
                        event: event_id(*event),
                        // The same replay at all of them.
                        replay: (event % 2 == 0).then(|| event_id(1_000_000 + event)),
                    })
                    .collect();
                barrier.wait().await;
                let begun: Result<Vec<bool>, Error> = store
                    .transaction(|tx| {
                        let arrivals = arrivals.clone();
                        Box::pin(async move { tx.inbox_begin_all("audit", &arrivals, at(2)).await })
                    })
                    .await;
                let begun = events.into_iter().zip(begun.unwrap()).filter(|(_, begun)| *begun);
                begun.map(|(event, _)| event).collect::<Vec<_>>()
            })
        };
        let consumers: Vec<_> = (0..CONSUMERS).map(consumer).collect();
        let mut begun = Vec::new();
        for consumer in consumers {
            begun.extend(consumer.await.unwrap());
        }
        let distinct: HashSet<u128> = begun.iter().copied().collect();
        assert_eq!((begun.len() as u128, distinct.len() as u128), (EVENTS, EVENTS), "round {round}");
    }
    assert_eq!(deadlocks(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn entries_of_events_that_come_to_several_at_once_are_stored_once() {
    const EVENTS: u128 = 40;
    const CONSUMERS: u128 = 8;
    let database = migrated(Postgres::shared().await).await;
    let store = Stores::open(&config(database.url()), &[Schema::Audit]).await.unwrap().of(Schema::Audit);
    for round in 0..10_u128 {
        let barrier = Arc::new(Barrier::new(CONSUMERS as usize));
        let consumer = |number: u128| {
            let (store, barrier) = (store.clone(), barrier.clone());
            tokio::spawn(async move {
                // To some all of them come once more for the log alone, to some a part, to others none.
                let refills = |event: u128| number.is_multiple_of(3) || (event + number).is_multiple_of(2);
                let new = |event: u128| {
                    let entry = entry(1_000 * round + event, 7, 1);
                    let replay =
                        refills(event).then(|| event_id(1_000_000 * (number + 1) + 1_000 * round + event));
                    let arrival = Arrival { event: entry.event_id, replay };
                    NewEntry { arrival, refills: replay.is_some(), entry: Some(entry) }
                };
                let mut events: Vec<NewEntry> = (0..EVENTS).map(new).collect();
                events.rotate_left(usize::try_from(number * 5).unwrap());
                barrier.wait().await;
                store.audit_record("audit", &events, at(2)).await.unwrap()
            })
        };
        let consumers: Vec<_> = (0..CONSUMERS).map(consumer).collect();
        let mut stored = 0;
        for consumer in consumers {
            stored += consumer.await.unwrap();
        }
        assert_eq!(u128::from(stored), EVENTS, "round {round}");
    }
    assert_eq!(deadlocks(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_replay_at_once_replay_each_letter_once() {
    let database = migrated(Postgres::shared().await).await;
    let store = Stores::open(&config(database.url()), &[Schema::DeadLetters]).await.unwrap();
    let store = store.of(Schema::DeadLetters);
    keep(&store, (1..=200).map(failure).collect()).await;
    let open = Filter { states: vec![LetterState::Open], ..Filter::default() };
    let operators: Vec<_> = (0..4)
        .map(|_| {
            let (store, open) = (store.clone(), open.clone());
            tokio::spawn(async move {
                let mut done: Vec<Letter> = Vec::new();
                loop {
                    let (letters, _) = act(&store, open.clone(), 30, replayed).await;
                    if letters.is_empty() {
                        return done;
                    }
                    done.extend(letters);
                }
            })
        })
        .collect();
    let mut done = Vec::new();
    for operator in operators {
        done.extend(operator.await.unwrap());
    }
    let distinct: HashSet<_> = done.iter().map(|letter| letter.id).collect();
    assert_eq!((done.len(), distinct.len()), (200, 200));
    assert!(
        done.iter().all(|letter| letter.state == LetterState::Open),
        "as they were when they were chosen"
    );
    let client = database.superuser_client().await;
    let actions = "SELECT count(*) FROM deadletters.dead_letter_actions";
    assert_eq!(client.query_one(actions, &[]).await.unwrap().get::<_, i64>(0), 200);
    assert_eq!(deadlocks(&database).await, 0);
}

#[tokio::test]
async fn who_purges_passes_over_what_others_have_locked() {
    let database = migrated(Postgres::shared().await).await;
    let store = Stores::open(&config(database.url()), &[Schema::Audit]).await.unwrap().of(Schema::Audit);
    for number in 1..=4 {
        let begun: Result<bool, Error> = store
            .transaction(|tx| {
                let arrival = Arrival { event: event_id(number), replay: None };
                let time = at(i64::try_from(number).unwrap());
                Box::pin(async move { tx.inbox_begin("audit", &arrival, time).await })
            })
            .await;
        assert!(begun.unwrap());
    }
    let mut client = database.superuser_client().await;
    let other = client.transaction().await.unwrap();
    other.batch_execute("SELECT FROM audit.inbox ORDER BY create_time LIMIT 2 FOR UPDATE").await.unwrap();
    // Waiting would end in an error after the time that a statement may wait for a lock.
    assert_eq!(store.purge_inbox(at(100), 1).await.unwrap(), 1);
    assert_eq!(store.purge_inbox(at(100), 100).await.unwrap(), 1);
    assert_eq!(store.purge_inbox(at(100), 100).await.unwrap(), 0, "the others are still locked");
    other.rollback().await.unwrap();
    assert_eq!(store.purge_inbox(at(100), 100).await.unwrap(), 2);
}
