//! Whether the audit log has everything: entries in batches, and what is missing between them.

use docket_store::audit::Entry;
use docket_store::verify::{Head, Versions};
use docket_store::{Error, Schema, Store};

use super::series::entry;
use super::{Data, content, event_id, id, put, task, user};

async fn store_all(store: &Store, entries: Vec<Entry>) -> u64 {
    let stored: Result<u64, Error> = store
        .transaction(|tx| {
            let entries = entries.clone();
            Box::pin(async move { tx.audit_insert_all(&entries.iter().collect::<Vec<_>>()).await })
        })
        .await;
    stored.unwrap()
}

pub(crate) async fn many_entries_are_stored_in_one_statement_each_once(data: &Data) {
    let store = data.stores.of(Schema::Audit);
    // With and without what may be missing in an entry.
    let entries = vec![entry(2, 7, 2), entry(1, 7, 1), entry(3, 8, 3)];
    let before = store.statements().count();
    assert_eq!(store_all(&store, entries.clone()).await, 3);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(store_all(&store, vec![]).await, 0);
    let changed = Entry { after: serde_json::json!({}), ..entry(2, 7, 2) };
    assert_eq!(store_all(&store, vec![changed, entry(4, 8, 4)]).await, 1, "the log has one of them");
    let listing = docket_store::audit::Listing { limit: 10, ..Default::default() };
    let (listed, _) = store.audit_list(&user("alice"), &listing).await.unwrap();
    let many = (100..4_100).map(|number| entry(number, 9, 9)).collect();
    assert_eq!(store_all(&store, many).await, 4_000, "a large batch");
    assert_eq!(listed, [entry(1, 7, 1), entry(2, 7, 2), entry(3, 8, 3), entry(4, 8, 4)]);
}

pub(crate) async fn holes_in_the_log_are_named_page_by_page(data: &Data) {
    let audit = data.stores.of(Schema::Audit);
    let version = |task: u128, version: i64| Entry {
        event_id: event_id(task * 1_000 + u128::try_from(version).unwrap()),
        task_version: version,
        // Clocks may go backwards: the versions count.
        event_time: super::at(100 - version),
        ..entry(5, task, 1)
    };
    // Of the first and the last one there are entries about reminders, which are none of a version.
    let known: [(u128, &[i64]); 5] =
        [(1, &[0, 1, 2, 3]), (2, &[1, 4, 5, 9]), (3, &[3]), (4, &[1]), (5, &[0])];
    let entries =
        known.iter().flat_map(|(task, versions)| versions.iter().map(|number| version(*task, *number)));
    store_all(&audit, entries.collect()).await;
    let before = audit.statements().count();
    let first = audit.audit_versions(None, 2).await.unwrap();
    assert_eq!(audit.statements().count() - before, 1);
    let versions = |task: u128, highest, missing: &[std::ops::RangeInclusive<i64>]| Versions {
        task_id: id(task),
        user_id: user("alice"),
        highest,
        missing: missing.to_vec(),
    };
    assert_eq!(first, [versions(1, 3, &[]), versions(2, 9, &[2..=3, 6..=8])]);
    let rest = audit.audit_versions(Some(id(2)), 2).await.unwrap();
    assert_eq!(rest, [versions(3, 3, &[1..=2]), versions(4, 1, &[])]);
    assert_eq!(audit.audit_versions(Some(id(4)), 2).await.unwrap(), []);

    // What the tasks themselves say, with one that the log has never heard of, and one that is deleted.
    let tasks = data.tasks();
    for number in [2, 5, 6] {
        let created = task(number, "bob", content("t"));
        let task = if number == 6 { created.delete(super::at(50)).unwrap().after } else { created };
        put(&tasks, &task).await.unwrap();
    }
    let before = tasks.statements().count();
    let head = |number, version| Head { task_id: id(number), user_id: user("bob"), version };
    assert_eq!(tasks.task_heads_after(None, 2).await.unwrap(), [head(2, 1), head(5, 1)]);
    assert_eq!(tasks.task_heads_after(Some(id(5)), 2).await.unwrap(), [head(6, 2)]);
    assert_eq!(tasks.statements().count() - before, 2);
}
