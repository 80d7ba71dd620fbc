//! Many writers on the same rows, from several processes: whatever the order in which they come, none waits in a circle.

use docket_domain::UserId;
use docket_store::create::Created;
use docket_store::{Error, Schema, Stores};
use docket_testkit::Postgres;
use futures::future::join_all;

use crate::suite::together::new;
use crate::suite::{content, id, put, task, user};
use crate::{config, migrated};

const WRITERS: u128 = 64;

fn owner(number: u128) -> UserId {
    user(&format!("user-{number}"))
}

/// Two stores are two processes with batches of their own. Half of the writers go through the users upwards and half
/// downwards, so that batches meet on the same users, the same request ids and the same tasks in opposite orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_in_opposite_orders_never_wait_in_a_circle() {
    // All on the same user, and each on all of eight.
    for users in [1, 8] {
        meet(users).await;
    }
}

async fn meet(users: u128) {
    let database = migrated(Postgres::shared().await).await;
    let mut processes = Vec::new();
    for _ in 0..2 {
        let stores = Stores::open(&config(database.url()), &[Schema::Tasks]).await.unwrap();
        processes.push(stores.of(Schema::Tasks));
    }
    for number in 1..=users {
        put(&processes[0], &task(number, owner(number).as_str(), content("contended"))).await.unwrap();
    }
    let writer = |writer: u128| {
        let store = processes[usize::try_from(writer % 2).unwrap()].clone();
        tokio::spawn(async move {
            let mut order: Vec<u128> = (1..=users).collect();
            if (writer / 2).is_multiple_of(2) {
                order.reverse();
            }
            let creations = order.iter().map(|number| {
                // Every call is made by two writers at the same time, under different task ids.
                let call = 1_000 * number + writer / 2;
                let new = new(10_000 * (writer + 1) + number, owner(*number).as_str(), Some(call));
                let store = store.clone();
                async move { store.task_create(new).await.unwrap() == Created::Done }
            });
            let created = join_all(creations).await.into_iter().filter(|done| *done).count();
            for number in order {
                let owner = owner(number);
                let raised: Result<(), Error> = store
                    .transaction(|tx| {
                        let owner = owner.clone();
                        Box::pin(async move {
                            let task = tx.task_lock(&owner, id(number)).await?.unwrap();
                            let mut after = task.clone();
                            after.version += 1;
                            tx.task_update(&task, &after).await?;
                            tx.sequence_advance(&owner, &[task.id]).await
                        })
                    })
                    .await;
                raised.unwrap();
            }
            created
        })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    let mut created = 0;
    for writer in writers {
        created += writer.await.unwrap();
    }
    assert_eq!(created as u128, WRITERS / 2 * users, "each call once");
    for number in 1..=users {
        let task = processes[0].task_get(&owner(number), id(number)).await.unwrap().unwrap();
        assert_eq!(task.version, 1 + WRITERS as i64, "each writer's change");
    }
    let client = database.superuser_client().await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    let deadlocks: i64 = client.query_one(deadlocks, &[]).await.unwrap().get(0);
    assert_eq!(deadlocks, 0);
}
