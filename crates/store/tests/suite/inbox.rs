//! What handlers are done with: every effect once, whatever is delivered again, and once more only when it was given up.

use docket_domain::EventId;
use docket_store::inbox::{Arrival, of_replays};
use docket_store::outbox::{NewEvent, Trace};
use docket_store::{Error, Store};
use sea_orm::ConnectionTrait as _;

use super::events::event;
use super::{Data, POSTGRES, at, event_id};

const HANDLER: &str = "audit";

fn plain(event: u128) -> Arrival {
    Arrival { event: event_id(event), replay: None }
}

fn replay(event: u128, replay: u128) -> Arrival {
    Arrival { event: event_id(event), replay: Some(event_id(replay)) }
}

async fn begin(store: &Store, handler: &'static str, arrivals: Vec<Arrival>) -> Vec<bool> {
    let begun: Result<_, Error> = store
        .transaction(|tx| {
            let arrivals = arrivals.clone();
            Box::pin(async move { tx.inbox_begin_all(handler, &arrivals, at(1)).await })
        })
        .await;
    begun.unwrap()
}

/// Begins one, and holds the question that only reads to the same answer.
async fn begin_one(store: &Store, arrival: Arrival) -> bool {
    let asked = store.inbox_would_begin(HANDLER, &[arrival]).await.unwrap();
    let begun: Result<bool, Error> =
        store.transaction(|tx| Box::pin(async move { tx.inbox_begin(HANDLER, &arrival, at(2)).await })).await;
    let begun = begun.unwrap();
    assert_eq!(asked, [begun], "{arrival:?}");
    begun
}

async fn bury(store: &Store, arrival: Arrival, reason: &'static str) -> bool {
    let first: Result<bool, Error> = store
        .transaction(|tx| Box::pin(async move { tx.inbox_bury(HANDLER, &arrival, reason, at(3)).await }))
        .await;
    first.unwrap()
}

async fn noted(store: &Store, name: &str, ids: &[u128]) -> Vec<bool> {
    let ids: Vec<EventId> = ids.iter().map(|id| event_id(*id)).collect();
    let receipts = store.inbox_receipts(&ids).await.unwrap();
    ids.iter().map(|id| receipts.contains(&(*id, name.to_owned()))).collect()
}

async fn is_done_with(store: &Store, events: &[u128]) -> Vec<bool> {
    noted(store, HANDLER, events).await
}

async fn has_receipts(store: &Store, replays: &[u128]) -> Vec<bool> {
    noted(store, &of_replays(HANDLER), replays).await
}

pub(crate) async fn an_event_is_begun_once_alone_and_in_batches(data: &Data) {
    let store = data.tasks();
    assert_eq!(begin(&store, HANDLER, vec![]).await, [] as [bool; 0]);
    assert!(begin_one(&store, plain(1)).await);
    assert!(!begin_one(&store, plain(1)).await);
    let before = store.statements().count();
    let batch = vec![plain(4), plain(1), plain(3), plain(4), plain(2)];
    assert_eq!(begin(&store, HANDLER, batch.clone()).await, [true, false, true, false, true]);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(begin(&store, HANDLER, batch.clone()).await, [false; 5]);
    assert_eq!(begin(&store, "other", batch).await, [true, true, true, false, true], "of another handler");

    // As many as a bulk may have.
    let all: Vec<Arrival> = (1..=10_000).map(|number| replay(100_000 + number, 200_000 + number)).collect();
    assert!(begin(&store, HANDLER, all.clone()).await.into_iter().all(|begun| begun));
    let events: Vec<EventId> = all.iter().map(|arrival| arrival.event).collect();
    assert_eq!(store.inbox_receipts(&events).await.unwrap().len(), 10_000);

    let table = if data.kind == POSTGRES { "tasks.inbox" } else { "inbox" };
    data.raw.execute_unprepared(&format!("UPDATE {table} SET state = 'DEAD'")).await.unwrap();
    let again = (1..=10_000).map(|number| replay(100_000 + number, 300_000 + number)).collect();
    assert!(begin(&store, HANDLER, again).await.into_iter().all(|begun| begun));

    // All of it goes with its transaction.
    let failed: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                assert!(tx.inbox_begin(HANDLER, &replay(9, 90), at(1)).await?);
                Err(Error::Busy)
            })
        })
        .await;
    failed.unwrap_err();
    assert_eq!(is_done_with(&store, &[9, 1, 4]).await, [false, true, true]);
    assert_eq!(has_receipts(&store, &[90]).await, [false]);
}

pub(crate) async fn what_was_given_up_is_begun_again_by_a_new_replay_and_by_nothing_else(data: &Data) {
    let store = data.tasks();
    assert!(bury(&store, plain(1), "bad").await);
    assert!(!bury(&store, plain(1), "bad again").await, "it is told already");
    assert!(!begin_one(&store, plain(1)).await, "the same delivery again");
    assert!(begin_one(&store, replay(1, 10)).await);
    assert!(!begin_one(&store, replay(1, 10)).await, "the replay is delivered again");
    assert!(!begin_one(&store, replay(1, 11)).await, "the effect is there");
    assert!(!begin_one(&store, plain(1)).await);
    assert_eq!(has_receipts(&store, &[10, 11]).await, [true; 2], "each replay has its receipt");
    // What was never given up, or is forgotten, is begun by a replay as by itself.
    assert!(begin_one(&store, replay(2, 20)).await);
    assert!(!begin_one(&store, plain(2)).await);

    // In a batch: 3 and 4 were given up; 4 comes by itself and by two replays, 5 by itself and by a replay, 6 by a replay that
    // has its receipt, 7 is new.
    for event in [3, 4, 6] {
        assert!(bury(&store, plain(event), "bad").await);
    }
    assert!(bury(&store, replay(6, 60), "still bad").await);
    let batch = vec![
        plain(3),
        plain(4),
        replay(4, 40),
        replay(4, 41),
        plain(5),
        replay(5, 50),
        replay(6, 60),
        plain(7),
        replay(8, 80),
    ];
    let before = store.statements().count();
    let begun = begin(&store, HANDLER, batch.clone()).await;
    let spent = store.statements().count() - before;
    assert_eq!(begun, [false, true, false, false, true, false, false, true, true]);
    assert_eq!(spent, if store.is_shared() { 1 } else { 2 });
    assert_eq!(begin(&store, HANDLER, batch).await, [false; 9]);
    assert_eq!(has_receipts(&store, &[40, 41, 50, 60, 80]).await, [true; 5]);
    assert!(begin_one(&store, replay(3, 30)).await, "nothing has begun it so far");
    assert!(begin_one(&store, replay(6, 61)).await, "another replay is another attempt");
}

pub(crate) async fn a_replay_that_fails_again_is_told_once(data: &Data) {
    let store = data.tasks();
    assert!(bury(&store, plain(1), "bad").await);
    assert!(bury(&store, replay(1, 10), "still bad").await, "a new failure");
    assert!(!bury(&store, replay(1, 10), "still bad").await, "the same replay, delivered again");
    assert!(!begin_one(&store, replay(1, 10)).await);
    assert!(bury(&store, replay(1, 11), "for ever bad").await);
    assert!(begin_one(&store, replay(1, 12)).await, "and it can still come right");
    // What is done is not undone by a replay that fails before it is recognised.
    assert!(bury(&store, replay(1, 13), "unreadable at \0").await);
    assert!(!begin_one(&store, replay(1, 14)).await);

    // A replay that is for another handler: its receipt, and nothing else.
    let given: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.inbox_receipt(HANDLER, event_id(20), at(1)).await?;
                tx.inbox_receipt(HANDLER, event_id(20), at(2)).await
            })
        })
        .await;
    given.unwrap();
    assert_eq!(has_receipts(&store, &[20, 2]).await, [true, false]);
    assert_eq!(is_done_with(&store, &[20, 2]).await, [false; 2]);
    assert!(begin_one(&store, plain(2)).await);
}

/// Whoever writes to the topic says what a replay is called.
pub(crate) async fn a_replay_that_is_called_like_an_event_is_not_that_event(data: &Data) {
    let store = data.tasks();
    assert!(begin_one(&store, replay(1, 1)).await, "it is called like the event that it brings");
    assert_eq!(
        (is_done_with(&store, &[1]).await, has_receipts(&store, &[1]).await),
        (vec![true], vec![true])
    );
    assert!(!begin_one(&store, replay(1, 1)).await);
    assert!(!begin_one(&store, plain(1)).await);

    // It is called like an event that is still to come, and that has its effect all the same.
    assert!(begin_one(&store, replay(2, 3)).await);
    assert_eq!(is_done_with(&store, &[3]).await, [false]);
    assert!(begin_one(&store, plain(3)).await);
    assert!(bury(&store, replay(4, 5), "bad").await);
    assert!(begin_one(&store, plain(5)).await);
    assert!(bury(&store, plain(6), "bad").await);
    assert!(begin_one(&store, replay(6, 6)).await);

    let batch = vec![replay(10, 10), replay(11, 12), plain(12), replay(13, 14), replay(14, 13), plain(10)];
    let asked = store.inbox_would_begin(HANDLER, &batch).await.unwrap();
    assert_eq!(asked, [true; 6], "each by itself");
    let begun = begin(&store, HANDLER, batch.clone()).await;
    assert_eq!(begun, [true, true, true, true, true, false], "the last one is there twice");
    assert_eq!(store.inbox_would_begin(HANDLER, &batch).await.unwrap(), [false; 6]);
    assert_eq!(has_receipts(&store, &[10, 11, 12, 13, 14]).await, [true, false, true, true, true]);
}

/// What a database will not keep is known as such, so that whoever brings it does not bring it for ever.
pub(crate) async fn data_that_the_database_refuses_is_told_from_a_failure(data: &Data) {
    let store = data.tasks();
    let table = if data.kind == POSTGRES { "tasks.outbox" } else { "outbox" };
    let sql = match data.kind {
        POSTGRES => format!("ALTER TABLE {table} ADD CONSTRAINT no_x CHECK (partition_key <> 'x')"),
        _ => "CREATE TRIGGER no_x BEFORE INSERT ON outbox WHEN NEW.partition_key = 'x' \
              BEGIN SELECT RAISE(ABORT, 'no x'); END"
            .to_owned(),
    };
    data.raw.execute_unprepared(&sql).await.unwrap();
    let append = async |event: NewEvent| -> Result<(), Error> {
        store
            .transaction(|tx| {
                let event = event.clone();
                Box::pin(async move { tx.outbox_append(vec![event]).await })
            })
            .await
    };
    append(event(1, "t", "y")).await.unwrap();
    let taken = append(event(1, "t", "y")).await.unwrap_err();
    let broken = append(event(2, "t", "x")).await.unwrap_err();
    let mut refused = vec![taken, broken];
    if data.kind == POSTGRES {
        let trace = Some(Trace { parent: "\0".to_owned(), state: None });
        refused.push(append(NewEvent { trace, ..event(3, "t", "y") }).await.unwrap_err());
        // Too long for an index, however well it is compressed.
        let long: String =
            (0..3_000).map(|number| event_id((number << 64) | (number * 7_919)).to_string()).collect();
        refused.push(append(event(4, "t", &long)).await.unwrap_err());
    }
    for error in refused {
        assert!(error.is_refused() && !error.is_unavailable() && !error.is_conflict(), "{error:?}");
    }
    data.raw.execute_unprepared(&format!("DROP TABLE {table}")).await.unwrap();
    let gone = append(event(5, "t", "y")).await.unwrap_err();
    assert!(!gone.is_refused(), "that is not the data's fault: {gone:?}");
}
