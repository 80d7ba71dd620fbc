//! The trace of an event goes on in its publication, and in what is published.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use docket_outbox::{Config, Confirm};
use docket_store::outbox::{NewEvent, NewReplay, Trace};
use docket_store::published::Again;
use docket_store::{Error, Tx};
use docket_telemetry::testing::Recorder;
use docket_testkit::{PATIENCE, wait_for};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use tonic::Code;

use crate::broker::{Answer, Broker, Taken};
use crate::{TOPIC, World, append, config, event, id, time};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn traced(key: &str, number: u128, parent: &str) -> NewEvent {
    let trace = Some(Trace { parent: parent.to_owned(), state: Some("a=b".to_owned()) });
    NewEvent { trace, ..event(key, number) }
}

/// What a span says, as text.
fn says(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

/// What a message says that it belongs to.
fn trace_of(taken: &Taken) -> (Option<String>, Option<String>) {
    let event: serde_json::Value = serde_json::from_slice(&taken.bytes).unwrap();
    let text = |name: &str| event[name].as_str().map(str::to_owned);
    (text("traceparent"), text("tracestate"))
}

/// What a message of a span says.
fn context(span: &SpanData) -> (Option<String>, Option<String>) {
    let span = &span.span_context;
    (Some(format!("00-{}-{}-01", span.trace_id(), span.span_id())), Some("a=b".to_owned()))
}

fn failures(spans: &[SpanData]) -> Vec<Status> {
    spans.iter().map(|span| span.status.clone()).collect()
}

#[tokio::test]
async fn an_event_whose_trace_is_recorded_is_published_with_a_span_of_its_own() {
    let (recorder, _guard) = Recorder::start();
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let mut world = World::start(config(), client, async |store| {
        append(store, vec![traced("a", 1, SAMPLED), traced("b", 2, UNSAMPLED), event("c", 3)]).await;
    })
    .await;
    world.empty().await;
    let spans = recorder.spans();
    let [span] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!((span.name.as_ref(), &span.span_kind), ("publish task-events", &SpanKind::Producer));
    assert_eq!(span.span_context.trace_id().to_string(), TRACE);
    assert_eq!(
        (span.parent_span_id.to_string(), span.parent_span_is_remote),
        ("00f067aa0ba902b7".into(), true)
    );
    let event_id = id(1).to_string();
    for (name, value) in [
        ("messaging.system", "dapr"),
        ("messaging.operation.type", "send"),
        ("messaging.operation.name", "publish"),
        ("messaging.destination.name", TOPIC),
        ("messaging.message.id", event_id.as_str()),
        ("messaging.batch.message_count", "3"),
        ("docket.event.type", "com.todo.task.created"),
        ("docket.outbox", "all"),
    ] {
        assert_eq!(says(span, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!((says(span, "docket.replay"), span.status.clone()), (None, Status::Unset));

    let taken = broker.taken();
    let [own, unsampled, none] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!(trace_of(own), context(span));
    assert_eq!(trace_of(unsampled), (Some(UNSAMPLED.to_owned()), Some("a=b".to_owned())), "as it was");
    assert_eq!(trace_of(none), (None, None));

    world.passes(3).await;
    assert_eq!(recorder.spans().len(), 1, "who has nothing to do says nothing");
}

#[tokio::test]
async fn without_anybody_who_records_an_event_says_what_it_was_given() {
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let world = World::start(config(), client, async |store| {
        append(store, vec![traced("a", 1, SAMPLED)]).await;
    })
    .await;
    world.empty().await;
    assert_eq!(trace_of(&broker.taken()[0]), (Some(SAMPLED.to_owned()), Some("a=b".to_owned())));
}

#[tokio::test]
async fn each_attempt_has_a_span_and_the_message_says_which_one_brought_it() {
    let (recorder, _guard) = Recorder::start();
    let (broker, client) = Broker::start(5_000, |call| match call.bulk {
        true => Answer::No(Code::InvalidArgument),
        false => Answer::Yes,
    })
    .await;
    let world = World::start(config(), client, async |store| {
        append(store, vec![traced("a", 1, SAMPLED), event("b", 2), traced("c", 3, SAMPLED)]).await;
    })
    .await;
    world.empty().await;
    let spans = recorder.spans();
    let refused = Status::error("rejected");
    assert_eq!(failures(&spans), [refused.clone(), refused, Status::Unset, Status::Unset], "{spans:?}");
    let batches: Vec<_> = spans.iter().map(|span| says(span, "messaging.batch.message_count")).collect();
    assert_eq!(batches, [Some("3".to_owned()), Some("3".to_owned()), None, None]);
    assert_eq!(says(&spans[0], "error.type").as_deref(), Some("rejected"));
    let told: BTreeSet<_> = broker.taken().iter().map(trace_of).collect();
    assert_eq!(told, BTreeSet::from([context(&spans[2]), context(&spans[3]), (None, None)]));
}

#[tokio::test]
async fn what_is_not_taken_or_not_answered_is_told_as_failed() {
    let check = async |deadline_ms: u64, answer: Answer, kind: &'static str| {
        let (recorder, _guard) = Recorder::start();
        let first = AtomicUsize::new(0);
        let (_broker, client) = Broker::start(deadline_ms, move |_| {
            if first.fetch_add(1, Ordering::SeqCst) == 0 { answer.clone() } else { Answer::Yes }
        })
        .await;
        let world = World::start(config(), client, async |store| {
            append(store, vec![traced("a", 1, SAMPLED)]).await;
        })
        .await;
        world.empty().await;
        let spans = recorder.spans();
        assert_eq!(failures(&spans), [Status::error(kind), Status::Unset], "{spans:?}");
        assert_ne!(spans[0].span_context.span_id(), spans[1].span_context.span_id());
    };
    check(5_000, Answer::Not(BTreeSet::from(["a".to_owned()])), "not_taken").await;
    check(5_000, Answer::No(Code::InvalidArgument), "rejected").await;
    check(5_000, Answer::No(Code::Unavailable), "unavailable").await;
    check(2_000, Answer::Silence, "timeout").await;
}

#[tokio::test]
async fn what_no_receipt_came_for_is_published_with_another_span() {
    let (recorder, _guard) = Recorder::start();
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let config = Config { confirm: Confirm::Receipts, receipt_timeout_ms: 100, ..config() };
    let _world = World::start(config, client, async |store| {
        append(store, vec![traced("a", 1, SAMPLED)]).await;
    })
    .await;
    wait_for("two attempts", PATIENCE, async || match recorder.spans().len() {
        0 | 1 => Err("not yet".to_owned()),
        _ => Ok(()),
    })
    .await;
    let (spans, taken) = (recorder.spans(), broker.taken());
    for (span, taken) in spans.iter().zip(&taken).take(2) {
        assert_eq!(trace_of(taken), context(span));
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    }
    assert_ne!(taken[0].bytes, taken[1].bytes);
}

#[tokio::test]
async fn a_replay_has_a_span_and_what_is_replayed_byte_for_byte_stays_so() {
    let (recorder, _guard) = Recorder::start();
    let (broker, client) = Broker::start(5_000, |_| Answer::Yes).await;
    let raw = &NewReplay {
        id: id(7),
        topic: TOPIC.to_owned(),
        key: "a".to_owned(),
        handler: None,
        message: b"{ \"id\" : 1 }".to_vec(),
        trace: Some(Trace { parent: SAMPLED.to_owned(), state: None }),
        time: time(),
    };
    let world = World::start(config(), client, async |store| {
        append(store, vec![traced("a", 1, SAMPLED)]).await;
    })
    .await;
    world.empty().await;
    let again = &[Again { event: id(1), replay: id(9) }];
    let both: Result<u64, Error> = world
        .store
        .transaction(|tx: &Tx<'_>| {
            Box::pin(async move {
                tx.outbox_replay(vec![raw.clone()]).await?;
                tx.published_again(again, "audit").await
            })
        })
        .await;
    assert_eq!(both.unwrap(), 1);
    world.store.outbox_appended();
    world.empty().await;

    let (spans, taken) = (recorder.spans(), broker.taken());
    let told = |span: &SpanData| [says(span, "messaging.message.id"), says(span, "docket.replay")];
    let [first, replay, again] = spans.as_slice() else { panic!("{spans:?}") };
    assert_eq!(told(first), [Some(id(1).to_string()), None]);
    assert_eq!(told(replay), [Some(id(7).to_string()), Some(id(7).to_string())]);
    assert_eq!(says(replay, "docket.event.type"), None, "nobody has read it");
    assert_eq!(told(again), [Some(id(1).to_string()), Some(id(9).to_string())]);
    assert_eq!(taken[1].bytes, raw.message);
    assert_eq!((trace_of(&taken[0]), trace_of(&taken[2])), (context(first), context(again)));
}
