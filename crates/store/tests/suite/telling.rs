//! What the store tells of itself: spans of what it does for calls that are recorded, and figures.

use std::time::Duration;

use docket_domain::filter::{Filter, Order, OrderField};
use docket_store::inbox::Arrival;
use docket_store::outbox::PendingEvent;
use docket_store::published::Again;
use docket_store::relay::Part;
use docket_store::tasks::Listing;
use docket_store::{Backlog, Conflict, Error, Schema, Store};
use docket_telemetry::TraceContext;
use docket_telemetry::testing::Recorder;
use docket_testkit::{PATIENCE, wait_for};
use futures::future::join_all;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use tracing::{Instrument as _, Span, info_span};
use uuid::Uuid;

use super::events::event;
use super::letters::{discarded, failure, keep, letter_id};
use super::series::{entry, record};
use super::together::new;
use super::{Data, POSTGRES, at, content, event_id, put, task, user};

/// A call.
fn call() -> Span {
    info_span!(target: "docket_tests", "call")
}

fn says(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

fn trace_of(call: &Span) -> String {
    docket_telemetry::context_of(call).trace_id().expect("somebody records").to_owned()
}

/// What has ended of what was done for a call, by name.
fn ended(call: &Span) -> Vec<SpanData> {
    let (trace, mut spans) = (trace_of(call), Recorder::of_process().spans());
    spans.retain(|span| span.name != "call" && span.span_context.trace_id().to_string() == trace);
    spans.sort_by(|left, right| left.name.cmp(&right.name));
    spans
}

/// The same of so many spans. SQLite's own thread holds some of them for a moment.
async fn told(call: &Span, count: usize) -> Vec<SpanData> {
    wait_for("spans", PATIENCE, async || {
        let spans = ended(call);
        if spans.len() == count { Ok(spans) } else { Err(format!("{spans:?}")) }
    })
    .await
}

/// All that calls do without a transaction of their own.
async fn work(store: &Store) {
    // Those that come together are made together.
    for created in join_all((1..=3).map(|number| store.task_create(new(number, "alice", None)))).await {
        created.unwrap();
    }
    assert!(store.task_get(&user("alice"), super::id(1)).await.unwrap().is_some());
    let filter = Filter(Vec::new());
    let order = Order { field: OrderField::CreateTime, descending: false };
    let listing = Listing { filter: &filter, order, show_deleted: false, after: None, limit: 10 };
    assert_eq!(store.task_list(&user("alice"), &listing).await.unwrap().0.len(), 3);
    put(store, &task(7, "bob", content("Seven"))).await.unwrap();
}

pub(crate) async fn what_is_done_for_a_recorded_call_is_told_in_spans(data: &Data) {
    let store = data.tasks();
    Recorder::of_process();
    let call = call();
    work(&store).instrument(call.clone()).await;
    // A relay looks for itself.
    assert!(store.outbox_heads(&["t".to_owned()], 0, 1).await.unwrap().is_empty());
    let spans = told(&call, 6).await;
    let parent = docket_telemetry::context_of(&call).traceparent.unwrap();
    let (system, namespace) =
        if data.kind == POSTGRES { ("postgresql", "tasks") } else { ("sqlite", "main") };
    for span in &spans {
        assert!(parent.contains(&span.parent_span_id.to_string()), "{parent} {span:?}");
        assert_eq!((&span.span_kind, &span.status), (&SpanKind::Client, &Status::Unset));
        assert_eq!(says(span, "db.system.name").as_deref(), Some(system));
        assert_eq!(says(span, "db.namespace").as_deref(), Some(namespace));
        assert_eq!(says(span, "db.query.summary").as_deref(), Some(span.name.as_ref()));
    }
    let names: Vec<_> =
        spans.iter().map(|span| (span.name.as_ref(), says(span, "db.operation.batch.size"))).collect();
    let three = || ("create tasks", Some("3".to_owned()));
    let one = |name| (name, None);
    assert_eq!(names, [three(), three(), three(), one("get tasks"), one("list tasks"), one("transaction")]);

    let unrecorded = self::call();
    docket_telemetry::continue_trace(&unrecorded, &TraceContext::unrecorded());
    put(&store, &task(8, "bob", content("Eight"))).instrument(unrecorded.clone()).await.unwrap();
    assert_eq!(ended(&unrecorded).len(), 0, "nobody wants to see it");
}

/// Why a transaction does not come to its end.
#[derive(Debug)]
enum Ends {
    /// What it was for can not be.
    Refused,
    Store(Error),
}

impl From<Error> for Ends {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Conflict for Ends {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }

    fn store(&self) -> Option<&Error> {
        match self {
            Self::Store(error) => Some(error),
            Self::Refused => None,
        }
    }
}

pub(crate) async fn a_transaction_that_does_not_come_to_its_end_says_why(data: &Data) {
    Recorder::of_process();
    let store = &data.tasks();
    let ends = async |outcome: fn() -> Result<(), Ends>, twice: bool, attempts: usize| {
        let call = call();
        let one = &task(100, "alice", content("One"));
        let done: Result<(), Ends> = store
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.task_insert(one).await?;
                    if twice {
                        tx.task_insert(one).await?;
                    }
                    outcome()
                })
            })
            .instrument(call.clone())
            .await;
        assert!(done.is_err());
        let spans = told(&call, attempts).await;
        for span in &spans {
            assert_eq!(
                (span.name.as_ref(), says(span, "docket.rolled_back").as_deref()),
                ("transaction", Some("true"))
            );
        }
        spans[0].status.clone()
    };
    assert_eq!(ends(|| Err(Ends::Refused), false, 1).await, Status::Unset, "that is no failure");
    assert_eq!(ends(|| Err(Error::Interrupted.into()), false, 1).await, Status::error("unavailable"));
    assert_eq!(ends(|| Err(Error::Overtaken.into()), false, 5).await, Status::error("conflict"));
    assert_eq!(ends(|| Ok(()), true, 1).await, Status::error("refused"));
}

fn duplicates(data: &Data) -> Vec<String> {
    let text = data.meters.render().unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("docket_inbox_duplicates_total"))
        .map(|line| line.replace(",otel_scope_name=\"docket-store\"", ""))
        .collect();
    lines.sort();
    lines
}

pub(crate) async fn what_came_again_is_counted_once_it_is_committed(data: &Data) {
    let store = &data.stores.of(Schema::Recurrence);
    let begin = async |events: &[u128], outcome: fn() -> Result<(), Error>| {
        let arrivals: Vec<Arrival> =
            events.iter().map(|event| Arrival { event: event_id(*event), replay: None }).collect();
        let arrivals = &arrivals;
        let done: Result<(), Error> = store
            .transaction(move |tx| {
                Box::pin(async move {
                    tx.inbox_begin_all("recurrence", arrivals, at(1)).await?;
                    outcome()
                })
            })
            .await;
        done
    };
    begin(&[1, 2], || Ok(())).await.unwrap();
    assert_eq!(duplicates(data), [""; 0]);
    begin(&[1, 2, 3, 3], || Err(Error::Interrupted)).await.unwrap_err();
    assert_eq!(duplicates(data), [""; 0], "it did not happen");
    begin(&[1, 2, 3, 3], || Ok(())).await.unwrap();
    let recurrence = "docket_inbox_duplicates_total{docket_handler=\"recurrence\"} 3";
    assert_eq!(duplicates(data), [recurrence]);

    let audit = data.stores.of(Schema::Audit);
    assert_eq!(record(&audit, [entry(11, 7, 1), entry(12, 7, 2)], false).await, 2);
    assert_eq!(record(&audit, [entry(12, 7, 2), entry(13, 7, 3)], false).await, 1);
    assert_eq!(duplicates(data), ["docket_inbox_duplicates_total{docket_handler=\"audit\"} 1", recurrence]);
}

async fn waits(store: &Store, part: &Part) -> Backlog {
    store.outbox_backlog_of(part, 2).await.unwrap()
}

pub(crate) async fn what_waits_is_told_with_its_age(data: &Data) {
    let store = &data.tasks();
    let mut part = store.relay_join(Uuid::from_u128(1), Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.outbox_backlog(2).await.unwrap(), Backlog::default());
    let appended: Result<(), Error> = store
        .transaction(|tx| {
            Box::pin(async move {
                let events = [event(1, "t", "a"), event(2, "t", "b"), event(3, "t", "c"), event(4, "t", "d")];
                tx.outbox_append(events.into()).await
            })
        })
        .await;
    appended.unwrap();
    let topics = ["t".to_owned()];
    let heads = store.outbox_heads(&topics, 0, 10).await.unwrap();
    let oldest = |head: &PendingEvent| (Some(head.time), Some(head.position));
    let all = store.outbox_backlog(2).await.unwrap();
    assert_eq!((all.events, (all.oldest, all.position)), (3, oldest(&heads[0])), "there are more");
    assert_eq!(store.outbox_backlog(9).await.unwrap().events, 4);

    if data.kind == POSTGRES {
        assert_eq!(waits(store, &part).await, Backlog::default(), "it has nothing yet");
    }
    store.relay_claim(&mut part, 64).await.unwrap();
    assert_eq!(waits(store, &part).await, all, "it has everything");
    let gone = [heads[0].id];
    assert!(store.outbox_remove(&part, &gone).await.unwrap());
    let rest = waits(store, &part).await;
    assert_eq!((rest.events, (rest.oldest, rest.position)), (3, oldest(&heads[1])));
    if data.kind == POSTGRES {
        let given = [heads[1].shard];
        store.relay_release(&mut part, &given).await.unwrap();
        let rest = waits(store, &part).await;
        assert_eq!((rest.oldest, rest.position), oldest(&heads[2]), "that is another's");
    }

    // Of what is published once more nobody knows since when it waits.
    store.relay_claim(&mut part, 64).await.unwrap();
    let ids: Vec<_> = heads.iter().map(|head| head.id).collect();
    assert!(store.outbox_remove(&part, &ids).await.unwrap());
    let again = &[Again { event: event_id(1), replay: event_id(9) }];
    let published: Result<u64, Error> =
        store.transaction(|tx| Box::pin(tx.published_again(again, "audit"))).await;
    assert_eq!(published.unwrap(), 1);
    assert_eq!(waits(store, &part).await, Backlog { events: 1, oldest: None, position: None });
}

pub(crate) async fn open_letters_are_counted_and_the_oldest_is_known(data: &Data) {
    let store = &data.stores.of(Schema::DeadLetters);
    let depth = async || {
        let depth = store.letters_depth().await.unwrap();
        (depth.letters, depth.oldest)
    };
    assert_eq!(depth().await, (0, None));
    keep(store, vec![failure(3), failure(1), failure(2)]).await;
    assert_eq!(depth().await, (3, Some(at(1))));
    let acted: Result<(), Error> = store
        .transaction(|tx| Box::pin(async move { tx.letters_act(&[(letter_id(1), discarded(1))]).await }))
        .await;
    acted.unwrap();
    assert_eq!(depth().await, (2, Some(at(2))));
}
