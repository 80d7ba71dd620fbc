//! Which index answers which statement, by PostgreSQL's own word: a page is a range of an index, read in its order.

use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_store::Schema;
use docket_store::audit;
use docket_store::tasks::{Cursor, Listing};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::fresh;
use crate::suite::{Data, at, content, full, id, task, user};

/// What was sent last, as PostgreSQL would run it whatever its values are. Without the steps for tags.
async fn plan(data: &Data) -> Vec<String> {
    let (schema, sql) = data.take_sent().pop().unwrap();
    let schema = schema.unwrap();
    // So little data is read fastest as a whole; that is not the question.
    let settings = format!(
        "SET search_path TO {schema}; SET plan_cache_mode TO force_generic_plan; SET enable_seqscan TO off; \
         SET enable_bitmapscan TO off"
    );
    data.raw.execute_unprepared(&settings).await.unwrap();
    data.raw.execute_unprepared(&format!("PREPARE page AS {sql}")).await.unwrap();
    let parameters = (1..).take_while(|number| sql.contains(&format!("${number}"))).count();
    let values = match parameters {
        0 => String::new(),
        some => format!("({})", vec!["NULL"; some].join(", ")),
    };
    // By the simple protocol: a statement in a statement cannot be prepared.
    let explain =
        Statement::from_string(DbBackend::Postgres, format!("EXPLAIN (COSTS OFF) EXECUTE page{values}"));
    let rows = data.raw.query_all_raw(explain).await.unwrap();
    data.raw.execute_unprepared("DEALLOCATE page").await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().trim().to_owned()).collect()
}

/// A database with so much in it that the planner has something to choose from.
async fn filled() -> Data {
    let data = fresh().await;
    data.raw
        .execute_unprepared(
            "INSERT INTO tasks.tasks (task_id, user_id, title, description, state, priority, due_time, time_zone,
                 reminders, awaits_successor, version, user_seq, create_time, update_time, complete_time, complete_version)
             SELECT gen_random_uuid(), 'user' || n % 50, 't', '', CASE WHEN gap THEN 'COMPLETED' ELSE 'OPEN' END, 1 + n % 4,
                 n % 300, 'UTC', '[]', gap, 1, n, n, n, CASE WHEN gap THEN n END, CASE WHEN gap THEN 1 END
             FROM generate_series(1, 5000) AS n, LATERAL (SELECT n % 100 = 0 AS gap) AS gaps;
             INSERT INTO audit.audit_entries (event_id, event_type, task_id, user_id, task_version, event_time,
                 record_time, after)
             SELECT gen_random_uuid(), '', gen_random_uuid(), 'user' || n % 50, 1, n, n, '{}'
             FROM generate_series(1, 5000) AS n;
             ANALYZE",
        )
        .await
        .unwrap();
    data
}

/// Holds the plan to its index, and to what the index is asked for.
async fn check(data: &Data, index: &str, condition: &str) {
    let plan = plan(data).await;
    let shown = plan.join("\n");
    assert!(!shown.contains("Sort"), "{shown}");
    assert!(plan.iter().any(|step| step.contains(&format!("using {index} on"))), "{index}:\n{shown}");
    assert!(plan.iter().any(|step| step == condition), "{condition}:\n{shown}");
}

#[tokio::test]
async fn a_page_is_a_range_of_an_index() {
    let data = filled().await;
    let (store, alice) = (data.tasks(), user("alice"));
    let filter = Filter(vec![Condition::State(true, StateName::Open)]);
    let list = async |field, descending, after| {
        let order = Order { field, descending };
        let listing = Listing { filter: &filter, order, show_deleted: false, after, limit: 50 };
        store.task_list(&alice, &listing).await.unwrap();
    };
    for (field, index, column) in [
        (OrderField::CreateTime, "tasks_by_creation", "create_time"),
        (OrderField::UpdateTime, "tasks_by_update", "update_time"),
        (OrderField::Priority, "tasks_by_priority", "priority"),
    ] {
        for (descending, beyond) in [(false, '>'), (true, '<')] {
            list(field, descending, None).await;
            check(&data, index, "Index Cond: (user_id = $2)").await;
            list(field, descending, Some(Cursor::of(&task(3, "alice", full()), field))).await;
            let range =
                format!("Index Cond: ((user_id = $2) AND (ROW({column}, task_id) {beyond} ROW($4, $5)))");
            check(&data, index, &range).await;
        }
    }
    for (descending, index) in [(false, "tasks_by_due"), (true, "tasks_by_due_descending")] {
        list(OrderField::Due, descending, None).await;
        check(&data, index, "Index Cond: (user_id = $2)").await;
        let due = Cursor::of(&task(3, "alice", full()), OrderField::Due);
        list(OrderField::Due, descending, Some(due)).await;
        check(&data, index, "Index Cond: (user_id = $2)").await;
        let never = Cursor::of(&task(3, "alice", content("never")), OrderField::Due);
        list(OrderField::Due, descending, Some(never)).await;
        let beyond = if descending { '<' } else { '>' };
        let rest = format!("Index Cond: ((user_id = $2) AND (due_time IS NULL) AND (task_id {beyond} $4))");
        check(&data, index, &rest).await;
    }
}

#[tokio::test]
async fn a_task_the_gaps_and_the_audit_log_are_found_by_an_index() {
    let data = filled().await;
    let (store, alice) = (data.tasks(), user("alice"));
    store.task_get(&alice, id(7)).await.unwrap();
    let plan = plan(&data).await.join("\n");
    assert!(plan.contains("using tasks_pkey on tasks"), "{plan}");

    store.series_gap_list(at(1), None, 50).await.unwrap();
    check(&data, "tasks_awaiting_successor", "Index Cond: (complete_time < $2)").await;
    let after = task(3, "alice", full()).complete(at(1)).unwrap().after;
    store.series_gap_list(at(1), Some(&Cursor::of_gap(&after)), 50).await.unwrap();
    let range = "Index Cond: ((complete_time < $2) AND (ROW(complete_time, task_id) > ROW($3, $4)))";
    check(&data, "tasks_awaiting_successor", range).await;

    let audit = data.stores.of(Schema::Audit);
    let after: audit::Cursor = serde_json::from_value(serde_json::json!({
        "event_time": 3, "task_version": 1, "event_id": id(7).as_uuid(),
    }))
    .unwrap();
    for (task_id, index, first, next) in [
        (
            None,
            "audit_entries_by_time",
            "Index Cond: (user_id = $1)",
            "((user_id = $1) AND (ROW(event_time, task_version, event_id) > ROW($2, $3, $4)))",
        ),
        (
            Some(id(7)),
            "audit_entries_by_task",
            "Index Cond: (task_id = $2)",
            "((task_id = $2) AND (ROW(event_time, task_version, event_id) > ROW($3, $4, $5)))",
        ),
    ] {
        let listing = audit::Listing { task_id, limit: 50, ..audit::Listing::default() };
        audit.audit_list(&alice, &listing).await.unwrap();
        check(&data, index, first).await;
        let listing = audit::Listing { after: Some(after.clone()), ..listing };
        audit.audit_list(&alice, &listing).await.unwrap();
        check(&data, index, &format!("Index Cond: {next}")).await;
    }
}
