//! Connections that break, and transactions that meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use docket_store::create::Created;
use docket_store::{Config, Error, Schema, Store, Stores};
use docket_testkit::Postgres;
use futures::poll;
use tokio::sync::Barrier;

use crate::suite::together::new;
use crate::suite::{content, id, put, task, user};
use crate::{config, migrated};

/// Takes every connection of the pool at the same time.
async fn warm(store: &Store, connections: usize) {
    let barrier = Arc::new(Barrier::new(connections));
    let all = (0..connections).map(|_| {
        let barrier = barrier.clone();
        store.transaction(move |tx| {
            let barrier = barrier.clone();
            Box::pin(async move {
                tx.successor_of(id(1)).await?;
                barrier.wait().await;
                Ok::<_, Error>(())
            })
        })
    });
    futures::future::try_join_all(all).await.unwrap();
}

#[tokio::test]
async fn a_pool_whose_connections_were_terminated_heals_at_once() {
    let cluster = Postgres::shared().await;
    let database = migrated(cluster).await;
    let config = config(database.url());
    let stores = Stores::open(&config, &[Schema::Tasks]).await.unwrap();
    let store = stores.of(Schema::Tasks);
    put(&store, &task(1, "alice", content("kept"))).await.unwrap();
    warm(&store, config.max_connections as usize).await;
    assert!(cluster.terminate_connections(&database).await >= u64::from(config.max_connections));
    let mut failures = 0;
    for _ in 0..20 {
        match store.task_get(&user("alice"), id(1)).await {
            Ok(found) => assert_eq!(found.unwrap().content.title.as_str(), "kept"),
            Err(error) => {
                assert!(error.is_unavailable(), "{error:?}");
                failures += 1;
            }
        }
    }
    assert!(failures <= 2, "{failures} calls found out, one after the other");
    warm(&store, config.max_connections as usize).await;
}

#[tokio::test]
async fn transactions_in_opposite_order_both_succeed() {
    let database = migrated(Postgres::shared().await).await;
    // How long PostgreSQL waits before it looks for a deadlock.
    database.execute(&format!("ALTER DATABASE {} SET deadlock_timeout TO '50ms'", database.name())).await;
    let stores = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap();
    let store = stores.of(Schema::Tasks);
    for number in [1, 2] {
        put(&store, &task(number, "alice", content("met"))).await.unwrap();
    }
    let (barrier, attempts) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let both = [[1, 2], [2, 1]].map(|[first, second]| {
        let (barrier, attempts) = (barrier.clone(), attempts.clone());
        store.transaction(move |tx| {
            let (barrier, attempts) = (barrier.clone(), attempts.clone());
            Box::pin(async move {
                tx.task_lock(&user("alice"), id(first)).await?;
                // Only the first attempts meet.
                if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
                    barrier.wait().await;
                }
                tx.task_lock(&user("alice"), id(second)).await?;
                tx.sequence_advance(&user("alice"), &[id(first)]).await
            })
        })
    });
    futures::future::try_join_all(both).await.unwrap();
    // The victim may take the row again before the other one has it, so that they meet once more.
    assert!(attempts.load(Ordering::SeqCst) >= 3, "one of them was the victim, and was tried again");
}

#[tokio::test]
async fn a_lock_that_is_not_given_up_is_waited_for_in_vain() {
    let database = migrated(Postgres::shared().await).await;
    let stores = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap();
    let store = stores.of(Schema::Tasks);
    put(&store, &task(1, "alice", content("held"))).await.unwrap();
    let mut client = database.superuser_client().await;
    let holder = client.transaction().await.unwrap();
    holder.batch_execute("LOCK TABLE tasks.tasks IN EXCLUSIVE MODE").await.unwrap();
    let outcome = store.transaction(|tx| Box::pin(async move { tx.successor_arrived(id(1)).await })).await;
    let error: Error = outcome.unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    holder.rollback().await.unwrap();
    assert!(store.task_get(&user("alice"), id(1)).await.unwrap().is_some());
}

#[tokio::test]
async fn who_waits_for_a_lock_does_not_keep_the_others_of_the_batch_waiting() {
    let database = migrated(Postgres::shared().await).await;
    let store = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap().of(Schema::Tasks);
    put(&store, &task(1, "bob", content("held"))).await.unwrap();
    let mut client = database.superuser_client().await;
    let holder = client.transaction().await.unwrap();
    holder.batch_execute("SELECT * FROM tasks.user_sequences FOR UPDATE").await.unwrap();
    let news = (10..40).map(|number| new(number, if number % 10 == 0 { "bob" } else { "alice" }, None));
    let created = futures::future::join_all(news.map(|new| async {
        let alone = (new.task.clone(), store.task_create(new).await);
        match alone {
            (task, Ok(Created::NotDone)) if task.user_id == user("alice") => put(&store, &task).await,
            (_, outcome) => outcome.map(drop),
        }
    }));
    for outcome in created.await {
        outcome.unwrap();
    }
    holder.rollback().await.unwrap();
    let client = database.superuser_client().await;
    let alices = "SELECT count(*) FROM tasks.tasks WHERE user_id = 'alice'";
    assert_eq!(client.query_one(alices, &[]).await.unwrap().get::<_, i64>(0), 27);
}

/// The one connection goes from the call that is given up to the creation, which is a single statement: inside a transaction
/// that was left open it would be answered, and never be seen by anybody else.
#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_transaction_open() {
    const CALLS: u128 = 60;
    let database = migrated(Postgres::shared().await).await;
    let one = Config { max_connections: 1, ..config(database.url()) };
    let store = Stores::open(&one, &[Schema::Tasks]).await.unwrap().of(Schema::Tasks);
    for number in 1..=CALLS {
        let mut call = Box::pin(store.transaction(|tx| {
            Box::pin(async move { tx.successor_of(id(1)).await.map(|found| assert!(found.is_none())) })
        }));
        // Everywhere between before its beginning and after its end.
        for _ in 0..number % 15 {
            let ended: Poll<Result<(), Error>> = poll!(&mut call);
            if ended.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        assert_eq!(store.task_create(new(number, "alice", None)).await.unwrap(), Created::Done);
    }
    let client = database.superuser_client().await;
    let seen: i64 = client.query_one("SELECT count(*) FROM tasks.tasks", &[]).await.unwrap().get(0);
    assert_eq!(seen as u128, CALLS);
}
