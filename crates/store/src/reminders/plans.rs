//! Which index answers which statement about reminders, by SQLite's own word.

use docket_domain::{ReminderId, ReminderNumber, ReminderState, TaskId, TimeDelta};
use sea_orm::{DbBackend, QueryTrait as _, Statement};
use uuid::Uuid;

use super::{
    Cursor, Due, Listing, all_day_query, due_statement, figures_statement, list_statement, standing_query,
    tick_statement,
};
use crate::plans::{alice, steps_of, store, time};
use crate::purge;

const BACKEND: DbBackend = DbBackend::Sqlite;

/// Holds a plan to each of these steps, and to sorting nothing.
async fn check(statement: Statement, expect: &[&str]) {
    let steps = steps_of(&store().await, statement).await;
    for step in expect {
        assert!(steps.iter().any(|line| line == step), "{step}: {steps:?}");
    }
    let reads_all = |step: &&String| step.contains("TEMP B-TREE") || step.starts_with("SCAN reminder");
    assert_eq!(steps.iter().find(reads_all), None, "{steps:?}");
}

#[tokio::test]
async fn an_idle_tick_reads_an_end_of_three_indexes() {
    let tick = tick_statement(BACKEND, [time(); 4], 100);
    check(
        tick,
        &[
            "SEARCH reminders USING COVERING INDEX reminders_due (remind_time<?)",
            "SEARCH reminders USING COVERING INDEX reminders_unclosed (publish_time<?)",
            "SEARCH reminders USING INDEX reminders_unarmed (remind_time<?)",
        ],
    )
    .await;
}

#[tokio::test]
async fn reminders_are_counted_in_one_index() {
    let steps = steps_of(&store().await, figures_statement(BACKEND, time(), 100)).await;
    let reads = steps.iter().filter(|step| step.contains(" reminders "));
    let reads: Vec<_> = reads.map(String::as_str).collect();
    let range = "SEARCH reminders USING COVERING INDEX reminders_due (remind_time<?)";
    assert_eq!(reads, ["SCAN reminders USING COVERING INDEX reminders_due", range, range]);
    assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
}

#[tokio::test]
async fn what_is_to_be_fired_is_a_range_of_an_index_or_named_by_its_key() {
    let task = "SEARCH reminder_tasks USING INDEX sqlite_autoindex_reminder_tasks_1 (task_id=?)";
    let due = due_statement(BACKEND, &Due::Until(time()), 100).unwrap();
    check(due, &["SEARCH reminders USING INDEX reminders_due (remind_time<?)", task]).await;
    let named = Due::Named(vec![(TaskId::from_uuid(Uuid::nil()), ReminderNumber::new(1).unwrap(), 1)]);
    let steps = steps_of(&store().await, due_statement(BACKEND, &named, 100).unwrap()).await;
    let key = "SEARCH reminders USING INDEX sqlite_autoindex_reminders_1 (task_id=? AND number=?)";
    assert!(steps.iter().any(|line| line == key), "{steps:?}");
    let standing = standing_query(BACKEND, &[ReminderId::from_uuid(Uuid::nil())]).build(BACKEND);
    let firing = "SEARCH reminders USING INDEX reminders_one_per_firing (firing_id=?)";
    check(standing, &[firing, task]).await;
}

#[tokio::test]
async fn a_page_of_reminders_is_a_range_of_an_index() {
    let after: Cursor = serde_json::from_value(
        serde_json::json!({ "remind_time": 3, "task_id": Uuid::from_u128(7), "number": 1 }),
    )
    .unwrap();
    let all = Listing { limit: 50, ..Listing::default() };
    let list = |listing: Listing| list_statement(BACKEND, &alice(), &listing);
    check(list(all.clone()), &["SEARCH reminders USING INDEX reminders_by_user (user_id=?)"]).await;
    let pending = Listing { states: vec![ReminderState::Pending], after: Some(after), ..all.clone() };
    let next =
        "SEARCH reminders USING INDEX reminders_by_user (user_id=? AND (remind_time,task_id,number)>(?,?,?))";
    check(list(pending), &[next]).await;
    let (start_time, end_time) = (Some(time()), Some(time() + TimeDelta::days(1)));
    let range =
        "SEARCH reminders USING INDEX reminders_by_user (user_id=? AND remind_time>? AND remind_time<?)";
    check(list(Listing { start_time, end_time, ..all }), &[range]).await;
    let all_day = "SEARCH reminder_tasks USING INDEX reminder_tasks_all_day (user_id=?)";
    check(all_day_query(&alice()).build(BACKEND), &[all_day]).await;
    let purge = Statement::from_sql_and_values(
        BACKEND,
        purge::REMINDERS.delete(BACKEND),
        [3_i64.into(), 500_i64.into()],
    );
    let over = "SEARCH reminder_tasks USING INDEX reminder_tasks_over (update_time<?)";
    check(purge, &[over]).await;
}
