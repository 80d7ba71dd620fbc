//! What a message says of itself that is not true, or that the database does not take: it costs nobody else anything.

use std::path::Path;

use docket_testkit::{Connection, Kafka, Stack, Storage};
use serde_json::{Value, json};

use super::{DOCKET, Mode, completed, event, expect_to_flow, letters, neighbours, record, stack};

async fn an_event_has_its_effect_whatever_replays_are_called(mode: Mode) {
    let kafka = Kafka::shared().await;
    let stack = stack(kafka, mode).await.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;
    let produce = async |event: &Value, replay: Option<&str>| {
        let headers = replay.map(|replay| ("docket-replay", replay.as_bytes()));
        kafka.produce(stack.topic(), partition, record(event.to_string(), headers.as_slice())).await
    };
    let id = |event: &Value| event["id"].as_str().unwrap().to_owned();
    let (own, forged, real, broken, behind) =
        (event(|_| {}), event(|_| {}), event(|_| {}), completed(99), event(|_| {}));

    // Called like the event that it brings; like one that is still to come; and like one, in a message that is given up.
    produce(&own, Some(&id(&own))).await;
    produce(&own, Some(&id(&own))).await;
    produce(&forged, Some(&id(&real))).await;
    produce(&real, None).await;
    produce(&broken, Some(&id(&behind))).await;
    produce(&behind, None).await;
    expect_to_flow(&stack, &chores).await;
    stack.settled_on(kafka).await;

    let heard = stack.user("mallory").audit_log().await;
    let mut heard: Vec<String> = heard.into_iter().map(|entry| entry.event_id).collect();
    let mut expect = [&own, &forged, &real, &behind].map(id).to_vec();
    heard.sort();
    expect.sort();
    assert_eq!(heard, expect, "each once");
    assert_eq!(letters(&stack).len(), 3, "audit, recurrence and reminders gave one up");
}

async fn a_trace_that_is_none_is_left_out(mode: Mode) {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let kafka = Kafka::shared().await;
    let stack = stack(kafka, mode).await.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;
    let traces = [
        ("\0".to_owned(), "a=b".to_owned()),
        (format!("cc{}-\0", &PARENT[2..]), "a=b".to_owned()),
        ("00-a\0b-01".to_owned(), String::new()),
        ("-".repeat(100_000), "-".repeat(100_000)),
        (PARENT.to_owned(), "a=\0".to_owned()),
        (PARENT.to_owned(), "a=b\r\nx: y".to_owned()),
    ];
    for (parent, state) in &traces {
        for version in [1, 99] {
            let event = event(|event| {
                event["data"]["schema_version"] = json!(version);
                event["traceparent"] = json!(parent);
                event["tracestate"] = json!(state);
            });
            kafka.produce(stack.topic(), partition, record(event.to_string(), &[])).await;
        }
    }
    expect_to_flow(&stack, &chores).await;
    stack.settled_on(kafka).await;
    assert_eq!(stack.user("mallory").audit_log().await.len(), traces.len());
    assert_eq!(letters(&stack).len(), 2 * traces.len(), "audit and reminders gave each of the others up");
}

async fn what_the_database_refuses_is_kept_with_its_reason(mode: Mode) {
    let kafka = Kafka::shared().await;
    let storage = Storage::postgres().await;
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).kafka(kafka, Connection::Plain).await;
    let stack = if mode == Mode::OneByOne { stack.one_by_one() } else { stack };
    let stack = stack.start().await;
    let (chores, partition) = neighbours(&stack, kafka).await;
    let Storage::Postgres(database) = &storage else { panic!("it is PostgreSQL") };
    let picky = "ALTER TABLE audit.audit_entries ADD CONSTRAINT honest CHECK (user_id <> 'mallory');
        ALTER TABLE audit.outbox ADD CONSTRAINT untraced CHECK (traceparent IS NULL)";
    database.superuser_client().await.batch_execute(picky).await.unwrap();
    for trace in [json!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), Value::Null] {
        let event = event(|event| event["traceparent"] = trace);
        kafka.produce(stack.topic(), partition, record(event.to_string(), &[("x-tenant", b"7")])).await;
    }
    expect_to_flow(&stack, &chores).await;
    stack.settled_on(kafka).await;
    let mut letters = letters(&stack);
    letters.sort_by_key(|letter| letter["offset"].as_i64());
    let [reduced, whole] = letters.as_slice() else { panic!("{letters:#?}") };
    assert_eq!((&reduced["headers"], &whole["headers"]["x-tenant"]), (&json!({}), &json!("7")));
    for letter in [reduced, whole] {
        assert_eq!(letter["handler"], "audit");
        assert!(letter["reason"].as_str().unwrap().contains("honest"), "what the database said: {letter:#}");
    }
}

in_both_modes!(
    an_event_has_its_effect_whatever_replays_are_called,
    a_trace_that_is_none_is_left_out,
    what_the_database_refuses_is_kept_with_its_reason,
);
