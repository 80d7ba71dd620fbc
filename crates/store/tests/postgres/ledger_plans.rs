//! What PostgreSQL does to find what is to be sent in a ledger of years: a few looks into indexes, by its own word.

use docket_domain::{Channel, DeliveryState};
use docket_store::notification::{Settled, Settlement};
use docket_store::{Error, Schema};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::fresh;
use crate::suite::ledger::ended;
use crate::suite::{Data, Sent, at};

/// So many messages were sent, and as many wait; the odd ones are mail, the even ones push messages.
const MESSAGES: u32 = 100_000;

async fn filled() -> Data {
    let data = fresh().await;
    let start = at(0).timestamp_micros();
    let fill = format!(
        "INSERT INTO notification.deliveries (delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title,
             content, remind_time, state, attempts, wake_time, postponed, create_time, finish_time)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 'REMINDER', 'subject ' || (n + 1) / 2,
             CASE WHEN n % 2 = 1 THEN 'EMAIL' ELSE 'PUSH' END, 'user' || n % 500, gen_random_uuid(), gen_random_uuid(), '',
             '{{}}', n, CASE WHEN waits THEN 'PENDING' ELSE 'SENT' END, 0,
             CASE WHEN waits THEN {start} + n * 1000000::bigint END, FALSE, n, CASE WHEN NOT waits THEN n END
         FROM generate_series(1, 2 * {MESSAGES}) AS n, LATERAL (SELECT n > {MESSAGES} AS waits) AS waiting"
    );
    data.raw.execute_unprepared(&fill).await.unwrap();
    data.raw.execute_unprepared("VACUUM ANALYZE notification.deliveries").await.unwrap();
    data
}

/// The last statement with this text in it.
fn last(sent: &[Sent], with: &str) -> String {
    sent.iter().rev().find(|(_, sql)| sql.contains(with)).unwrap().1.clone()
}

/// What is done for a statement with these values: by a plan for them, and then by one for all values. Nothing is read as a
/// whole.
async fn done(data: &Data, sql: &str, values: &str) -> Vec<String> {
    let mut done = Vec::new();
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let settings = format!("SET search_path TO notification; SET plan_cache_mode TO {mode}");
        data.raw.execute_unprepared(&settings).await.unwrap();
        data.raw.execute_unprepared(&format!("PREPARE asked AS {sql}")).await.unwrap();
        let explain =
            format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE asked({values})");
        // Undone, so that the second finds what the first has found.
        data.raw.execute_unprepared("BEGIN").await.unwrap();
        let rows =
            data.raw.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
        data.raw.execute_unprepared("ROLLBACK").await.unwrap();
        data.raw.execute_unprepared("DEALLOCATE asked").await.unwrap();
        done = rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap().trim().to_owned()).collect();
        assert!(!done.iter().any(|line| line.contains("Seq Scan")), "{mode}: {done:#?}");
    }
    done
}

/// How many pages were read, the same one as often as it was.
fn pages(done: &[String]) -> u64 {
    let buffers = done.iter().find_map(|line| line.strip_prefix("Buffers: shared hit=")).unwrap();
    buffers.split(' ').next().unwrap().parse().unwrap()
}

fn contains(done: &[String], step: &str) {
    assert!(done.iter().any(|line| line.contains(step)), "{step}: {done:#?}");
}

#[tokio::test]
async fn an_idle_look_for_messages_reads_a_few_pages_of_an_index_of_a_hundred_thousand() {
    let data = filled().await;
    let store = data.stores.of(Schema::Notification);
    let wanted = Channel::ALL.map(|channel| (channel, 16));
    assert_eq!(store.deliveries_claim(&wanted, at(0), at(60)).await.unwrap(), []);
    let claim = last(&data.take_sent(), "SKIP LOCKED");
    let now = at(0).timestamp_micros();
    let values = |now: i64| {
        format!("'{{EMAIL,PUSH,WEBHOOK}}'::text[], '{{16,16,16}}'::bigint[], {now}, {}", now + 60_000_000)
    };
    let idle = done(&data, &claim, &values(now)).await;
    contains(&idle, "Index Scan using deliveries_by_wake on deliveries");
    assert!(pages(&idle) < 20, "{} pages: {idle:#?}", pages(&idle));

    // Half of the ledger is due, and of that no more is read than is claimed.
    let all = done(&data, &claim, &values(now + 1_000_000_000_000)).await;
    let looks = "Index Scan using deliveries_by_wake on deliveries deliveries_1 (actual rows=11 loops=3)";
    contains(&all, looks);
    contains(&all, "Index Scan using deliveries_pkey on deliveries");
    assert!(!all.iter().any(|line| line.contains("Sort")), "{all:#?}");
}

#[tokio::test]
async fn what_is_settled_is_found_by_its_keys() {
    let data = filled().await;
    let store = data.stores.of(Schema::Notification);
    let until = i64::from(MESSAGES) + 500;
    let wanted = [(Channel::Email, 250), (Channel::Push, 250)];
    let claimed = store.deliveries_claim(&wanted, at(until), at(until + 60)).await.unwrap();
    let settled: Vec<Settled> =
        claimed.iter().map(|claimed| ended(claimed, DeliveryState::Sent, until)).collect();
    assert_eq!(settled.len(), 500);
    data.take_sent();
    let undone: Result<(), Error> = store
        .transaction(|tx| {
            let settled = settled.clone();
            Box::pin(async move {
                let Settlement { known, completed } = tx.deliveries_settle(&settled).await?;
                assert_eq!((known.len(), completed.len()), (500, 500));
                Err(Error::Busy)
            })
        })
        .await;
    undone.unwrap_err();
    let sent = data.take_sent();
    let each = |value: &str| format!("'{{{}}}'", vec![value; settled.len()].join(","));
    let ids: Vec<String> = settled.iter().map(|settled| settled.id.to_string()).collect();
    let ids = format!("'{{{}}}'", ids.join(","));
    let values =
        [&ids, &each("1"), &each("SENT"), &each("t"), &each("0"), &each("f"), &each("why"), &each("0")];
    let values = values.map(String::as_str).join(", ");
    let settle = done(&data, &last(&sent, "AS told"), &values).await;
    contains(&settle, "LockRows (actual rows=500 loops=1)");
    contains(&settle, "using deliveries_one_per_channel on deliveries");
    contains(&settle, "using deliveries_pkey on deliveries");
}
