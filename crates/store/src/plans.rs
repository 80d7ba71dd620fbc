//! Which index answers which statement, by SQLite's own word. A statement that sorts or scans is slow only with the data
//! of years, so that no other test would notice.

use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::{Channel, DeliveryId, DeliveryState, EventId, Instant, LetterState, TaskId, UserId};
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait, QueryTrait as _, Select, Statement};
use uuid::Uuid;

use crate::backlog::BACKLOG;
use crate::dead_letters::{self, Filter as Letters, depth_query, lock_query};
use crate::{Config, Schema, Store, Stores, audit, notification, open, published, purge, tasks, verify};

const BACKEND: DbBackend = DbBackend::Sqlite;

pub(crate) async fn store() -> Store {
    let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
    let stores = Stores::open(&config, &[]).await.unwrap();
    stores.migrate_up(None).await.unwrap();
    stores.of(Schema::Tasks)
}

/// The steps of a statement's plan, but for those of the tags, which are read task by task.
async fn plan<E: EntityTrait>(store: &Store, query: Select<E>) -> Vec<String> {
    steps_of(store, query.build(BACKEND)).await
}

pub(crate) async fn steps_of(store: &Store, statement: Statement) -> Vec<String> {
    let values = statement.values.unwrap().0;
    let explain =
        Statement::from_sql_and_values(BACKEND, format!("EXPLAIN QUERY PLAN {}", statement.sql), values);
    let rows = store.read.query_all_raw(explain).await.unwrap();
    let steps = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
    steps.filter(|step| !step.contains("task_tags") && !step.contains("CORRELATED")).collect()
}

async fn check<E: EntityTrait>(store: &Store, query: Select<E>, expect: &str) {
    assert_eq!(plan(store, query).await, [expect]);
}

pub(crate) fn alice() -> UserId {
    "alice".parse().unwrap()
}

fn id() -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(7))
}

pub(crate) fn time() -> Instant {
    Instant::from_timestamp_micros(1_800_000_000_000_000).unwrap()
}

fn after(key: Option<i64>) -> Option<tasks::Cursor> {
    Some(serde_json::from_value(serde_json::json!({ "key": key, "task_id": id().as_uuid() })).unwrap())
}

fn list(
    field: OrderField,
    descending: bool,
    after: Option<tasks::Cursor>,
) -> Select<crate::entity::tasks::Entity> {
    // What most clients ask for; it must not lead the planner astray.
    let filter = Filter(vec![Condition::State(true, StateName::Open)]);
    let order = Order { field, descending };
    let listing = tasks::Listing { filter: &filter, order, show_deleted: false, after, limit: 50 };
    tasks::list_query(&alice(), &listing, BACKEND)
}

#[tokio::test]
async fn a_page_of_tasks_is_a_range_of_an_index() {
    let store = store().await;
    for (field, index, column) in [
        (OrderField::CreateTime, "tasks_by_creation", "create_time"),
        (OrderField::UpdateTime, "tasks_by_update", "update_time"),
        (OrderField::Priority, "tasks_by_priority", "priority"),
    ] {
        for (descending, beyond) in [(false, '>'), (true, '<')] {
            let first = format!("SEARCH tasks USING INDEX {index} (user_id=?)");
            check(&store, list(field, descending, None), &first).await;
            let next =
                format!("SEARCH tasks USING INDEX {index} (user_id=? AND ({column},task_id){beyond}(?,?))");
            check(&store, list(field, descending, after(Some(3))), &next).await;
        }
    }
    let walked = "SEARCH tasks USING INDEX tasks_by_due (user_id=?)";
    for descending in [false, true] {
        check(&store, list(OrderField::Due, descending, None), walked).await;
        check(&store, list(OrderField::Due, descending, after(Some(3))), walked).await;
        let beyond = if descending { '<' } else { '>' };
        let never =
            format!("SEARCH tasks USING INDEX tasks_by_due (user_id=? AND due_time=? AND task_id{beyond}?)");
        check(&store, list(OrderField::Due, descending, after(None)), &never).await;
    }
}

#[tokio::test]
async fn a_task_and_the_gaps_are_found_by_an_index() {
    let store = store().await;
    let by_id = "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (task_id=?)";
    check(&store, tasks::get_query(&alice(), id(), BACKEND), by_id).await;
    let steps = plan(&store, open::open_query(&[id()], BACKEND)).await;
    assert!(steps.iter().any(|step| step == by_id), "{steps:?}");
    let first = "SEARCH tasks USING INDEX tasks_awaiting_successor (complete_time<?)";
    check(&store, tasks::gaps_query(time(), None, 50, BACKEND), first).await;
    let next = "SEARCH tasks USING INDEX tasks_awaiting_successor \
                ((complete_time,task_id)>(?,?) AND complete_time<?)";
    check(&store, tasks::gaps_query(time(), after(Some(3)).as_ref(), 50, BACKEND), next).await;
}

#[tokio::test]
async fn a_page_of_the_audit_log_is_a_range_of_an_index() {
    let store = store().await;
    let after: audit::Cursor = serde_json::from_value(serde_json::json!({
        "event_time": 3, "task_version": 1, "event_id": EventId::from_uuid(Uuid::from_u128(7)).as_uuid(),
    }))
    .unwrap();
    for (task_id, index, column) in
        [(None, "audit_entries_by_time", "user_id"), (Some(id()), "audit_entries_by_task", "task_id")]
    {
        let listing = audit::Listing { task_id, limit: 50, ..audit::Listing::default() };
        let first = format!("SEARCH audit_entries USING INDEX {index} ({column}=?)");
        check(&store, audit::list_query(&alice(), &listing), &first).await;
        let listing = audit::Listing { after: Some(after.clone()), ..listing };
        let next = format!(
            "SEARCH audit_entries USING INDEX {index} ({column}=? AND (event_time,task_version,event_id)>(?,?,?))"
        );
        check(&store, audit::list_query(&alice(), &listing), &next).await;
    }
}

#[tokio::test]
async fn a_page_of_dead_letters_is_a_range_of_an_index() {
    let store = store().await;
    let after: dead_letters::Cursor =
        serde_json::from_value(serde_json::json!({ "first_failure_time": 3, "letter_id": id().as_uuid() }))
            .unwrap();
    let text = Some("text".to_owned());
    let states = |states: &[LetterState]| Letters { states: states.to_vec(), ..Letters::default() };
    for (filter, index, column) in [
        (Letters::default(), "dead_letters_by_time", ""),
        (states(&[LetterState::Open]), "dead_letters_by_state", "state=?"),
        (states(&[LetterState::Open, LetterState::Replayed]), "dead_letters_by_time", ""),
        (Letters { topic: text.clone(), ..Letters::default() }, "dead_letters_by_topic", "topic=?"),
        (Letters { handler: text.clone(), ..Letters::default() }, "dead_letters_by_handler", "handler=?"),
        (Letters { key: text.clone(), ..Letters::default() }, "dead_letters_by_key", "partition_key=?"),
        (Letters { event_type: text.clone(), ..Letters::default() }, "dead_letters_by_time", ""),
    ] {
        let first = match column {
            "" => format!("SCAN dead_letters USING INDEX {index}"),
            column => format!("SEARCH dead_letters USING INDEX {index} ({column})"),
        };
        let listing = dead_letters::Listing { filter: filter.clone(), after: None, limit: 50 };
        check(&store, dead_letters::list_query(BACKEND, &listing), &first).await;
        check(&store, lock_query(BACKEND, &filter, 50), &first).await;
        let and = if column.is_empty() { "" } else { " AND " };
        let next = format!(
            "SEARCH dead_letters USING INDEX {index} ({column}{and}(first_failure_time,letter_id)>(?,?))"
        );
        let listing = dead_letters::Listing { after: Some(after.clone()), ..listing };
        check(&store, dead_letters::list_query(BACKEND, &listing), &next).await;
    }
    // A range that ends is read to its end.
    let early = Letters { end_time: Some(docket_domain::Instant::UNIX_EPOCH), ..Letters::default() };
    let end = "SEARCH dead_letters USING INDEX dead_letters_by_time (first_failure_time<?)";
    check(&store, lock_query(BACKEND, &early, 50), end).await;
    // One that is named is looked up.
    let named =
        Letters { ids: vec![docket_domain::DeadLetterId::from_uuid(Uuid::nil())], ..Letters::default() };
    let plan = plan(&store, lock_query(BACKEND, &named, 50)).await.join("\n");
    assert!(
        plan.contains("SEARCH dead_letters USING INDEX sqlite_autoindex_dead_letters_1 (letter_id=?)"),
        "{plan}"
    );
}

#[tokio::test]
async fn what_was_published_and_the_versions_are_ranges_of_indexes() {
    let store = store().await;
    let of_task = "SEARCH published_events USING INDEX published_events_by_key (partition_key=?)";
    check(&store, published::of_query("t", id(), None, 50), of_task).await;
    let after = Some((time(), EventId::from_uuid(Uuid::nil())));
    let next = "SEARCH published_events USING INDEX published_events_by_key \
                (partition_key=? AND (create_time,event_id)>(?,?))";
    check(&store, published::of_query("t", id(), after, 50), next).await;
    check(&store, verify::heads_after_query(None, 50), "SCAN tasks USING INDEX sqlite_autoindex_tasks_1")
        .await;
    let next = "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (task_id>?)";
    check(&store, verify::heads_after_query(Some(id()), 50), next).await;
    for (after, page) in [
        (None, "SCAN audit_entries USING COVERING INDEX audit_entries_by_task"),
        (Some(id()), "SEARCH audit_entries USING COVERING INDEX audit_entries_by_task (task_id>?)"),
    ] {
        let steps = steps_of(&store, verify::versions_query(BACKEND, after, 50)).await;
        assert!(steps.iter().any(|step| step == page), "{steps:?}");
        let entries = "SEARCH entries USING INDEX audit_entries_by_task (task_id=?)";
        assert!(steps.iter().any(|step| step == entries), "{steps:?}");
    }
}

#[tokio::test]
async fn a_page_of_the_ledger_is_a_range_of_an_index() {
    let store = store().await;
    let after: notification::Cursor =
        serde_json::from_value(serde_json::json!({ "create_time": 3, "delivery_id": id().as_uuid() }))
            .unwrap();
    for (task_id, index, column) in
        [(None, "deliveries_by_user", "user_id"), (Some(id()), "deliveries_by_task", "task_id")]
    {
        let listing = notification::Listing {
            task_id,
            states: vec![DeliveryState::Sent],
            limit: 50,
            ..Default::default()
        };
        let first = format!("SEARCH deliveries USING INDEX {index} ({column}=?)");
        check(&store, notification::list_query(&alice(), &listing), &first).await;
        let listing = notification::Listing { after: Some(after.clone()), ..listing };
        let next =
            format!("SEARCH deliveries USING INDEX {index} ({column}=? AND (create_time,delivery_id)<(?,?))");
        check(&store, notification::list_query(&alice(), &listing), &next).await;
    }
}

#[tokio::test]
async fn what_is_to_be_sent_and_whom_a_token_names_are_found_by_an_index() {
    let store = store().await;
    let contains = |steps: &[String], expect: &str| {
        assert!(steps.iter().any(|step| step.contains(expect)), "{expect}: {steps:?}");
        let reads_all = |step: &&String| step.contains("TEMP B-TREE") || step.starts_with("SCAN deliveries");
        assert_eq!(steps.iter().find(reads_all), None, "{steps:?}");
    };
    let wanted = Channel::ALL.map(|channel| (channel, 16));
    let due = notification::due_query(&wanted, time()).unwrap();
    let steps = steps_of(&store, BACKEND.build(&due)).await;
    let look = "SEARCH deliveries USING INDEX deliveries_by_wake (channel=? AND wake_time<?)";
    contains(&steps, look);
    assert_eq!(steps.iter().filter(|step| *step == look).count(), 3, "{steps:?}");
    let by_id = "SEARCH deliveries USING INDEX sqlite_autoindex_deliveries_1 (delivery_id=?)";
    let named = |sql| Statement::from_sql_and_values(BACKEND, sql, ["[]".into(), 1.into(), 1.into()]);
    contains(&steps_of(&store, named(notification::CLAIM_IN_PROCESS)).await, by_id);
    contains(&steps_of(&store, named(notification::SETTLE_IN_PROCESS)).await, by_id);
    let siblings = notification::siblings_query(&[DeliveryId::from_uuid(Uuid::nil())]);
    contains(&plan(&store, siblings).await, "deliveries USING INDEX deliveries_one_per_channel (subject=?)");

    let tests = "SEARCH deliveries USING INDEX deliveries_by_user (user_id=? AND create_time>?)";
    check(&store, notification::tests_query(&alice(), Channel::Email, time()), tests).await;

    let of_token = "SEARCH preferences USING INDEX preferences_one_per_token (unsubscribe_token=?)";
    check(&store, notification::owner_query(&[1; 16]), of_token).await;
    let digests = "SEARCH preferences USING INDEX preferences_by_digest (next_digest_time<?)";
    check(&store, notification::digests_query(time(), 50), digests).await;
    let wake = steps_of(&store, notification::wake_statement(BACKEND)).await;
    contains(&wake, "SEARCH deliveries USING COVERING INDEX deliveries_by_wake (channel=? AND wake_time>?)");
    contains(&wake, "SEARCH preferences USING COVERING INDEX preferences_by_digest (next_digest_time>?)");
}

#[tokio::test]
async fn what_figures_are_made_of_is_counted_in_an_index_or_up_to_a_limit() {
    let store = store().await;
    let open = "SEARCH dead_letters USING COVERING INDEX dead_letters_by_state (state=?)";
    check(&store, depth_query(), open).await;
    let steps = steps_of(&store, Statement::from_sql_and_values(BACKEND, BACKLOG, [9_i64.into()])).await;
    assert!(
        steps.iter().any(|step| step == "SEARCH oldest USING INTEGER PRIMARY KEY (rowid=?) LEFT-JOIN"),
        "{steps:?}"
    );
    assert_eq!(steps.iter().find(|step| step.contains("TEMP B-TREE")), None, "{steps:?}");
}

#[tokio::test]
async fn what_is_purged_is_found_by_an_index() {
    let store = store().await;
    for (kept, first) in [
        (purge::INBOX, "SEARCH inbox USING COVERING INDEX inbox_by_time (create_time<?)"),
        (
            purge::IDEMPOTENCY_KEYS,
            "SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_time (create_time<?)",
        ),
        (
            purge::PUBLISHED,
            "SEARCH published_events USING COVERING INDEX published_events_by_time (publish_time<?)",
        ),
        (purge::DELIVERIES, "SEARCH deliveries USING COVERING INDEX deliveries_ended (finish_time<?)"),
        (purge::DEAD_LETTERS, "SEARCH dead_letters USING INDEX dead_letters_ended (update_time<?)"),
    ] {
        let values = [3_i64.into(), 5_000_i64.into()];
        let steps =
            steps_of(&store, Statement::from_sql_and_values(BACKEND, kept.delete(BACKEND), values)).await;
        assert!(steps.iter().any(|step| step == first), "{first}: {steps:?}");
        assert!(
            !steps.iter().any(|step| step.contains("TEMP B-TREE") || step.starts_with("SCAN")),
            "{steps:?}"
        );
    }
}
