//! Several who follow tasks and fire reminders on one database: the work is shared, each reminder is fired once, and nobody
//! waits in a circle.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use docket_domain::{Due as TaskDue, FiringEnd, ReminderState, TaskId};
use docket_store::reminders::{Due, Set, TaskSnapshot};
use docket_store::{Error, Schema, Store, Stores};
use docket_testkit::{Database, PATIENCE, Postgres, wait_for};
use tokio::sync::{Barrier, oneshot};

use super::once::deadlocks;
use crate::suite::firing::{close, fire};
use crate::suite::reminders::{first, known, learn, number, say, snapshot};
use crate::suite::{at, id, user};
use crate::{config, migrated};

/// A database, and two stores that know nothing of each other.
async fn two() -> (Database, [Store; 2]) {
    let database = migrated(Postgres::shared().await).await;
    let mut stores = Vec::new();
    for _ in 0..2 {
        let opened = Stores::open(&config(database.url()), &[Schema::Reminders]).await.unwrap();
        stores.push(opened.of(Schema::Reminders));
    }
    (database, stores.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_has_no_alarm_is_given_to_one_of_several() {
    let (database, stores) = two().await;
    let tasks: Vec<_> = (1..=300).map(|task| snapshot(task, "alice", 1, 100)).collect();
    learn(&stores[0], &tasks).await.unwrap();
    let barrier = Arc::new(Barrier::new(6));
    let who = |number: usize| {
        let (store, barrier) = (stores[number % 2].clone(), barrier.clone());
        tokio::spawn(async move {
            let mut mine = Vec::new();
            barrier.wait().await;
            loop {
                // What others are about to take is passed over, so that an empty answer may be a crowd.
                let tick = store.reminders_tick(at(0), at(0), at(1_000), at(0), 7).await.unwrap();
                if tick.unarmed.is_empty() {
                    return mine;
                }
                mine.extend(tick.unarmed.into_iter().map(|alarm| alarm.task_id));
            }
        })
    };
    let all: Vec<_> = (0..6).map(who).collect();
    let mut given = Vec::new();
    for one in all {
        given.extend(one.await.unwrap());
    }
    let rest = stores[0].reminders_tick(at(0), at(0), at(1_000), at(0), 500).await.unwrap();
    given.extend(rest.unarmed.into_iter().map(|alarm| alarm.task_id));
    assert_eq!((given.len(), given.iter().collect::<HashSet<_>>().len()), (300, 300));
    // Nobody has made an alarm, and so they are there for others, after a while.
    for (second, expect) in [(14, 0), (15, 300)] {
        let tick = stores[1].reminders_tick(at(second), at(0), at(1_000), at(0), 500).await.unwrap();
        assert_eq!(tick.unarmed.len(), expect, "{second}");
    }
    assert_eq!(deadlocks(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_alarm_that_rings_for_several_at_once_fires_once() {
    let (database, stores) = two().await;
    let tasks: Vec<_> = (1..=200).map(|task| snapshot(task, "alice", 1, 10)).collect();
    learn(&stores[0], &tasks).await.unwrap();
    let barrier = Arc::new(Barrier::new(8));
    let who = |number: usize| {
        let (store, barrier) = (stores[number % 2].clone(), barrier.clone());
        tokio::spawn(async move {
            let mut named: Vec<Set> =
                (1..=200).map(|task| (id(task), crate::suite::reminders::number(1), 1)).collect();
            if number % 4 < 2 {
                named.reverse();
            }
            barrier.wait().await;
            let mut fired = Vec::new();
            for batch in named.chunks(20 + number) {
                fired.extend(match number {
                    0..6 => fire(&store, Due::Named(batch.to_vec()), at(11), 0).await,
                    _ => fire(&store, Due::Until(at(11)), at(11), 20).await,
                });
            }
            fired
        })
    };
    let all: Vec<_> = (0..8).map(who).collect();
    let mut fired = Vec::new();
    for one in all {
        fired.extend(one.await.unwrap());
    }
    assert_eq!((fired.len(), fired.iter().collect::<HashSet<_>>().len()), (200, 200));
    assert_eq!(deadlocks(&database).await, 0);
}

/// Each writes something else of the same tasks, half of them in the opposite order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_follows_fires_and_closes_in_opposite_orders_never_waits_in_a_circle() {
    const TASKS: u128 = 12;
    const ROUNDS: i64 = 12;
    let (database, stores) = two().await;
    let tasks: Vec<_> = (1..=TASKS).map(|task| snapshot(task, "alice", 1, 10)).collect();
    learn(&stores[0], &tasks).await.unwrap();
    let barrier = Arc::new(Barrier::new(12));
    let writer = |writer: usize| {
        let (store, barrier) = (stores[writer % 2].clone(), barrier.clone());
        let mut order: Vec<u128> = (1..=TASKS).collect();
        if writer / 2 % 2 == 1 {
            order.reverse();
        }
        tokio::spawn(async move {
            barrier.wait().await;
            for round in 1..=ROUNDS {
                let named = || order.iter().map(|task| (id(*task), number(1), round)).collect::<Vec<Set>>();
                match writer % 6 {
                    0 => {
                        let moved = order.iter().map(|task| snapshot(*task, "alice", 1 + round, 10 + round));
                        learn(&store, &moved.collect::<Vec<_>>()).await.unwrap();
                    }
                    1 => drop(fire(&store, Due::Named(named()), at(100), 0).await),
                    2 => {
                        let end = match round % 3 {
                            0 => FiringEnd::Sent,
                            1 => FiringEnd::Failed,
                            _ => FiringEnd::CalledOff,
                        };
                        close(&store, &order, end).await;
                    }
                    3 => drop(fire(&store, Due::Until(at(100)), at(100), 5).await),
                    4 => {
                        store.reminders_armed(&named(), "one").await.unwrap();
                        store.reminders_disarm(None).await.unwrap();
                    }
                    _ => {
                        for task in &order {
                            put_off(&store, *task, 20 + round).await;
                        }
                    }
                }
            }
        })
    };
    let writers: Vec<_> = (0..12).map(writer).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(deadlocks(&database).await, 0);
    for known in known(&stores[0], &(1..=TASKS).collect::<Vec<_>>()).await.values() {
        assert_eq!(known.task.version, 1 + ROUNDS);
        assert!(known.reminders[0].generation > ROUNDS, "each time it moved");
    }
}

async fn put_off(store: &Store, task: u128, until: i64) {
    let done: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let (row, _) = tx.reminder_lock(&user("alice"), id(task), number(1)).await?.unwrap();
                // Unless it was called off a moment ago.
                let rows = Vec::from_iter(row.snooze(at(until), at(0)));
                tx.reminders_put(&Default::default(), &[], &rows).await
            })
        })
        .await;
    done.unwrap();
}

/// Nobody has heard of the tasks before, so that there is nothing yet that one of the two could have locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_several_hear_of_at_once_ends_as_its_newest_version() {
    let (database, stores) = two().await;
    for round in 0..10_u128 {
        let tasks: Vec<u128> = (1..=30).map(|task| 100 * round + task).collect();
        let barrier = Arc::new(Barrier::new(4));
        let hear = |who: usize| {
            let (store, barrier, mut tasks) = (stores[who % 2].clone(), barrier.clone(), tasks.clone());
            if who.is_multiple_of(2) {
                tasks.reverse();
            }
            let version = 1 + i64::try_from(who).unwrap();
            tokio::spawn(async move {
                barrier.wait().await;
                for batch in tasks.chunks(10) {
                    let heard = batch.iter().map(|task| snapshot(*task, "alice", version, 10 * version));
                    learn(&store, &heard.collect::<Vec<_>>()).await.unwrap();
                }
            })
        };
        let all: Vec<_> = (0..4).map(hear).collect();
        for one in all {
            one.await.unwrap();
        }
        for known in known(&stores[0], &tasks).await.values() {
            assert_eq!((known.task.version, known.task.due), (4, Some(TaskDue::At(at(40)))));
            let [row] = known.reminders.as_slice() else { panic!("{known:?}") };
            assert_eq!((row.planned_at, row.state), (at(40), ReminderState::Pending));
        }
    }
    assert_eq!(deadlocks(&database).await, 0);
}

/// A user says another time of day while a task is planned with the one before: whoever moves the user's tasks must see it.
#[tokio::test]
async fn a_time_of_day_that_is_said_meanwhile_finds_the_task() {
    let (database, [first_store, second_store]) = two().await;
    let client = database.superuser_client().await;
    let (asked, has_asked) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel();
    let ends = Arc::new(Mutex::new(Some((asked, may_go_on))));
    let planning = tokio::spawn(async move {
        let planned: Result<(), Error> = first_store
            .transaction(|tx| {
                let ends = ends.clone();
                Box::pin(async move {
                    assert!(tx.reminder_day_times(&[user("alice")]).await?.is_empty());
                    let ends = ends.lock().unwrap().take();
                    if let Some((asked, may_go_on)) = ends {
                        asked.send(()).unwrap();
                        may_go_on.await.unwrap();
                    }
                    let day = TaskDue::On("2027-03-28".parse().unwrap());
                    let task = TaskSnapshot { due: Some(day), ..snapshot(1, "alice", 1, 0) };
                    tx.reminders_put(&Default::default(), &[task], &[]).await
                })
            })
            .await;
        planned.unwrap();
    });
    has_asked.await.unwrap();
    let saying = tokio::spawn(async move {
        let moved: Result<Vec<TaskId>, Error> = second_store
            .transaction(|tx| {
                Box::pin(async move {
                    let alice = user("alice");
                    assert!(tx.reminder_day_time_put(&alice, "07:00".parse().unwrap(), 1).await?);
                    let tasks = tx.reminders_all_day_of(&alice).await?;
                    Ok(tasks.iter().map(|known| known.task.task_id).collect())
                })
            })
            .await;
        (moved.unwrap(), second_store)
    });
    wait_for("the second to wait for the first", PATIENCE, async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let count: i64 = client.query_one(waiting, &[]).await.unwrap().get(0);
        if count > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
    })
    .await;
    go_on.send(()).unwrap();
    planning.await.unwrap();
    let (moved, store) = saying.await.unwrap();
    assert_eq!(moved, [id(1)]);
    assert!(!say(&store, "alice", "08:00", 1).await);
}

/// A reminder is not put off while its task is completed: whoever comes second sees what the first has done.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_locked_is_seen_with_what_became_of_its_task() {
    let (_database, stores) = two().await;
    let tasks: Vec<_> = (1..=40).map(|task| snapshot(task, "alice", 1, 10)).collect();
    learn(&stores[0], &tasks).await.unwrap();
    let sent: Vec<Set> = (1..=40).map(|task| (id(task), number(1), 1)).collect();
    fire(&stores[0], Due::Named(sent), at(11), 0).await;
    close(&stores[0], &(1..=40).collect::<Vec<_>>(), FiringEnd::Sent).await;
    let (completing, store) = (stores[0].clone(), stores[1].clone());
    let completes = tokio::spawn(async move {
        for task in 1..=40 {
            let over = TaskSnapshot { open: false, ..snapshot(task, "alice", 2, 10) };
            learn(&completing, &[over]).await.unwrap();
        }
    });
    let mut put_off = BTreeMap::new();
    for task in (1..=40).rev() {
        let done: Result<bool, Error> = store
            .transaction(|tx| {
                Box::pin(async move {
                    let (row, task) = tx.reminder_lock(&user("alice"), id(task), number(1)).await?.unwrap();
                    if task.open {
                        let row = row.snooze(at(100), at(20)).unwrap();
                        tx.reminders_put(&Default::default(), &[], &[row]).await?;
                    }
                    Ok(task.open)
                })
            })
            .await;
        put_off.insert(task, done.unwrap());
    }
    completes.await.unwrap();
    for (task, put_off) in put_off {
        let expect = if put_off { ReminderState::Cancelled } else { ReminderState::Sent };
        assert_eq!(first(&store, task).await.state, expect, "{task}");
    }
}
