//! What traces and figures tell of reminders.

use docket_domain::{Content, TimeDelta, Title};
use docket_sidecar::Trace;
use docket_telemetry::testing::{Recorder, SpanId, SpanKind, Status};
use sea_orm::ConnectionTrait as _;

use super::world::{World, due_in, morning};

/// As the deliveries of the world have it.
const TASK: &str = "00000000000000000000000000004bf9";

const UNSAMPLED: &str = "00-0000000000000000000000000000abcd-00f067aa0ba902b7-00";

/// A new task whose creation was in this trace, and its alarm.
async fn task_in(world: &mut World, content: Content, parent: Option<&str>) -> (String, bytes::Bytes) {
    let mut event = world.event(&world.create(content));
    event.trace = parent.map(|parent| Trace { parent: parent.to_owned(), state: None });
    world.hear(&[event]).await;
    world.turn().await;
    world.scheduler.alarms().pop().unwrap()
}

/// The last event on a topic, by its trace: the ids of the trace and of the parent, and the flags.
async fn told(world: &World, topic: &str) -> (String, String, String) {
    let event = world.outbox(topic).await.pop().unwrap();
    let parent = event.trace.unwrap().parent;
    let [_, trace, id, flags] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
    (trace.to_owned(), id.to_owned(), flags.to_owned())
}

#[tokio::test]
async fn a_firing_begins_a_trace_that_is_linked_to_that_of_its_task() {
    // Nothing would be recorded here that begins by itself.
    let (recorder, _guard) = Recorder::with_ratio(0.0);
    let mut world = World::new().await;
    let hostile = "alice@example.com <script>\u{202e}00-4bf9-1-01";
    let task = world.task(Content { title: Title::parse(hostile).unwrap(), ..due_in(60) }).await;
    world.turn().await;
    world.clock.pass(61);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();

    let spans = recorder.spans();
    let [fire] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((fire.name.as_ref(), &fire.span_kind), ("fire reminder", &SpanKind::Consumer));
    assert_eq!(fire.parent_span_id, SpanId::INVALID);
    let links: Vec<_> = fire.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
    assert_eq!(links, [TASK]);
    let own = (fire.span_context.trace_id().to_string(), fire.span_context.span_id().to_string());
    assert_ne!(own.0, TASK);
    assert_eq!(told(&world, "reminders").await, (own.0, own.1, "01".to_owned()));

    let firing = world.row().await.firing.unwrap().id.to_string();
    let expect = [
        ("docket.task.id", task.id.to_string()),
        ("docket.reminder.id", firing),
        ("docket.reminder.number", "1".to_owned()),
        ("docket.way", "job".to_owned()),
        ("docket.lateness_ms", "1000".to_owned()),
    ];
    let mut attributes: Vec<_> =
        fire.attributes.iter().map(|one| (one.key.as_str(), one.value.to_string())).collect();
    attributes.retain(|(key, _)| key.starts_with("docket."));
    assert_eq!(attributes, expect);
    for personal in ["alice", "example.com", "script"] {
        assert!(!format!("{spans:?}").contains(personal), "{personal}: {spans:?}");
    }
}

#[tokio::test]
async fn each_reminder_that_the_loop_finds_has_a_trace_and_finding_none_has_none() {
    let (recorder, _guard) = Recorder::start();
    let mut world = World::new().await;
    world.turn().await;
    let tasks: Vec<_> = (0..3).map(|_| world.event(&world.create(due_in(60)))).collect();
    world.hear(&tasks).await;
    world.clock.pass(63);
    world.turn().await;
    world.turn().await;
    let spans = recorder.spans();
    let mut traces: Vec<_> = spans.iter().map(|span| span.span_context.trace_id().to_string()).collect();
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), 3, "{spans:?}");
    let sweeps = spans.iter().flat_map(|span| &span.attributes);
    let sweeps = sweeps.filter(|one| one.key.as_str() == "docket.way" && one.value.as_str() == "sweep");
    assert_eq!(sweeps.count(), 3);
    let mut told: Vec<_> =
        world.outbox("reminders").await.into_iter().filter_map(|event| event.trace).collect();
    told.retain(|trace| traces.iter().any(|id| trace.parent.contains(id)));
    assert_eq!(told.len(), 3);
}

#[tokio::test]
async fn what_is_told_again_has_a_trace_of_its_own_that_is_linked_to_that_of_its_task() {
    let (recorder, _guard) = Recorder::start();
    let mut world = World::new().await;
    world.task(due_in(0)).await;
    world.turn().await;
    world.clock.pass(21_601);
    world.turn().await;
    let spans = recorder.spans();
    let [fire, again] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (fire.name.as_ref(), again.name.as_ref(), &again.status),
        ("fire reminder", "tell reminder again", &Status::Unset)
    );
    let links: Vec<_> = again.links.iter().map(|link| link.span_context.trace_id().to_string()).collect();
    assert_eq!((links, again.parent_span_id), (vec![TASK.to_owned()], SpanId::INVALID));
    let own = (again.span_context.trace_id().to_string(), again.span_context.span_id().to_string());
    assert_ne!(own.0, fire.span_context.trace_id().to_string());
    assert_eq!(told(&world, "reminders").await, (own.0, own.1, "01".to_owned()));
}

#[tokio::test]
async fn what_nobody_records_goes_on_as_the_row_keeps_it() {
    let (recorder, _guard) = Recorder::start();
    let mut world = World::new().await;
    let unsampled = task_in(&mut world, due_in(60), Some(UNSAMPLED)).await;
    world.clock.pass(60);
    world.trigger(&unsampled).await.unwrap();
    let event = world.outbox("reminders").await.pop().unwrap();
    assert_eq!(event.trace.unwrap().parent, UNSAMPLED);

    let mut world = World::new().await;
    let without = task_in(&mut world, due_in(60), None).await;
    world.clock.pass(60);
    world.trigger(&without).await.unwrap();
    assert_eq!(world.outbox("reminders").await.pop().unwrap().trace, None);
    assert_eq!(recorder.spans().len(), 0);
}

#[tokio::test]
async fn an_attempt_that_came_to_nothing_is_nobodys_parent() {
    let (recorder, _guard) = Recorder::start();
    let folder = tempfile::tempdir().unwrap();
    let url = docket_store::url_of(&folder.path().join("docket.db"));
    let mut world = World::with(&url, crate::Config::default()).await;
    world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.pass(60);
    let raw = sea_orm::Database::connect(&url).await.unwrap();
    raw.execute_unprepared("ALTER TABLE outbox RENAME TO away").await.unwrap();
    world.trigger(&alarm).await.unwrap_err();
    raw.execute_unprepared("ALTER TABLE away RENAME TO outbox").await.unwrap();
    world.trigger(&alarm).await.unwrap();

    let spans = recorder.spans();
    let [failed, fired] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(failed.status, Status::error("rolled_back"));
    assert_eq!(fired.status, Status::Unset);
    let (trace, id, _) = told(&world, "reminders").await;
    assert_eq!(trace, fired.span_context.trace_id().to_string());
    assert_eq!(id, fired.span_context.span_id().to_string());
    assert_eq!(world.figures("docket_reminders_fired_total{").len(), 1);
    assert!(
        world.figures("docket_reminders_fired_total{")[0].ends_with(" 1"),
        "what was rolled back is not counted"
    );
}

#[tokio::test]
async fn a_reminder_that_was_missed_has_a_failed_span() {
    let (recorder, _guard) = Recorder::start();
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.clock.pass(60 + 86_401);
    world.turn().await;
    let spans = recorder.spans();
    let [missed] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(missed.status, Status::error("missed"));
    let (trace, ..) = told(&world, "task-events").await;
    assert_eq!(trace, missed.span_context.trace_id().to_string());
}

#[tokio::test]
async fn figures_tell_what_is_pending_and_how_late_what_was_fired_is() {
    let mut world = World::new().await;
    for due in [60, 60, 60, 7_200] {
        world.task(due_in(due)).await;
    }
    world.turn().await;
    world.clock.pass(70);
    let value = |world: &World, name: &str| {
        let lines = world.figures(name);
        let [line] = &lines[..] else { panic!("{name}: {lines:?}") };
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    world.target.alarms.watch.count().await;
    assert_eq!(value(&world, "docket_reminders_pending{"), 4.0);
    assert_eq!(value(&world, "docket_reminders_overdue{"), 3.0);
    assert_eq!(value(&world, "docket_reminders_oldest_overdue_age_seconds{"), 10.0);

    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    world.turn().await;
    world.clock.set(morning() + TimeDelta::seconds(7_200 + 86_401));
    world.turn().await;
    world.target.alarms.watch.count().await;
    assert_eq!(value(&world, "docket_reminders_pending{"), 0.0);
    assert_eq!(value(&world, "docket_reminders_oldest_overdue_age_seconds{"), 0.0);
    let mut fired = world.figures("docket_reminders_fired_total{");
    fired.sort();
    let [job, sweep] = &fired[..] else { panic!("{fired:?}") };
    assert!(job.contains("docket_way=\"job\"") && job.ends_with(" 1"), "{job}");
    assert!(sweep.contains("docket_way=\"sweep\"") && sweep.ends_with(" 2"), "{sweep}");
    assert_eq!(value(&world, "docket_reminders_missed_total{"), 1.0);
    assert_eq!(value(&world, "docket_reminders_lateness_seconds_count{"), 3.0);
    assert_eq!(value(&world, "docket_reminders_lateness_seconds_sum{"), 30.0);
}
