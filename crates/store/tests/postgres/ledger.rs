//! Several who send from one ledger: each message is claimed by one, and each firing is told of once when it is complete.

use std::collections::HashSet;
use std::sync::Arc;

use docket_domain::{Channel, DeliveryId, DeliveryState};
use docket_store::notification::{Begun, Delivery, NewDelivery, NextDigest, Settled, StoredPreferences};
use docket_store::{Error, Schema, Store, Stores};
use docket_testkit::{Database, PATIENCE, Postgres, wait_for};
use tokio::sync::{Barrier, oneshot};

use super::once::deadlocks;
use crate::suite::ledger::{add, claim, delivery_id, ended, message, settle};
use crate::suite::probes::{begin, test};
use crate::suite::{at, user};
use crate::{config, migrated};

const FIRINGS: u128 = 60;

/// A database, and two stores that know nothing of each other.
async fn two() -> (Database, [Store; 2]) {
    let database = migrated(Postgres::shared().await).await;
    let mut stores = Vec::new();
    for _ in 0..2 {
        let opened = Stores::open(&config(database.url()), &[Schema::Notification]).await.unwrap();
        stores.push(opened.of(Schema::Notification));
    }
    (database, stores.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_several_claim_at_once_each_gets_a_part_of() {
    let (database, stores) = two().await;
    let all = |channel| (1..=200).map(move |number| message(number, channel));
    add(&stores[0], all(Channel::Email).chain(all(Channel::Push)).collect()).await;
    let barrier = Arc::new(Barrier::new(8));
    let sender = |number: usize| {
        let (store, barrier) = (stores[number % 2].clone(), barrier.clone());
        tokio::spawn(async move {
            let mut mine = Vec::new();
            barrier.wait().await;
            loop {
                // What others are about to claim is passed over, so that an empty answer may be a crowd.
                let wanted = [(Channel::Push, 7), (Channel::Email, 5)];
                let claimed = store.deliveries_claim(&wanted, at(500), at(560)).await.unwrap();
                if claimed.is_empty() {
                    return mine;
                }
                assert!(claimed.iter().all(|claimed| !claimed.was_sending && claimed.delivery.attempts == 1));
                mine.extend(claimed.into_iter().map(|claimed| claimed.delivery.id));
            }
        })
    };
    let senders: Vec<_> = (0..8).map(sender).collect();
    let mut claimed = Vec::new();
    for sender in senders {
        claimed.extend(sender.await.unwrap());
    }
    claimed.extend(claim(&stores[0], 500).await.into_iter().map(|claimed| claimed.delivery.id));
    let distinct: HashSet<DeliveryId> = claimed.iter().copied().collect();
    assert_eq!((claimed.len(), distinct.len()), (400, 400));
    assert_eq!(deadlocks(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_several_who_begin_a_test_at_once_one_does() {
    let (database, stores) = two().await;
    // Each round is ten seconds after the one before, by two ways at once.
    for round in 1..=20 {
        let barrier = Arc::new(Barrier::new(8));
        let beginner = |number: usize| {
            let (store, barrier) = (stores[number % 2].clone(), barrier.clone());
            let channel = [Channel::Email, Channel::Push][number / 4];
            let tests = test(10 * round);
            let (id, subject) =
                (delivery_id(1_000 * round + number as u128), format!("test:{round}:{number}"));
            let new = NewDelivery { id, subject, channel, ..tests };
            tokio::spawn(async move {
                barrier.wait().await;
                (channel, begin(&store, &new, 10, 1_000).await.unwrap())
            })
        };
        let beginners: Vec<_> = (0..8).map(beginner).collect();
        let mut began = Vec::new();
        for beginner in beginners {
            match beginner.await.unwrap() {
                (channel, Begun::Ours(_)) => began.push(channel.name()),
                (_, Begun::Before { last }) => assert_eq!(last, test(10 * round).create_time),
            }
        }
        began.sort_unstable();
        assert_eq!(began, ["EMAIL", "PUSH"], "round {round}");
    }
    assert_eq!(deadlocks(&database).await, 0);
}

/// Settles, and stays in the transaction until it is told to go on.
fn hold(
    store: &Store,
    settled: Settled,
) -> (oneshot::Receiver<()>, oneshot::Sender<()>, tokio::task::JoinHandle<Vec<Delivery>>) {
    let (settled_it, is_settled) = oneshot::channel();
    let (go_on, may_go_on) = oneshot::channel();
    let ends = std::sync::Mutex::new(Some((settled_it, may_go_on)));
    let store = store.clone();
    let settling = tokio::spawn(async move {
        let ends = Arc::new(ends);
        let complete: Result<Vec<Delivery>, Error> = store
            .transaction(|tx| {
                let (settled, ends) = (settled.clone(), ends.clone());
                Box::pin(async move {
                    let complete = tx.deliveries_settle(&[settled]).await?.completed;
                    let ends = ends.lock().unwrap().take();
                    if let Some((settled_it, may_go_on)) = ends {
                        settled_it.send(()).unwrap();
                        may_go_on.await.unwrap();
                    }
                    Ok(complete)
                })
            })
            .await;
        complete.unwrap()
    });
    (is_settled, go_on, settling)
}

/// The last two messages of a firing are settled by two at the same moment; whoever is first, the second is told.
#[tokio::test]
async fn of_two_who_settle_the_last_messages_of_a_firing_the_second_completes_it() {
    let (database, stores) = two().await;
    let client = database.superuser_client().await;
    for (firing, order) in [(1, [Channel::Email, Channel::Push]), (2, [Channel::Push, Channel::Email])] {
        add(&stores[0], order.map(|channel| message(firing, channel)).to_vec()).await;
        let claimed = claim(&stores[0], 10).await;
        let attempt = |channel| {
            let claimed = claimed.iter().find(|claimed| claimed.delivery.channel == channel).unwrap();
            ended(claimed, DeliveryState::Sent, 11)
        };
        let (is_settled, go_on, first) = hold(&stores[0], attempt(order[0]));
        is_settled.await.unwrap();
        let (store, last) = (stores[1].clone(), attempt(order[1]));
        let second = tokio::spawn(async move { settle(&store, vec![last]).await });
        wait_for("the second to wait for the first", PATIENCE, async || {
            let waiting = "SELECT count(*) FROM pg_stat_activity
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let count: i64 = client.query_one(waiting, &[]).await.unwrap().get(0);
            if count > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
        })
        .await;
        go_on.send(()).unwrap();
        assert_eq!(first.await.unwrap(), [], "the other message was not settled yet");
        let (_, complete) = second.await.unwrap();
        assert_eq!(complete, [Channel::Email, Channel::Push].map(|channel| message(firing, channel).id));
    }
    assert_eq!(deadlocks(&database).await, 0);
}

/// Each channel of every firing is settled by another one, in batches that meet in opposite orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_settle_channels_of_the_same_firings_tell_of_each_once() {
    let (database, stores) = two().await;
    for round in 0..5_u128 {
        let firings = || (1..=FIRINGS).map(move |firing| 1_000 * round + firing);
        let new = firings().flat_map(|firing| Channel::ALL.map(|channel| message(firing, channel)));
        add(&stores[0], new.collect()).await;
        let claimed = stores[0]
            .deliveries_claim(&Channel::ALL.map(|channel| (channel, 1_000)), at(100_000), at(100_060))
            .await
            .unwrap();
        assert_eq!(claimed.len() as u128, 3 * FIRINGS);
        let barrier = Arc::new(Barrier::new(3));
        let sender = |number: usize| {
            let (store, barrier) = (stores[number % 2].clone(), barrier.clone());
            let mine = claimed.iter().filter(|claimed| claimed.delivery.channel == Channel::ALL[number]);
            let mut mine: Vec<Settled> =
                mine.map(|claimed| ended(claimed, DeliveryState::Sent, 100_001)).collect();
            if number == 1 {
                mine.reverse();
            }
            tokio::spawn(async move {
                barrier.wait().await;
                let mut complete = Vec::new();
                for batch in mine.chunks(11 + number) {
                    complete.extend(settle(&store, batch.to_vec()).await.1);
                }
                complete
            })
        };
        let senders: Vec<_> = (0..3).map(sender).collect();
        let mut told = Vec::new();
        for sender in senders {
            told.extend(sender.await.unwrap());
        }
        let distinct: HashSet<DeliveryId> = told.iter().copied().collect();
        let all = usize::try_from(3 * FIRINGS).unwrap();
        assert_eq!((told.len(), distinct.len()), (all, all), "round {round}");
    }
    assert_eq!(deadlocks(&database).await, 0);
}

/// A claim that has ended is another one's, also in the moment in which the first wants to settle it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_claims_again_and_who_settles_too_late_never_both_have_it() {
    let (_database, stores) = two().await;
    add(&stores[0], (1..=300).map(|number| message(number, Channel::Email)).collect()).await;
    let first = stores[0].deliveries_claim(&[(Channel::Email, 300)], at(400), at(401)).await.unwrap();
    let barrier = Arc::new(Barrier::new(2));
    let settles = {
        let (store, barrier) = (stores[0].clone(), barrier.clone());
        tokio::spawn(async move {
            let attempts: Vec<Settled> =
                first.iter().map(|claimed| ended(claimed, DeliveryState::Sent, 402)).collect();
            barrier.wait().await;
            let mut known = Vec::new();
            for batch in attempts.chunks(5) {
                known.extend(settle(&store, batch.to_vec()).await.0);
            }
            known
        })
    };
    barrier.wait().await;
    let mut again = Vec::new();
    loop {
        let claimed = stores[1].deliveries_claim(&[(Channel::Email, 5)], at(402), at(500)).await.unwrap();
        again.extend(claimed.iter().map(|claimed| claimed.delivery.id));
        if claimed.is_empty() && settles.is_finished() {
            break;
        }
    }
    let known = settles.await.unwrap();
    let both: HashSet<DeliveryId> = known.iter().chain(&again).copied().collect();
    assert_eq!((known.len() + again.len(), both.len()), (300, 300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_digest_that_two_find_due_is_begun_by_one() {
    let (database, stores) = two().await;
    let names: Vec<_> = (1..=100_u8).map(|number| user(&format!("user-{number}"))).collect();
    let written: Result<(), Error> = stores[0]
        .transaction(|tx| {
            let names = names.clone();
            Box::pin(async move {
                for (number, name) in (1..).zip(&names) {
                    let stored = StoredPreferences {
                        preferences: docket_domain::Preferences::default(),
                        version: 1,
                        webhook_secret: None,
                        unsubscribe: [number; 16],
                        next_digest_time: Some(at(1)),
                        update_time: at(0),
                    };
                    assert!(tx.preferences_put(name, &stored, None).await?);
                }
                Ok(())
            })
        })
        .await;
    written.unwrap();
    let due = stores[0].digests_due(at(1), 1_000).await.unwrap();
    let barrier = Arc::new(Barrier::new(2));
    let begins = |number: usize| {
        let (store, barrier) = (stores[number].clone(), barrier.clone());
        let next = |name: &docket_domain::UserId| NextDigest {
            user_id: name.clone(),
            expect: at(1),
            next: Some(at(2)),
        };
        let mut digests: Vec<NextDigest> = due.iter().map(|(name, _)| next(name)).collect();
        if number == 1 {
            digests.reverse();
        }
        tokio::spawn(async move {
            barrier.wait().await;
            let begun: Result<Vec<_>, Error> = store
                .transaction(|tx| {
                    let digests = digests.clone();
                    Box::pin(async move { tx.digests_set(&digests).await })
                })
                .await;
            begun.unwrap().len()
        })
    };
    let (one, other) = (begins(0), begins(1));
    assert_eq!(one.await.unwrap() + other.await.unwrap(), 100);
    assert_eq!(deadlocks(&database).await, 0);
}
