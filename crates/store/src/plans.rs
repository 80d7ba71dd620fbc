//! Which index answers which statement, by SQLite's own word. A statement that sorts or scans is slow only with the data
//! of years, so that no other test would notice.

use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::{EventId, Instant, TaskId, UserId};
use sea_orm::{ConnectionTrait as _, DbBackend, EntityTrait, QueryTrait as _, Select, Statement};
use uuid::Uuid;

use crate::{Config, Schema, Store, Stores, audit, tasks};

const BACKEND: DbBackend = DbBackend::Sqlite;

async fn store() -> Store {
    let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
    let stores = Stores::open(&config, &[]).await.unwrap();
    stores.migrate_up(None).await.unwrap();
    stores.of(Schema::Tasks)
}

/// The steps of a statement's plan, but for those of the tags, which are read task by task.
async fn plan<E: EntityTrait>(store: &Store, query: Select<E>) -> Vec<String> {
    let statement = query.build(BACKEND);
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

fn alice() -> UserId {
    "alice".parse().unwrap()
}

fn id() -> TaskId {
    TaskId::from_uuid(Uuid::from_u128(7))
}

fn time() -> Instant {
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
