//! What traces and figures tell of messages.

use docket_domain::EmailAddress;
use docket_proto::v1::notification_service_server::NotificationService as _;
use docket_sidecar::Trace;
use docket_store::outbox::PendingEvent;
use docket_telemetry::context_of;
use docket_telemetry::testing::{Recorder, SpanData, SpanId, SpanKind, Status};
use tracing::Instrument as _;

use super::digests::morning;
use super::probes::request;
use super::service::{call, service};
use super::*;
use crate::render::Tasks;

/// What the row of a reminder keeps: the span in which its event was handled.
const HANDLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01";
const UNSAMPLED: &str = "00-6bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

impl World {
    /// The reminder's moment comes, in a trace.
    async fn due_in(&self, notice: &ReminderNotice, parent: &str) {
        let trace = Some(Trace { parent: parent.to_owned(), state: None });
        self.parts.handler.handle(&Arrived { trace, ..arrived(notice) }).await.unwrap();
    }

    /// The only event about a reminder.
    async fn event(&self, notice: &ReminderNotice) -> PendingEvent {
        let key = notice.task_id.to_string();
        let mut events = self.store.outbox_of("task-events", &key, 0, 100).await.unwrap();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }
}

fn context(parent: &str) -> TraceContext {
    TraceContext::parse(Some(parent), None)
}

/// What goes on with a span.
fn parent_of(span: &SpanData) -> String {
    let of = &span.span_context;
    format!("00-{}-{}-{:02x}", of.trace_id(), of.span_id(), of.trace_flags().to_u8())
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|one| one.key.as_str() == key).map(|one| one.value.to_string())
}

/// Whether a span is the child of what a row keeps.
fn is_child(span: &SpanData, parent: &str) -> bool {
    let [_, trace, id, _] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
    span.span_context.trace_id().to_string() == trace && span.parent_span_id.to_string() == id
}

#[tokio::test]
async fn sending_goes_on_with_the_trace_of_the_reminder_and_so_does_what_is_told_of_it() {
    let (recorder, _guard) = Recorder::with_ratio(0.0);
    let world = World::new().await;
    let address = EmailAddress::parse("mallory@example.com").unwrap();
    let both = Preferences { email: Some(address), ..by(&[Way::Email, Way::Webhook]) };
    world.prefer(both).await;
    let due = ReminderNotice { title: "Call +49 170 1234567 <b>mallory</b>".to_owned(), ..notice(1) };
    world.due_in(&due, HANDLED).await;
    let kept = world.rows().await.into_iter().map(|row| row.trace.unwrap().context());
    assert!(kept.eq([context(HANDLED), context(HANDLED)]));
    world.turn().await;

    let mut spans = recorder.spans();
    spans.sort_by_key(|span| span.name.to_string());
    let [email, webhook] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((email.name.as_ref(), webhook.name.as_ref()), ("send email", "send webhook"));
    for span in [email, webhook] {
        assert!(is_child(span, HANDLED), "{span:?}");
        assert_eq!((&span.span_kind, &span.status), (&SpanKind::Internal, &Status::Unset));
        assert_eq!(attribute(span, "docket.outcome").as_deref(), Some("sent"));
        assert_eq!(attribute(span, "docket.task.id"), Some(due.task_id.to_string()));
        assert_eq!(attribute(span, "docket.delivery.attempt").as_deref(), Some("1"));
    }
    let given = [&world.email, &world.webhook].map(|way| way.traces.lock().unwrap().clone());
    assert_eq!(given, [email, webhook].map(|span| vec![context(&parent_of(span))]), "inside of it");
    let mut asked = world.others.traces.lock().unwrap().clone();
    asked.sort_by_key(|asked| *asked != context(&parent_of(email)));
    assert_eq!(asked, [email, webhook].map(|span| context(&parent_of(span))), "and this, too");

    let told = world.event(&due).await.trace.unwrap().parent;
    assert!([email, webhook].map(parent_of).contains(&told), "{told}");
    for personal in ["mallory", "example.com", "1234567", "alice"] {
        assert!(!format!("{spans:?}").contains(personal), "{personal}: {spans:?}");
    }
}

#[tokio::test]
async fn a_question_for_several_is_asked_in_the_trace_of_one_that_the_others_link_to() {
    let (recorder, _guard) = Recorder::start();
    let world = World::new().await;
    for (number, parent) in [(1, UNSAMPLED), (2, HANDLED), (3, OTHER)] {
        world.due_in(&notice(number), parent).await;
    }
    world.turn().await;
    assert_eq!(world.email.take().len(), 3);
    let spans = recorder.spans();
    let of = |parent| spans.iter().find(|span| is_child(span, parent)).unwrap();
    assert_eq!(spans.len(), 2, "{spans:?}");
    let asked = world.others.traces.lock().unwrap().clone();
    let [first] = &asked[..] else { panic!("one question: {asked:?}") };
    let (asking, other) = match *first == context(&parent_of(of(HANDLED))) {
        true => (of(HANDLED), of(OTHER)),
        false => (of(OTHER), of(HANDLED)),
    };
    assert_eq!(*first, context(&parent_of(asking)));
    let links: Vec<_> = other.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(links, [asking.span_context.span_id()]);
    assert_eq!(asking.links.len(), 0);
}

#[tokio::test]
async fn what_nobody_records_makes_no_spans_and_goes_on_as_the_row_keeps_it() {
    let (recorder, _guard) = Recorder::start();
    let world = World::new().await;
    let (unsampled, without) = (notice(1), notice(2));
    world.due_in(&unsampled, UNSAMPLED).await;
    world.due(&without).await;
    world.turn().await;
    world.turn().await;
    assert_eq!(recorder.spans().len(), 0);
    assert_eq!(world.event(&unsampled).await.trace.unwrap().parent, UNSAMPLED);
    assert_eq!(world.event(&without).await.trace, None);
}

#[tokio::test]
async fn each_attempt_has_a_span_that_tells_what_became_of_it() {
    let (recorder, _guard) = Recorder::start();
    let world = World::new().await;
    let due = notice(1);
    world.due_in(&due, HANDLED).await;
    let behind = Standing::Behind { changed: None };
    world.others.unclear.lock().unwrap().insert(due.reminder_id, behind);
    world.turn().await;
    world.others.unclear.lock().unwrap().clear();
    world.clock.turn(TimeDelta::seconds(1));
    world.email.will([Outcome::Later("450 mallory@example.com: come again".to_owned())]);
    world.turn().await;
    world.clock.turn(TimeDelta::seconds(5));
    world.others.fallen.lock().unwrap().insert(due.reminder_id);
    world.turn().await;

    let spans = recorder.spans();
    assert!(spans.iter().all(|span| is_child(span, HANDLED)), "{spans:?}");
    let told: Vec<_> =
        spans.iter().map(|span| (attribute(span, "docket.outcome").unwrap(), span.status.clone())).collect();
    let expect = [("waits", Status::Unset), ("again", Status::error("again")), ("cancelled", Status::Unset)];
    assert_eq!(told, expect.map(|(word, status)| (word.to_owned(), status)));
    assert_eq!(world.event(&due).await.trace.unwrap().parent, parent_of(&spans[2]));
    assert!(!format!("{spans:?}").contains("mallory"), "{spans:?}");
}

#[tokio::test]
async fn a_summary_begins_a_trace_of_its_own() {
    let today = Agenda { overdue: Tasks::default(), today: Tasks { named: Vec::new(), total: 1 } };
    let (recorder, _guard) = Recorder::start();
    let world = World::new().await;
    *world.others.agenda.lock().unwrap() = today.clone();
    morning(&world).await;
    assert_eq!(recorder.spans().len(), 0, "looking for summaries makes none");
    world.turn().await;
    let spans = recorder.spans();
    let [begin, sends @ ..] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((begin.name.as_ref(), begin.parent_span_id), ("begin digest", SpanId::INVALID));
    assert_eq!((begin.status.clone(), sends.len()), (Status::Unset, 2));
    assert!(sends.iter().all(|send| is_child(send, &parent_of(begin))), "{spans:?}");
    assert!(!format!("{spans:?}").contains("alice"), "{spans:?}");
    drop((recorder, _guard));

    let (recorder, _guard) = Recorder::with_ratio(0.0);
    let world = World::new().await;
    *world.others.agenda.lock().unwrap() = today;
    morning(&world).await;
    world.turn().await;
    assert_eq!(world.email.take().len(), 1);
    assert_eq!(recorder.spans().len(), 0);
    assert!(world.rows().await.iter().all(|row| row.trace.is_none()));
}

#[tokio::test]
async fn a_test_is_sent_inside_of_the_call_that_asks_for_it() {
    let (recorder, _guard) = Recorder::start();
    let world = World::new().await;
    let service = service(&world);
    let span = tracing::info_span!("a call");
    let own = context_of(&span);
    let body = request(Way::Email, "");
    service.send_test_notification(call(body)).instrument(span).await.unwrap();
    let spans = recorder.spans();
    let send = spans.iter().find(|span| span.name == "send email").unwrap();
    assert!(is_child(send, own.traceparent.as_deref().unwrap()), "{spans:?}");
    assert_eq!(attribute(send, "docket.delivery.kind").as_deref(), Some("test"));

    world.clock.turn(TimeDelta::minutes(1));
    service.send_test_notification(call(request(Way::Email, ""))).await.unwrap();
    assert_eq!(recorder.spans().len(), spans.len(), "without one it makes none");
}

#[tokio::test]
async fn figures_tell_what_became_of_messages_and_how_late_they_were() {
    let world = World::new().await;
    world.prefer(by(&[Way::Email, Way::Webhook])).await;
    world.due(&notice(1)).await;
    world.clock.turn(TimeDelta::seconds(2));
    world.webhook.will([Outcome::Refused("404 mallory".to_owned())]);
    world.email.will([Outcome::Later("450".to_owned())]);
    world.turn().await;
    world.clock.turn(TimeDelta::seconds(6));
    world.turn().await;
    let deliveries = |world: &World| {
        let label = |line: &str, name: &str| {
            line.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0.to_owned()
        };
        let lines = world.figures("docket_deliveries_total{");
        let mut told: Vec<_> = lines
            .iter()
            .map(|line| {
                let count = line.rsplit_once(' ').unwrap().1.to_owned();
                [label(line, "docket_channel"), label(line, "docket_outcome"), count]
            })
            .collect();
        told.sort();
        told
    };
    let expect = [["email", "again", "1"], ["email", "sent", "1"], ["webhook", "failed", "1"]];
    assert_eq!(deliveries(&world), expect.map(|row| row.map(str::to_owned)));
    let value = |name: &str| {
        let lines = world.figures(name);
        lines.iter().map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>()
    };
    assert_eq!(value("docket_delivery_duration_seconds_count{"), 3.0);
    assert_eq!(value("docket_delivery_lateness_seconds_count{"), 1.0);
    assert_eq!(value("docket_delivery_lateness_seconds_sum{"), 8.0);
    // The ids of the world are of that time.
    let created: Instant = "2024-11-03T06:40:44.348Z".parse().unwrap();
    let since = (world.clock.now() - created).to_std().unwrap().as_secs_f64();
    assert_eq!(value("docket_task_created_to_sent_duration_seconds_sum{"), since);
    assert_eq!(value("docket_task_created_to_sent_duration_seconds_count{"), 1.0);
}
