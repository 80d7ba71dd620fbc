//! The places of a series, and the audit log: unique keys that decide.

use docket_domain::{Content, Due, EventId, SeriesId, Task, TaskId};
use docket_store::audit::{Cursor, Entry, Listing, NewEntry};
use docket_store::inbox::Arrival;
use docket_store::tasks::{Cursor as TaskCursor, Successor};
use docket_store::{Error, Schema, Store};
use uuid::Uuid;

use super::{Data, at, full, id, put, task, user};

/// A task of a series that is due at `second`.
fn due(number: u128, second: i64) -> Task {
    task(number, "alice", Content { due: Some(Due::At(at(second))), ..full() })
}

async fn claim(store: &Store, of: &Task, task: TaskId, predecessor: Option<TaskId>) -> Result<(), Error> {
    let series = of.series.unwrap();
    store
        .transaction(move |tx| Box::pin(async move { tx.occurrence_claim(task, &series, predecessor).await }))
        .await
}

async fn place(
    store: &Store,
    series: SeriesId,
    second: i64,
    predecessor: TaskId,
) -> (Option<TaskId>, Option<Successor>) {
    let found: Result<_, Error> = store
        .transaction(move |tx| {
            Box::pin(async move {
                Ok((tx.occurrence_at(series, at(second)).await?, tx.successor_of(predecessor).await?))
            })
        })
        .await;
    found.unwrap()
}

pub(crate) async fn an_instant_of_a_series_is_claimed_once(data: &Data) {
    let store = data.tasks();
    let (first, other) = (due(1, 100), due(2, 200));
    let series = first.series.unwrap().id;
    put(&store, &first).await.unwrap();
    claim(&store, &first, id(1), None).await.unwrap();
    assert_eq!(place(&store, series, 100, id(1)).await, (Some(id(1)), None));
    assert!(
        matches!(claim(&store, &first, id(9), None).await, Err(Error::Exists(_))),
        "the instant is taken"
    );
    claim(&store, &other, id(2), Some(id(1))).await.unwrap();
    assert_eq!(place(&store, series, 100, id(1)).await, (Some(id(1)), Some(Successor(id(2)))));
    let again = due(3, 300);
    assert!(
        matches!(claim(&store, &again, id(3), Some(id(1))).await, Err(Error::Exists(_))),
        "one successor"
    );

    // Completed, it waits for a successor, until that has come.
    let completed = first.complete(at(500)).unwrap().after;
    let (from, to) = (first.clone(), completed.clone());
    let written: Result<(), Error> = store
        .transaction(move |tx| {
            let (from, to) = (from.clone(), to.clone());
            Box::pin(async move {
                assert_eq!(tx.task_lock(&from.user_id, from.id).await?.as_ref(), Some(&from));
                tx.task_update(&from, &to).await
            })
        })
        .await;
    written.unwrap();
    assert_eq!(store.series_gap_list(at(500), None, 5).await.unwrap(), (vec![], false));
    let (gaps, more) = store.series_gap_list(at(501), None, 5).await.unwrap();
    assert_eq!((gaps.as_slice(), more), ([completed.clone()].as_slice(), false));
    let after = TaskCursor::of_gap(&completed);
    assert_eq!(store.series_gap_list(at(501), Some(&after), 5).await.unwrap(), (vec![], false));
    let released: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                tx.successor_arrived(id(1)).await?;
                tx.occurrence_release(id(2)).await
            })
        })
        .await;
    released.unwrap();
    assert_eq!(store.series_gap_list(at(501), None, 5).await.unwrap(), (vec![], false));
    assert_eq!(place(&store, series, 100, id(1)).await, (Some(id(1)), None), "the successor's place is free");
}

pub(crate) fn entry(number: u128, task: u128, second: i64) -> Entry {
    Entry {
        event_id: EventId::from_uuid(Uuid::from_u128(number)),
        event_type: if number == 1 { "created" } else { "updated" }.to_owned(),
        task_id: id(task),
        user_id: user("alice"),
        task_version: second,
        event_time: at(second),
        record_time: at(900),
        before: (number > 1).then(|| serde_json::json!({ "title": "\"a\" 🏠" })),
        after: serde_json::json!({ "title": "b" }),
        trace_id: (number == 1).then(|| "0af7".to_owned()),
    }
}

/// Stores entries, each as one that came by itself, or as one that came once more for the log alone; answers how many are
/// new.
pub(crate) async fn record(store: &Store, entries: impl IntoIterator<Item = Entry>, refills: bool) -> u64 {
    let arrival = |entry: &Entry| Arrival { event: entry.event_id, replay: None };
    let new = |entry: Entry| NewEntry { arrival: arrival(&entry), refills, entry: Some(entry) };
    let events: Vec<NewEntry> = entries.into_iter().map(new).collect();
    store.audit_record("audit", &events, at(900)).await.unwrap()
}

pub(crate) async fn the_audit_log_has_an_event_once_and_lists_in_order(data: &Data) {
    let store = data.stores.of(Schema::Audit);
    let entries = [entry(2, 7, 2), entry(1, 7, 1), entry(3, 8, 3)];
    for (entry, expect) in entries.iter().zip([1; 3]).chain([(&entries[0], 0)]) {
        assert_eq!(record(&store, [entry.clone()], false).await, expect);
    }
    let [second, first, third] = entries;
    let all = Listing { limit: 2, ..Listing::default() };
    let page = store.audit_list(&user("alice"), &all).await.unwrap();
    assert_eq!(page, (vec![first.clone(), second.clone()], true));
    let rest = Listing { after: Some(Cursor::of(&second)), ..all.clone() };
    assert_eq!(store.audit_list(&user("alice"), &rest).await.unwrap(), (vec![third], false));
    let narrow = Listing {
        task_id: Some(id(7)),
        event_types: vec!["updated".to_owned(), "deleted".to_owned()],
        start_time: Some(at(1)),
        end_time: Some(at(3)),
        after: Some(Cursor::of(&first)),
        limit: 2,
    };
    assert_eq!(store.audit_list(&user("alice"), &narrow).await.unwrap(), (vec![second], false));
    assert_eq!(store.audit_list(&user("bob"), &all).await.unwrap(), (vec![], false));
    assert!(store.audit_knows(&user("alice"), id(7)).await.unwrap());
    assert!(!store.audit_knows(&user("bob"), id(7)).await.unwrap());
}
