//! Which index answers which statement, by PostgreSQL's own word: a page is a range of an index, read in its order.

use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::{Channel, DeadLetterId, DeliveryId, DeliveryState, EventId, LetterState};
use docket_store::audit;
use docket_store::dead_letters::{self, Filter as Letters};
use docket_store::notification::{self, NextDigest, Settled, Settlement};
use docket_store::tasks::{Cursor, Listing};
use docket_store::{Error, Schema};
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use uuid::Uuid;

use crate::fresh;
use crate::suite::{Data, at, content, full, id, task, user};

/// What was sent last, as PostgreSQL would run it whatever its values are. Without the steps for tags.
pub(crate) async fn plan(data: &Data) -> Vec<String> {
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
             INSERT INTO tasks.inbox (event_id, handler, state, create_time)
             SELECT gen_random_uuid(), 'h', 'DONE', n FROM generate_series(1, 5000) AS n;
             INSERT INTO tasks.idempotency_keys (user_id, request_id, method, body_hash, response, create_time)
             SELECT '', gen_random_uuid(), '', '', '', n FROM generate_series(1, 5000) AS n;
             INSERT INTO tasks.published_events (event_id, partition_key, topic, event_type, source, payload, create_time,
                 publish_time)
             SELECT gen_random_uuid(), 'key' || n % 50, '', '', '', '', n, n FROM generate_series(1, 5000) AS n;
             INSERT INTO deadletters.dead_letters (letter_id, state, handler, event_id, pubsub, topic, partition_key, headers,
                 reason, original, failures, first_failure_time, last_failure_time, update_time)
             SELECT gen_random_uuid(), CASE WHEN n % 50 = 0 THEN 'OPEN' WHEN n % 2 = 0 THEN 'REPLAYED' ELSE 'DISCARDED' END,
                 'handler' || n % 50, gen_random_uuid(), '', 'topic' || n % 50, 'key' || n % 50, '{}', '', '', 1, n, n, n
             FROM generate_series(1, 5000) AS n;
             INSERT INTO notification.deliveries (delivery_id, kind, subject, channel, user_id, task_id, reminder_id, title,
                 content, remind_time, state, attempts, wake_time, postponed, create_time, finish_time)
             SELECT gen_random_uuid(), 'REMINDER', n / 2, CASE WHEN n % 2 = 0 THEN 'EMAIL' ELSE 'PUSH' END, 'user' || n % 50,
                 gen_random_uuid(), gen_random_uuid(), '', '{}', n, CASE WHEN waits THEN 'PENDING' ELSE 'SENT' END, 1,
                 CASE WHEN waits THEN n END, FALSE, n, CASE WHEN NOT waits THEN n END
             FROM generate_series(1, 5000) AS n, LATERAL (SELECT n % 100 < 2 AS waits) AS waiting;
             INSERT INTO notification.preferences (user_id, version, time_zone, all_day_time, channels, push_tokens, locale,
                 unsubscribed, unsubscribe_token, next_digest_time, update_time)
             SELECT 'user' || n, 1, '', '', '[]', '[]', '', '[]', int4send(n::integer), CASE WHEN n % 10 = 0 THEN n END, n
             FROM generate_series(1, 5000) AS n;
             ANALYZE",
        )
        .await
        .unwrap();
    data
}

/// Holds the plan to its index, and to what the index is asked for.
pub(crate) async fn check(data: &Data, index: &str, condition: &str) {
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
    store.tasks_open(&[id(7)]).await.unwrap();
    let plan = self::plan(&data).await.join("\n");
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

#[tokio::test]
async fn a_page_of_dead_letters_is_a_range_of_an_index() {
    let data = filled().await;
    let store = data.stores.of(Schema::DeadLetters);
    let after: dead_letters::Cursor =
        serde_json::from_value(serde_json::json!({ "first_failure_time": 3, "letter_id": id(7).as_uuid() }))
            .unwrap();
    let text = Some("text".to_owned());
    let states = |states: &[LetterState]| Letters { states: states.to_vec(), ..Letters::default() };
    for (filter, index, column) in [
        (Letters::default(), "dead_letters_by_time", None),
        (states(&[LetterState::Open]), "dead_letters_by_state", Some("state")),
        (states(&[LetterState::Open, LetterState::Replayed]), "dead_letters_by_time", None),
        (Letters { topic: text.clone(), ..Letters::default() }, "dead_letters_by_topic", Some("topic")),
        (Letters { handler: text.clone(), ..Letters::default() }, "dead_letters_by_handler", Some("handler")),
        (Letters { key: text.clone(), ..Letters::default() }, "dead_letters_by_key", Some("partition_key")),
        (Letters { event_type: text.clone(), ..Letters::default() }, "dead_letters_by_time", None),
    ] {
        let listing = dead_letters::Listing { filter: filter.clone(), after: None, limit: 50 };
        store.letter_list(&listing).await.unwrap();
        let using = format!("using {index} on dead_letters");
        let first = plan(&data).await;
        assert!(!first.iter().any(|step| step.contains("Sort")), "{first:?}");
        assert!(first.iter().any(|step| step.contains(&using)), "{index}: {first:?}");
        // The cursor comes first in the text, and so do its values; a state is part of the text.
        let (first_value, next_value) = match column {
            Some("state") => ("'OPEN'::text", "'OPEN'::text"),
            _ => ("$1", "$3"),
        };
        let place = "(ROW(first_failure_time, letter_id) > ROW($1, $2))";
        let (condition, place) = match column {
            None => (None, format!("Index Cond: {place}")),
            Some(column) => (
                Some(format!("Index Cond: ({column} = {first_value})")),
                format!("Index Cond: (({column} = {next_value}) AND {place})"),
            ),
        };
        if let Some(condition) = condition {
            assert!(first.contains(&condition), "{condition}: {first:?}");
        }
        let listing = dead_letters::Listing { after: Some(after.clone()), ..listing };
        store.letter_list(&listing).await.unwrap();
        check(&data, index, &place).await;
        let locked: Result<_, Error> = store
            .transaction(|tx| {
                let filter = filter.clone();
                Box::pin(async move { tx.letters_lock(&filter, 50).await })
            })
            .await;
        locked.unwrap();
        let locked = plan(&data).await;
        assert!(locked.iter().any(|step| step.ends_with("LockRows")), "{locked:?}");
        assert!(locked.iter().any(|step| step.contains(&using)), "{index}: {locked:?}");
    }
    store.letter_get(DeadLetterId::from_uuid(Uuid::nil())).await.unwrap();
    let plan = plan(&data).await.join("\n");
    assert!(plan.contains("using dead_letters_pkey on dead_letters"), "{plan}");
}

#[tokio::test]
async fn what_was_published_and_the_versions_are_ranges_of_indexes() {
    let data = filled().await;
    let (tasks, audit) = (data.tasks(), data.stores.of(Schema::Audit));
    tasks.published_of("t", id(7), None, 50).await.unwrap();
    check(&data, "published_events_by_key", "Index Cond: (partition_key = $1)").await;
    tasks.published_of("t", id(7), Some((at(1), EventId::from_uuid(Uuid::nil()))), 50).await.unwrap();
    let next = "Index Cond: ((partition_key = $1) AND (ROW(create_time, event_id) > ROW($2, $3)))";
    check(&data, "published_events_by_key", next).await;
    tasks.outbox_of("t", "key", 1, 50).await.unwrap();
    let next = "Index Cond: ((partition_key = $1) AND (topic = $2) AND (\"position\" > $3))";
    check(&data, "outbox_by_key", next).await;
    tasks.task_heads_after(Some(id(7)), 50).await.unwrap();
    check(&data, "tasks_pkey", "Index Cond: (task_id > $1)").await;
    audit.audit_versions(Some(id(7)), 50).await.unwrap();
    let plan = plan(&data).await;
    for step in [
        "using audit_entries_by_task on audit_entries",
        "using audit_entries_by_task on audit_entries entries",
    ] {
        assert!(plan.iter().any(|line| line.ends_with(step)), "{step}: {plan:?}");
    }
    assert!(
        plan.iter().any(|line| line == "Index Cond: ((task_id > $2) AND (task_version > 0))"),
        "{plan:?}"
    );
    let entries = "Index Cond: ((task_id = audit_entries.task_id) AND (task_version > 0))";
    assert!(plan.iter().any(|line| line == entries), "{plan:?}");
}

#[tokio::test]
async fn what_is_asked_of_pages_of_tasks_is_looked_up_in_indexes() {
    let data = filled().await;
    let (tasks, reminders) = (data.tasks(), data.stores.of(Schema::Reminders));
    let ids = [id(7), id(8)];
    tasks.task_standings_after(Some(id(7)), 50).await.unwrap();
    check(&data, "tasks_pkey", "Index Cond: (task_id > $1)").await;
    tasks.tasks_named(&ids).await.unwrap();
    check(&data, "tasks_pkey", "Index Cond: (task_id = ANY ($2))").await;
    reminders.reminders_heard(&ids).await.unwrap();
    check(&data, "reminder_tasks_pkey", "Index Cond: (task_id = ANY ($1))").await;
    tasks.published_at("t", &[(id(7), at(1)), (id(8), at(1))]).await.unwrap();
    let kept = "Index Cond: ((partition_key = wanted.partition_key) AND (create_time = wanted.create_time))";
    check(&data, "published_events_by_key", kept).await;
    tasks.outbox_waiting("t", &ids, "reminders").await.unwrap();
    let plan = plan(&data).await;
    let waiting = "Index Cond: ((partition_key = ANY ($1)) AND (topic = $2))";
    assert!(plan.iter().any(|step| step.contains("outbox_by_key on outbox")), "{plan:?}");
    assert!(plan.iter().any(|step| step == waiting), "{plan:?}");
}

#[tokio::test]
async fn a_page_of_the_ledger_is_a_range_of_an_index() {
    let data = filled().await;
    let (store, alice) = (data.stores.of(Schema::Notification), user("alice"));
    let after: notification::Cursor =
        serde_json::from_value(serde_json::json!({ "create_time": 3, "delivery_id": id(7).as_uuid() }))
            .unwrap();
    let row = "(ROW(create_time, delivery_id) < ROW";
    for (task_id, index, first, next) in [
        (None, "deliveries_by_user", "(user_id = $1)", format!("((user_id = $1) AND {row}($2, $3)))")),
        (Some(id(7)), "deliveries_by_task", "(task_id = $2)", format!("((task_id = $2) AND {row}($3, $4)))")),
    ] {
        let listing = notification::Listing { task_id, limit: 50, ..Default::default() };
        store.deliveries_list(&alice, &listing).await.unwrap();
        check(&data, index, &format!("Index Cond: {first}")).await;
        let listing = notification::Listing { after: Some(after.clone()), ..listing };
        store.deliveries_list(&alice, &listing).await.unwrap();
        check(&data, index, &format!("Index Cond: {next}")).await;
    }
}

/// Holds the plan to each of these steps, and to reading nothing as a whole.
async fn contains(data: &Data, steps: &[&str]) {
    let plan = plan(data).await;
    for step in steps {
        assert!(plan.iter().any(|line| line.contains(step)), "{step}: {plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
}

#[tokio::test]
async fn what_is_to_be_sent_and_whom_a_token_names_are_found_by_an_index() {
    let data = filled().await;
    let store = data.stores.of(Schema::Notification);
    let wanted = [(Channel::Email, 16), (Channel::Push, 16)];
    let long_ago = docket_domain::Instant::default();
    assert_eq!(store.deliveries_claim(&wanted, long_ago, at(60)).await.unwrap(), []);
    contains(
        &data,
        &[
            "Index Scan using deliveries_by_wake on deliveries",
            "Index Cond: ((channel = wanted.channel) AND (wake_time <= $3))",
            "Index Scan using deliveries_pkey on deliveries",
            "Index Cond: (delivery_id = ANY ($",
        ],
    )
    .await;
    let id = DeliveryId::from_uuid(Uuid::nil());
    let settled = Settled {
        id,
        attempts: 1,
        state: DeliveryState::Sent,
        next_attempt: None,
        postponed: false,
        reason: None,
        time: at(1),
    };
    let of_subject = "using deliveries_one_per_channel on deliveries";
    let done: Result<(), Error> = store
        .transaction(|tx| {
            let (data, settled) = (&data, settled.clone());
            Box::pin(async move {
                assert_eq!(tx.deliveries_settle(&[settled]).await?, Settlement::default());
                let ids = "Index Cond: (delivery_id = ANY ($1))";
                let subjects = "Index Cond: (subject = ANY ($";
                contains(data, &["One-Time Filter", "LockRows", ids, of_subject, subjects]).await;
                let next = NextDigest { user_id: user("alice"), expect: at(1), next: None };
                assert_eq!(tx.digests_set(&[next]).await?, []);
                let names = "Index Cond: (user_id = ANY ($1))";
                contains(data, &["One-Time Filter", "LockRows", "using preferences_pkey", names]).await;
                Ok(())
            })
        })
        .await;
    done.unwrap();
    assert_eq!(store.unsubscribe_owner(&[1; 16]).await.unwrap(), None);
    check(&data, "preferences_one_per_token", "Index Cond: (unsubscribe_token = $1)").await;
    store.digests_due(long_ago, 50).await.unwrap();
    check(&data, "preferences_by_digest", "Index Cond: (next_digest_time <= $1)").await;
    store.notification_wake().await.unwrap();
    let of_mail = "Index Cond: (channel = 'EMAIL'::text)";
    let digests = "Index Only Scan using preferences_by_digest on preferences";
    contains(&data, &["Index Only Scan using deliveries_by_wake on deliveries", of_mail, digests]).await;
}

#[tokio::test]
async fn what_is_purged_is_found_by_an_index() {
    let data = filled().await;
    let (tasks, letters) = (data.tasks(), data.stores.of(Schema::DeadLetters));
    let long_ago = docket_domain::Instant::default();
    let found = async |table: &str, index: &str, condition: &str| {
        let plan = plan(&data).await;
        for step in [&format!("using {index} on {table}"), &format!("Tid Scan on {table}")] {
            assert!(plan.iter().any(|line| line.contains(step)), "{step}: {plan:?}");
        }
        assert!(plan.iter().any(|line| line == condition), "{plan:?}");
        assert!(!plan.iter().any(|line| line.contains("Sort") || line.contains("Seq Scan")), "{plan:?}");
    };
    tasks.purge_inbox(long_ago, 5_000).await.unwrap();
    found("inbox", "inbox_by_time", "Index Cond: (create_time < $1)").await;
    tasks.purge_idempotency_keys(long_ago, 5_000).await.unwrap();
    found("idempotency_keys", "idempotency_keys_by_time", "Index Cond: (create_time < $1)").await;
    tasks.purge_published(long_ago, 5_000).await.unwrap();
    found("published_events", "published_events_by_time", "Index Cond: (publish_time < $1)").await;
    data.stores.of(Schema::Notification).purge_deliveries(long_ago, 5_000).await.unwrap();
    found("deliveries", "deliveries_ended", "Index Cond: (finish_time < $1)").await;
    letters.purge_dead_letters(long_ago, 5_000).await.unwrap();
    found("dead_letters", "dead_letters_ended", "Index Cond: (update_time < $1)").await;
}
