//! What is told of events: their spans, the trace that handlers go on with, and figures.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use docket_sidecar::{Delivery, HandlerError, TopicHandler, Trace};
use docket_telemetry::testing::{Recorder, SpanData, SpanKind, Status};
use docket_telemetry::{Handle, Identity, current};

use crate::harness::{AGAIN, Act, App, DONE, Scripted, TOPIC, config, event, traced};

const CLIENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-10f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-6bf92f3577b34da6a3ce929d0e0e4736-20f067aa0ba902b7-00";

/// Takes batches, and keeps what it was given and in which span.
struct Whole {
    name: &'static str,
    given: Mutex<Vec<Option<Trace>>>,
    within: Mutex<Option<String>>,
    fails: bool,
}

impl Whole {
    fn new(name: &'static str, fails: bool) -> Arc<Self> {
        Arc::new(Self { name, given: Mutex::default(), within: Mutex::default(), fails })
    }

    /// The parents of the traces that it was given.
    fn given(&self) -> Vec<Option<String>> {
        self.given
            .lock()
            .unwrap()
            .iter()
            .map(|trace| trace.as_ref().map(|trace| trace.parent.clone()))
            .collect()
    }
}

#[async_trait]
impl TopicHandler for Whole {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        Ok(())
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        self.given.lock().unwrap().extend(deliveries.iter().map(|delivery| delivery.trace.clone()));
        *self.within.lock().unwrap() = current().traceparent;
        if self.fails { Err(HandlerError::retry("the database is away")) } else { Ok(()) }
    }
}

/// An attribute as text; empty when there is none.
fn attribute(span: &SpanData, name: &str) -> String {
    let found = span.attributes.iter().find(|one| one.key.as_str() == name);
    found.map(|one| one.value.to_string()).unwrap_or_default()
}

/// What others see of a span.
fn own(span: &SpanData) -> String {
    let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
    format!("00-{trace}-{id}-01")
}

/// What a span goes on with; `root` where it begins a trace.
fn parent(span: &SpanData) -> String {
    match span.parent_span_id.to_string().as_str() {
        "0000000000000000" => "root".to_owned(),
        id => format!("00-{}-{id}-01", span.span_context.trace_id()),
    }
}

#[tokio::test]
async fn an_event_is_a_span_for_each_handler_and_that_is_what_the_handler_goes_on_with() {
    let (recorder, _guard) = Recorder::start();
    let handlers = [Scripted::new("audit", []), Scripted::new("recurrence", [])];
    let app = App::start(config(), &handlers).await;
    assert_eq!(app.deliver(traced("a", 1, Some(CLIENT))).await, DONE);
    let spans = recorder.spans();
    assert_eq!(spans.len(), 2, "{spans:?}");
    for handler in &handlers {
        let is_its = |span: &&SpanData| attribute(span, "docket.handler") == handler.name();
        let span = spans.iter().find(is_its).unwrap();
        assert_eq!((span.name.as_ref(), &span.span_kind), ("process task-events", &SpanKind::Consumer));
        assert_eq!((parent(span), &span.status), (CLIENT.to_owned(), &Status::Unset));
        let seen = handler.seen.lock().unwrap()[0].trace.clone();
        assert_eq!(seen, Some(Trace { parent: own(span), state: None }));
        let said = [
            "messaging.system",
            "messaging.operation.type",
            "messaging.operation.name",
            "messaging.destination.name",
            "messaging.message.id",
            "docket.event.type",
        ]
        .map(|name| attribute(span, name));
        let id = "00000000-0000-0000-0000-000000000002";
        assert_eq!(said, ["dapr", "process", "process", TOPIC, id, "com.todo.task.created"]);
    }
}

#[tokio::test]
async fn what_nobody_records_has_no_span_and_goes_on_as_it_came() {
    let recorder = Recorder::start();
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    assert_eq!(app.deliver(traced("a", 1, Some(UNSAMPLED))).await, DONE);
    assert_eq!(recorder.0.spans().len(), 0);
    drop(recorder);
    assert_eq!(app.deliver(traced("a", 2, Some(CLIENT))).await, DONE);
    let seen: Vec<_> =
        handler.seen.lock().unwrap().iter().map(|one| one.trace.clone().unwrap().parent).collect();
    assert_eq!(seen, [UNSAMPLED, CLIENT]);
}

#[tokio::test]
async fn a_span_says_how_its_handler_failed_and_a_dead_letter_belongs_to_it() {
    let (recorder, _guard) = Recorder::start();
    let config = docket_sidecar::Config { handler_timeout_ms: 50, ..config() };
    let handler = Scripted::new("audit", [Act::Fail, Act::Panic, Act::Hang, Act::Despair]);
    let app = App::start(config, &[handler]).await;
    for verdict in [AGAIN, AGAIN, AGAIN, DONE] {
        assert_eq!(app.deliver(traced("a", 1, Some(CLIENT))).await, verdict);
    }
    let spans = recorder.spans();
    let failed: Vec<_> = spans.iter().map(|span| attribute(span, "error.type")).collect();
    assert_eq!(failed, ["handler_error", "panic", "timeout", "dead_letter"]);
    assert!(spans.iter().all(|span| matches!(span.status, Status::Error { .. })));
    let letter = app.grave.letters.lock().unwrap()[0].trace.clone().unwrap();
    assert_eq!(letter.parent, own(&spans[3]));
}

#[tokio::test]
async fn what_can_not_be_read_begins_a_trace_with_whoever_keeps_it() {
    let (recorder, _guard) = Recorder::start();
    let app = App::start(config(), &[Scripted::new("audit", []), Scripted::new("recurrence", [])]).await;
    assert_eq!(app.deliver(b"garbage".to_vec()).await, DONE);
    let spans = recorder.spans();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((parent(span), attribute(span, "docket.handler")), ("root".to_owned(), "audit".to_owned()));
    let letter = app.grave.letters.lock().unwrap()[0].trace.clone().unwrap();
    assert_eq!(letter.parent, own(span));
}

#[tokio::test]
async fn a_batch_is_a_span_with_links_and_its_events_go_on_with_their_own_traces() {
    let (recorder, _guard) = Recorder::start();
    let handlers = [Whole::new("audit", false), Whole::new("recurrence", false)];
    let app = App::with(config(), handlers.clone().map(|one| one as Arc<dyn TopicHandler>), |it| it).await;
    let events = [
        traced("a", 1, Some(CLIENT)),
        traced("b", 2, Some(UNSAMPLED)),
        event("c", 3),
        traced("d", 4, Some(OTHER)),
    ];
    assert_eq!(app.deliver_all(events).await, [DONE; 4]);
    let spans = recorder.spans();
    let (receive, process): (Vec<_>, Vec<_>) =
        spans.iter().partition(|span| span.name == "receive task-events");
    let [receive] = receive[..] else { panic!("{spans:?}") };
    assert_eq!((parent(receive), &receive.span_kind), ("root".to_owned(), &SpanKind::Consumer));
    assert_eq!(attribute(receive, "messaging.batch.message_count"), "4");
    assert_eq!(attribute(receive, "messaging.operation.type"), "receive");
    let links: Vec<_> = receive.links.iter().map(|link| link.span_context.span_id().to_string()).collect();
    assert_eq!(links, ["00f067aa0ba902b7", "10f067aa0ba902b7"], "to those that are recorded");
    assert_eq!(process.len(), 4, "{spans:?}");
    for handler in handlers {
        let of = |event: &str| {
            let is_it = |span: &&&SpanData| {
                parent(span) == event && attribute(span, "docket.handler") == handler.name
            };
            process.iter().find(is_it).map(|span| own(span))
        };
        let (first, last) = (of(CLIENT), of(OTHER));
        assert!(first.is_some() && last.is_some(), "{spans:?}");
        assert_eq!(handler.given(), [first, Some(UNSAMPLED.to_owned()), None, last]);
        assert_eq!(
            *handler.within.lock().unwrap(),
            Some(own(receive)),
            "what is done for all belongs to the batch"
        );
    }
}

#[tokio::test]
async fn a_batch_of_which_nobody_records_anything_has_no_span() {
    let recorder = Recorder::start();
    let handler = Whole::new("audit", false);
    let app = App::with(config(), [handler.clone() as Arc<dyn TopicHandler>], |it| it).await;
    assert_eq!(app.deliver_all([traced("a", 1, Some(UNSAMPLED)), event("b", 2)]).await, [DONE; 2]);
    assert_eq!(recorder.0.spans().len(), 0);
    drop(recorder);
    assert_eq!(app.deliver_all([traced("a", 1, Some(CLIENT)), traced("b", 2, Some(OTHER))]).await, [DONE; 2]);
    let parents = [Some(UNSAMPLED), None, Some(CLIENT), Some(OTHER)].map(|parent| parent.map(str::to_owned));
    assert_eq!(handler.given(), parents, "as they came");
}

#[tokio::test]
async fn the_spans_of_a_batch_that_failed_say_so_and_each_event_gets_another_one() {
    let (recorder, _guard) = Recorder::start();
    let app = App::with(config(), [Whole::new("audit", true) as Arc<dyn TopicHandler>], |it| it).await;
    assert_eq!(app.deliver_all([traced("a", 1, Some(CLIENT)), traced("b", 2, Some(OTHER))]).await, [DONE; 2]);
    let spans = recorder.spans();
    let mut told: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "process task-events")
        .map(|span| (parent(span), attribute(span, "error.type")))
        .collect();
    told.sort();
    let expect = [(CLIENT, ""), (CLIENT, "handler_error"), (OTHER, ""), (OTHER, "handler_error")]
        .map(|(parent, error)| (parent.to_owned(), error.to_owned()));
    assert_eq!(told, expect);
}

#[tokio::test]
async fn events_are_counted_by_handler_and_end() {
    let identity =
        Identity { service: "docket".to_owned(), version: "1.2.3", instance: uuid::Uuid::from_u128(1) };
    let meters = Handle::detached(&identity).unwrap().meters;
    let meter = meters.meter("docket-sidecar");
    let alone = Scripted::new("audit", [Act::Succeed, Act::Fail, Act::Despair]);
    let handlers = [alone as Arc<dyn TopicHandler>, Whole::new("recurrence", false)];
    let app = App::with(config(), handlers, |router| router.with_meter(&meter)).await;
    for verdict in [DONE, AGAIN, DONE] {
        assert_eq!(app.deliver(event("a", 1)).await, verdict);
    }
    assert_eq!(app.deliver_all([event("a", 1), event("b", 2)]).await, [DONE; 2]);

    let text = meters.render().unwrap();
    let figure = |name: &str, handler: &str, outcome: &str| {
        let labels = [format!("docket_handler=\"{handler}\""), format!("docket_outcome=\"{outcome}\"")];
        let is_it = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
        let found: Vec<&str> = text.lines().filter(is_it).collect();
        assert!(
            found.iter().all(|line| line.contains("messaging_destination_name=\"task-events\"")),
            "{text}"
        );
        found.first().and_then(|line| line.rsplit(' ').next()).unwrap_or("none").to_owned()
    };
    let told = |handler, outcome| {
        ["docket_events_handled", "messaging_process_duration_seconds_count"]
            .map(|name| figure(name, handler, outcome))
    };
    assert_eq!(told("audit", "done"), ["3", "3"], "one alone, and two of a batch that it does not take");
    assert_eq!(told("audit", "again"), ["1", "1"]);
    assert_eq!(told("audit", "dead"), ["1", "1"]);
    assert_eq!(told("recurrence", "done"), ["5", "4"], "three alone, and two at once");
    assert_eq!(told("recurrence", "again"), ["none", "none"]);
}
