//! Whether the audit log has everything: entries in batches, and what is missing between them.

use docket_store::audit::{Entry, Listing, NewEntry};
use docket_store::inbox::Arrival;
use docket_store::verify::{Head, Versions};
use docket_store::{Error, Schema};

use super::series::{entry, record};
use super::{Data, POSTGRES, content, event_id, id, put, task, user};

pub(crate) async fn a_batch_is_recorded_at_once_and_each_entry_once(data: &Data) {
    let store = data.stores.of(Schema::Audit);
    // With and without what may be missing in an entry.
    let entries = [entry(2, 7, 2), entry(1, 7, 1), entry(3, 8, 3)];
    let before = store.statements().count();
    assert_eq!(record(&store, entries, false).await, 3);
    let statements = if data.kind == POSTGRES { 1 } else { 2 };
    assert_eq!(store.statements().count() - before, statements);
    assert_eq!(record(&store, [], false).await, 0);
    let changed = Entry { after: serde_json::json!({}), ..entry(2, 7, 2) };
    let again = [changed.clone(), entry(4, 8, 4), entry(4, 8, 4)];
    assert_eq!(record(&store, again, false).await, 1, "the handler is done with one, and one came twice");
    assert_eq!(record(&store, [changed], true).await, 0, "the log has it");
    let listing = Listing { limit: 10, ..Listing::default() };
    let (listed, _) = store.audit_list(&user("alice"), &listing).await.unwrap();
    assert_eq!(listed, [entry(1, 7, 1), entry(2, 7, 2), entry(3, 8, 3), entry(4, 8, 4)]);
    let many = (100..4_100).map(|number| entry(number, 9, 9));
    assert_eq!(record(&store, many, false).await, 4_000, "a large batch");
}

pub(crate) async fn what_the_inbox_says_of_an_event_decides_over_its_entry(data: &Data) {
    let store = &data.stores.of(Schema::Audit);
    let arrival =
        |number, replay: Option<u128>| Arrival { event: event_id(number), replay: replay.map(event_id) };
    let given = async |number, replay, refills, kept: bool| {
        let entry = kept.then(|| entry(number, 7, 1));
        let event = NewEntry { arrival: arrival(number, replay), refills, entry };
        store.audit_record("audit", &[event], super::at(900)).await.unwrap()
    };
    let dead = |number| async move {
        let buried: Result<bool, Error> = store
            .transaction(|tx| {
                Box::pin(async move {
                    tx.inbox_bury("audit", &arrival(number, None), "unreadable", super::at(1)).await
                })
            })
            .await;
        assert!(buried.unwrap());
    };
    assert_eq!(given(1, None, false, false).await, 0, "nothing of it is kept");
    assert_eq!(given(1, None, false, true).await, 0, "and the handler is done with it");
    assert_eq!(
        given(1, Some(101), false, true).await,
        0,
        "a replay begins what was given up, and nothing else"
    );
    assert_eq!(given(1, Some(102), true, true).await, 1, "unless it is for the log alone");
    dead(2).await;
    assert_eq!(given(2, None, false, true).await, 0, "it was given up");
    assert_eq!(given(2, Some(201), false, true).await, 1, "and is begun by a replay");
    assert_eq!(given(2, Some(202), false, true).await, 0, "once");
    dead(3).await;
    // In one batch: given up and come by itself and by two replays, new and come twice, done with and come for the log alone.
    let event = |number, replay, refills| NewEntry {
        arrival: arrival(number, replay),
        refills,
        entry: Some(entry(number, 7, 1)),
    };
    let batch = [
        event(3, None, false),
        event(3, Some(301), false),
        event(3, Some(302), false),
        event(4, None, false),
        event(4, Some(401), false),
        event(1, Some(103), true),
        event(5, Some(501), true),
    ];
    assert_eq!(store.audit_record("audit", &batch, super::at(900)).await.unwrap(), 3, "3, 4 and 5");
    assert_eq!(store.audit_record("audit", &batch, super::at(901)).await.unwrap(), 0, "it comes again");
    let begins =
        store.inbox_would_begin("audit", &[1, 2, 3, 4, 5, 6].map(|number| arrival(number, None))).await;
    assert_eq!(begins.unwrap(), [false, false, false, false, false, true]);
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
    record(&audit, entries, false).await;
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
