//! Which index answers which statement, by SQLite's own word.

use docket_domain::{Instant, TaskId};
use sea_orm::{DbBackend, QueryTrait as _, Statement};
use uuid::Uuid;

use super::{heard_query, named_query, published_at_query, standings_query, waiting_query};
use crate::plans::{steps_of, store, time};

const BACKEND: DbBackend = DbBackend::Sqlite;

/// Holds a plan to this step, and to reading no table as a whole.
async fn check(statement: Statement, expect: &str) {
    let steps = steps_of(&store().await, statement).await;
    assert!(steps.iter().any(|step| step == expect), "{expect}: {steps:?}");
    let reads_all = |step: &&String| step.starts_with("SCAN") && !step.contains("VIRTUAL TABLE");
    assert_eq!(steps.iter().find(reads_all), None, "{steps:?}");
}

#[tokio::test]
async fn tasks_are_ranges_of_an_index_and_looked_up() {
    let (one, other) = (TaskId::from_uuid(Uuid::from_u128(7)), TaskId::from_uuid(Uuid::from_u128(8)));
    let ids = [one, other];
    let steps = steps_of(&store().await, standings_query(None, 50).build(BACKEND)).await;
    assert_eq!(steps, ["SCAN tasks USING INDEX sqlite_autoindex_tasks_1"], "in its order, to the limit");
    let next = "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (task_id>?)";
    check(standings_query(Some(one), 50).build(BACKEND), next).await;
    let by_id = "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (task_id=?)";
    check(named_query(&ids, BACKEND).build(BACKEND), by_id).await;
    let heard = "SEARCH reminder_tasks USING INDEX sqlite_autoindex_reminder_tasks_1 (task_id=?)";
    check(heard_query(&ids, BACKEND).build(BACKEND), heard).await;
    let waiting = "SEARCH outbox USING INDEX outbox_by_key (partition_key=? AND topic=?)";
    check(waiting_query("t", &ids, "reminders", BACKEND).build(BACKEND), waiting).await;
    let times: [(TaskId, Instant); 2] = [(one, time()), (other, time())];
    let kept =
        "SEARCH published_events USING INDEX published_events_by_key (partition_key=? AND create_time=?)";
    check(published_at_query("t", &times, BACKEND), kept).await;
}
