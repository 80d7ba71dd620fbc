//! What is purged, and what is not.

use docket_domain::RequestId;
use docket_store::idempotency::{Call, Earlier};
use docket_store::inbox::Arrival;
use docket_store::{Error, Schema, Store};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::letters::{act, discarded, failure, keep, letter_id, list, replayed};
use super::{Data, POSTGRES, at, event_id, id, user};
use docket_store::dead_letters::{Filter, NewLetter};

/// One row in each table for every second.
async fn fill(store: &Store, second: u32) {
    let filled: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let number = u128::from(second);
                let arrival = Arrival { event: event_id(number), replay: None };
                assert!(tx.inbox_begin("audit", &arrival, at(second.into())).await?);
                let alice = user("alice");
                let request_id = RequestId::from_uuid(Uuid::from_u128(number));
                let call = Call { user: &alice, request_id, method: "CreateTask", body_hash: [0; 32] };
                assert_eq!(tx.call_claim(&call, b"answer".to_vec(), at(second.into())).await?, Earlier::None);
                Ok(())
            })
        })
        .await;
    filled.unwrap();
}

async fn call_is_known(store: &Store, number: u128) -> bool {
    let earlier: Result<Earlier, Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let alice = user("alice");
                let request_id = RequestId::from_uuid(Uuid::from_u128(number));
                let call = Call { user: &alice, request_id, method: "CreateTask", body_hash: [0; 32] };
                tx.call_claim(&call, Vec::new(), at(100)).await
            })
        })
        .await;
    earlier.unwrap() != Earlier::None
}

pub(crate) async fn what_is_old_goes_in_batches_and_what_is_young_stays(data: &Data) {
    let store = data.tasks();
    for second in 1..=5 {
        fill(&store, second).await;
    }
    let before = store.statements().count();
    assert_eq!(store.purge_inbox(at(4), 2).await.unwrap(), 2);
    assert_eq!(store.statements().count() - before, 1);
    let events: Vec<_> = (1..=5).map(event_id).collect();
    let left = async || {
        let receipts = store.inbox_receipts(&events).await.unwrap();
        events.iter().map(|event| receipts.contains(&(*event, "audit".to_owned()))).collect::<Vec<_>>()
    };
    assert_eq!(left().await, [false, false, true, true, true], "the oldest first");
    assert_eq!(store.purge_inbox(at(4), 2).await.unwrap(), 1);
    assert_eq!(store.purge_inbox(at(4), 2).await.unwrap(), 0);
    assert_eq!(left().await, [false, false, false, true, true]);

    assert_eq!(store.purge_idempotency_keys(at(4), 100).await.unwrap(), 3);
    assert!(call_is_known(&store, 4).await && call_is_known(&store, 5).await);
    assert!(!call_is_known(&store, 1).await, "a call that is forgotten can be made again");

    let table = if data.kind == POSTGRES { "tasks.published_events" } else { "published_events" };
    for number in 1..=3_u32 {
        // An id as each database keeps it.
        let digits = Uuid::from_u128(number.into()).simple().to_string();
        let event = if data.kind == POSTGRES { format!("'{digits}'") } else { format!("X'{digits}'") };
        let sql = format!(
            "INSERT INTO {table} (event_id, partition_key, topic, event_type, source, payload, create_time, publish_time)
             VALUES ({event}, '{}', 't', '', '', '', 0, {})",
            id(7),
            at(number.into()).timestamp_micros(),
        );
        data.raw.execute_unprepared(&sql).await.unwrap();
    }
    assert_eq!(store.purge_published(at(3), 100).await.unwrap(), 2);
    let kept = store.published_of("t", id(7), None, 10).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.event_id).collect::<Vec<_>>(), [event_id(3)]);
}

pub(crate) async fn answers_are_purged_where_their_target_keeps_them(data: &Data) {
    for (schema, first) in [(Schema::Reminders, 10), (Schema::Notification, 20)] {
        let store = data.stores.of(schema);
        for second in first..first + 3 {
            fill(&store, second).await;
        }
        let purged = store.purge_idempotency_keys(at(i64::from(first) + 2), 100).await.unwrap();
        // The youngest of the target before is older, and in the same table on SQLite.
        let shared = u64::from(data.kind != POSTGRES && first > 10);
        assert_eq!(purged, 2 + shared, "{schema}");
        assert!(call_is_known(&store, u128::from(first) + 2).await, "{schema}");
        assert!(!call_is_known(&store, u128::from(first)).await, "{schema}");
    }
}

pub(crate) async fn letters_that_have_ended_go_with_their_actions_and_open_ones_stay(data: &Data) {
    let store = data.stores.of(Schema::DeadLetters);
    keep(&store, (1..=4).map(failure).collect()).await;
    let one = |number| Filter { ids: vec![letter_id(number)], ..Filter::default() };
    act(&store, one(1), 1, replayed).await;
    act(&store, one(2), 1, discarded).await;
    // Replayed, and failed again.
    act(&store, one(3), 1, replayed).await;
    let replay = Some(event_id(2_000_003));
    keep(&store, vec![NewLetter { replay, ..failure(3) }]).await;
    assert_eq!(store.purge_dead_letters(at(500), 100).await.unwrap(), 0, "since then nothing has happened");
    let before = store.statements().count();
    assert_eq!(store.purge_dead_letters(at(501), 100).await.unwrap(), 1);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(list(&store, Filter::default()).await, [2, 3, 4]);
    assert_eq!(store.purge_dead_letters(at(1_000_000), 100).await.unwrap(), 1);
    assert_eq!(list(&store, Filter::default()).await, [3, 4]);
    assert_eq!(store.letter_get(letter_id(3)).await.unwrap().unwrap().actions, [replayed(3)]);
    let table = if data.kind == POSTGRES { "deadletters.dead_letter_actions" } else { "dead_letter_actions" };
    let gone = format!("DELETE FROM {table}");
    assert_eq!(data.raw.execute_unprepared(&gone).await.unwrap().rows_affected(), 1, "the others went along");
}
