//! Which index answers which statement about reminders, by PostgreSQL's own word, and how much of it an idle tick reads.

use docket_domain::{ReminderId, ReminderState, TimeDelta};
use docket_store::reminders::{Cursor, Due, Listing, Set, Tick};
use docket_store::{Error, Schema};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use super::plans::{check, plan};
use crate::fresh;
use crate::suite::firing::fire;
use crate::suite::reminders::{known, number, planned, snapshot};
use crate::suite::{Data, at, id, user};

/// So many reminders are to come, all of them with an alarm but those that are too far away.
const PENDING: u32 = 100_000;

/// A database with reminders that are to come, and some that were given.
async fn filled() -> Data {
    let data = fresh().await;
    let start = at(0).timestamp_micros();
    data.raw
        .execute_unprepared(&format!(
            "INSERT INTO reminders.reminder_tasks (task_id, user_id, version, open, title, priority, due_date, time_zone,
                 reminders, update_time)
             SELECT lpad(to_hex(n), 32, '0')::uuid, 'user' || n % 500, 1, n % 10 <> 0, 't', 1,
                 CASE WHEN n % 20 = 1 THEN '2027-01-01' END, 'UTC', '[]', n
             FROM generate_series(1, {PENDING} * 11 / 10) AS n;
             INSERT INTO reminders.reminders (task_id, number, user_id, planned_time, remind_time, channels, state, generation,
                 snoozed, firing_id, fire_time, publish_time, armed_by, update_time)
             SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'user' || n % 500, {start} + n * 1000000::bigint, {start} + n * 1000000::bigint, '[]',
                 CASE WHEN given THEN 'SENT' ELSE 'PENDING' END, 1, FALSE, CASE WHEN given THEN gen_random_uuid() END,
                 CASE WHEN given THEN n END, CASE WHEN given THEN n END,
                 CASE WHEN n < {PENDING} / 2 THEN 'one' END, n
             FROM generate_series(1, {PENDING} * 11 / 10) AS n, LATERAL (SELECT n % 11 = 0 AS given) AS gaps"
        ))
        .await
        .unwrap();
    data.raw.execute_unprepared("VACUUM ANALYZE reminders.reminder_tasks").await.unwrap();
    data.raw.execute_unprepared("VACUUM ANALYZE reminders.reminders").await.unwrap();
    data
}

/// The last statement with this text in it.
fn last(data: &Data, with: &str) -> String {
    let sent = data.take_sent().into_iter().rev().find(|(_, sql)| sql.contains(with));
    sent.unwrap().1
}

/// By a plan for all values.
const GENERIC: &str = "force_generic_plan";

async fn done(data: &Data, sql: &str, values: &str) -> Vec<String> {
    done_by(data, GENERIC, sql, values).await
}

/// What PostgreSQL does for a statement with these values, without more advice than this.
async fn done_by(data: &Data, mode: &str, sql: &str, values: &str) -> Vec<String> {
    let settings = format!("SET search_path TO reminders; SET plan_cache_mode TO {mode}");
    data.raw.execute_unprepared(&settings).await.unwrap();
    data.raw.execute_unprepared(&format!("PREPARE asked AS {sql}")).await.unwrap();
    let explain =
        format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE asked({values})");
    let rows = data.raw.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
    data.raw.execute_unprepared("DEALLOCATE asked").await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().trim().to_owned()).collect()
}

/// Holds what was done to this step, and to reading nothing as a whole.
fn found(done: &[String], step: &str) {
    assert!(done.iter().any(|line| line.contains(step)), "{step}: {done:#?}");
    assert!(!done.iter().any(|line| line.contains("Seq Scan")), "{done:#?}");
}

#[tokio::test]
async fn an_idle_tick_reads_a_few_pages_of_three_indexes_of_a_hundred_thousand() {
    let data = filled().await;
    let store = data.stores.of(Schema::Reminders);
    let before = store.statements().count();
    let tick = store.reminders_tick(at(0), at(0), at(1_000), at(0), 500).await.unwrap();
    assert_eq!(tick, Tick::default());
    assert_eq!(store.statements().count() - before, 1);
    let now = at(0).timestamp_micros();
    let tick = last(&data, "claim_expire_time");
    let shown = done(&data, &tick, &format!("{now}, {now} + 1000000000, 0, {now}, {now}")).await;
    for index in ["reminders_due", "reminders_unarmed", "reminders_unclosed"] {
        found(&shown, &format!("Index Only Scan using {index} on reminders"));
    }
    // Of the whole statement: what is above the first step of the plan.
    let buffers = shown.iter().find_map(|line| line.strip_prefix("Buffers: shared hit="));
    let pages: u64 = buffers.unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(pages < 20, "{pages} pages: {shown:#?}");
}

#[tokio::test]
async fn what_there_is_to_do_is_found_at_the_end_of_an_index() {
    let data = filled().await;
    let store = data.stores.of(Schema::Reminders);
    let far = at(i64::from(PENDING) * 2);
    let tick = store.reminders_tick(at(0), at(5), far, at(0), 500).await.unwrap();
    assert!(tick.overdue && tick.unarmed.len() == 500 && !tick.unclosed);
    let (now, end) = (at(0).timestamp_micros(), far.timestamp_micros());
    // Half of the table is a match, and of that no more than is wanted is read.
    let claim = last(&data, "claim_expire_time");
    let shown = done(&data, &claim, &format!("{now}, {end}, 0, {now} + 20000000, {now} + 30000000")).await;
    found(&shown, "Index Scan using reminders_unarmed on reminders");
    assert!(!shown.iter().any(|line| line.contains("Sort")), "{shown:#?}");

    assert_eq!(fire(&store, Due::Until(at(400)), at(400), 500).await.len(), 363, "all but each eleventh");
    let due = done(&data, &last(&data, "SKIP LOCKED"), &end.to_string()).await;
    found(&due, "Index Scan using reminders_due on reminders");
    assert!(!due.iter().any(|line| line.contains("Sort")), "{due:#?}");
    let unclosed: Result<_, Error> = store
        .transaction(|tx| Box::pin(async move { tx.reminders_unclosed(at(500), at(500), 500).await }))
        .await;
    assert_eq!(unclosed.unwrap().len(), 363);
    let unclosed = done(&data, &last(&data, "SKIP LOCKED"), &end.to_string()).await;
    found(&unclosed, "Index Scan using reminders_unclosed on reminders");
    assert!(!unclosed.iter().any(|line| line.contains("Sort")), "{unclosed:#?}");
}

/// They are forgotten a few thousand at a time, and none twice.
#[tokio::test]
async fn a_lost_scheduler_makes_all_reminders_wait_for_alarms() {
    let data = filled().await;
    let store = data.stores.of(Schema::Reminders);
    let before = store.statements().count();
    // Those before the half, but for each eleventh.
    let armed = u64::from(PENDING / 2 - 1) - u64::from((PENDING / 2 - 1) / 11);
    assert_eq!(store.reminders_disarm(None).await.unwrap(), armed);
    assert_eq!(store.statements().count() - before, armed / 5_000 + 1);
    assert_eq!(store.reminders_disarm(None).await.unwrap(), 0);
    let end = at(i64::from(PENDING) / 2);
    let tick = store.reminders_tick(at(0), at(0), end, at(0), 200_000).await.unwrap();
    assert_eq!(tick.unarmed.len() as u64, armed);
}

/// Many reminders by their names are many looks into the key, not one through the table; also when the planner knows how many
/// there are.
#[tokio::test]
async fn reminders_that_are_named_are_found_by_their_key() {
    let data = filled().await;
    let store = data.stores.of(Schema::Reminders);
    let named: Vec<Set> = (1..=500).map(|task| (id(task * 200), number(1), 1)).collect();
    let fired = fire(&store, Due::Named(named.clone()), at(i64::from(PENDING) * 2), 0).await;
    assert_eq!(fired.len(), 455, "all but each eleventh");
    let sent = data.take_sent();
    let with = |text| sent.iter().find(|(_, sql)| sql.contains(text)).unwrap().1.clone();
    let (named_sql, fired_sql) = (with("AS named"), with("AS fired"));
    store.reminders_armed(&named, "one").await.unwrap();
    let armed_sql = last(&data, "armed_by");
    let firings: Vec<ReminderId> =
        (1..=500).map(|firing| ReminderId::from_uuid(Uuid::from_u128(firing))).collect();
    store.reminders_standing(&firings).await.unwrap();
    let standing_sql = last(&data, "firing_id");
    known(&store, &(1..=500).collect::<Vec<_>>()).await;
    let sent = data.take_sent();
    let [(_, tasks_sql), (_, reminders_sql)] = sent.as_slice() else { panic!("{sent:?}") };

    let array = |of: &dyn Fn(u32) -> String| {
        let all: Vec<String> = (1..=500).map(|n| format!("'{}'", of(n))).collect();
        format!("ARRAY[{}]", all.join(", "))
    };
    let tasks = format!("{}::uuid[]", array(&|n| id(u128::from(n) * 200).to_string()));
    let ones = array(&|_| "1".to_owned());
    let (small, big) = (format!("{ones}::smallint[]"), format!("{ones}::bigint[]"));
    let key = "reminders_pkey";
    for mode in [GENERIC, "force_custom_plan"] {
        let done = async |sql, values: String| done_by(&data, mode, sql, &values).await;
        found(&done(&named_sql, format!("{tasks}, {small}, {big}")).await, key);
        let states = array(&|_| "SENT".to_owned());
        let values = format!("{tasks}, {small}, {states}, {tasks}, {big}, {big}");
        found(&done(&fired_sql, values).await, key);
        found(&done(&armed_sql, format!("{tasks}, {small}, {big}, 'one'")).await, key);
        found(&done(&standing_sql, tasks.clone()).await, "reminders_one_per_firing");
        found(&done(tasks_sql, tasks.clone()).await, "reminder_tasks_pkey");
        found(&done(reminders_sql, tasks.clone()).await, key);
    }
}

#[tokio::test]
async fn a_page_of_reminders_and_what_is_purged_are_ranges_of_indexes() {
    let data = filled().await;
    let store = data.stores.of(Schema::Reminders);
    let alice = user("alice");
    let after = Cursor::of(&planned(&[], &snapshot(1, "alice", 1, 60), at(0))[0]).unwrap();
    let all = Listing { limit: 50, ..Listing::default() };
    store.reminders_list(&alice, &all).await.unwrap();
    check(&data, "reminders_by_user", "Index Cond: (user_id = $1)").await;
    store.reminders_list(&alice, &Listing { after: Some(after.clone()), ..all.clone() }).await.unwrap();
    let place = "(ROW(remind_time, task_id, number) > ROW($2, $3, $4))";
    check(&data, "reminders_by_user", &format!("Index Cond: ((user_id = $1) AND {place})")).await;
    let from = Listing {
        states: vec![ReminderState::Pending],
        start_time: Some(at(0)),
        end_time: Some(at(0) + TimeDelta::days(1)),
        ..all.clone()
    };
    store.reminders_list(&alice, &from).await.unwrap();
    let range = "Index Cond: ((user_id = $1) AND (remind_time >= $3) AND (remind_time < $4))";
    check(&data, "reminders_by_user", range).await;
    store.reminders_list(&alice, &Listing { task_id: Some(id(7)), ..all }).await.unwrap();
    let shown = plan(&data).await;
    found(&shown, "on reminders");
    let of_task: Result<Vec<_>, Error> =
        store.transaction(|tx| Box::pin(async move { tx.reminders_all_day_of(&user("alice")).await })).await;
    assert!(of_task.unwrap().is_empty());
    check(&data, "reminder_tasks_all_day", "Index Cond: (user_id = $1)").await;
    store.purge_reminders(docket_domain::Instant::default(), 500).await.unwrap();
    let shown = plan(&data).await;
    found(&shown, "using reminder_tasks_over on reminder_tasks");
    assert!(shown.iter().any(|line| line == "Index Cond: (update_time < $1)"), "{shown:#?}");
}
