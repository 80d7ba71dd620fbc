//! Jobs that are triggered: what is fired by them, and what is not.

use docket_domain::ReminderState::{Cancelled, Fired, Missed, Pending, Sent};
use docket_domain::{Due, EventId, ReminderEventKind, TimeDelta};
use docket_store::reminders::{Due as Which, Standing};
use docket_wire::reminder_event;
use futures::future::join_all;
use sea_orm::ConnectionTrait as _;

use crate::trace::Way;

use super::world::{World, alice, content, due_in, morning};

#[tokio::test]
async fn an_alarm_at_its_moment_fires_the_reminder_once() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    let alarms = world.scheduler.alarms();
    assert_eq!(alarms.len(), 1);
    assert_eq!(alarms[0].0, format!("reminder-task-{}-1", task.id));
    let job = world.scheduler.jobs.lock().unwrap()[&alarms[0].0].clone();
    assert_eq!((job.due, job.retry.as_secs()), (morning() + TimeDelta::seconds(60), 10));

    world.clock.pass(60);
    world.trigger(&alarms[0]).await.unwrap();
    let row = world.row().await;
    let firing = row.firing.unwrap();
    assert_eq!((row.state, firing.time), (Fired, morning() + TimeDelta::seconds(60)));
    let events = world.outbox("reminders").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, ReminderEventKind::Due.event_type());
    assert_eq!(events[0].source, "docket/reminders");
    assert_eq!(events[0].key, task.id.to_string());
    assert_eq!(events[0].id, EventId::from_uuid(firing.id.as_uuid()));
    let trace = events[0].trace.clone().unwrap();
    assert!(trace.parent.contains("4bf9"), "the trace of the task's event: {trace:?}");
    let notice = reminder_event::decode(&events[0].payload).unwrap();
    assert_eq!((notice.task_id, notice.user_id, notice.reminder_id), (task.id, alice(), firing.id));
    assert_eq!((notice.title.as_str(), notice.task_version), ("Water the plants", 1));
    assert_eq!((notice.remind_at, notice.fire_time), (row.remind_at, Some(firing.time)));

    world.trigger(&alarms[0]).await.unwrap();
    assert_eq!(world.row().await.firing, Some(firing), "a second time it is stale");
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn alarms_that_ring_at_once_fire_once() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.pass(61);
    let outcomes = join_all((0..20).map(|_| world.trigger(&alarm))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn a_hundred_alarms_cost_as_many_statements_as_one() {
    let cost = async |count: i64| {
        let mut world = World::new().await;
        let tasks: Vec<_> = (0..count).map(|n| world.event(&world.create(due_in(60 + n)))).collect();
        world.hear(&tasks).await;
        world.turn().await;
        let alarms = world.scheduler.alarms();
        assert_eq!(alarms.len() as i64, count);
        world.clock.pass(60 + count);
        let before = world.stores.statements().count();
        let outcomes = join_all(alarms.iter().map(|alarm| world.trigger(alarm))).await;
        let cost = world.stores.statements().count() - before;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(world.outbox("reminders").await.len() as i64, count);
        cost
    };
    assert_eq!((cost(1).await, cost(100).await), (3, 3));
}

#[tokio::test]
async fn a_reminder_that_moved_a_thousand_times_is_one_row_with_one_alarm() {
    let mut world = World::new().await;
    let mut task = world.task(due_in(60)).await;
    world.turn().await;
    let stale = world.scheduler.alarms().remove(0);
    let mut events = Vec::new();
    for n in 1..=1_000 {
        let change = world.moved(&task, Due::At(morning() + TimeDelta::seconds(60 + n)));
        events.push(world.event(&change));
        task = change.after;
    }
    for batch in events.chunks(100) {
        world.hear(batch).await;
    }
    let row = world.row().await;
    assert_eq!((row.generation, row.state), (1_001, Pending));
    assert_eq!(row.remind_at, morning() + TimeDelta::seconds(1_060));
    world.turn().await;
    assert_eq!(world.unarmed().await, 0);
    let alarms = world.scheduler.alarms();
    assert_eq!((alarms.len(), world.scheduler.scheduled.lock().unwrap().len()), (1, 3), "and a witness");

    world.clock.pass(1_060);
    world.trigger(&stale).await.unwrap();
    assert_eq!(world.row().await.state, Pending, "the alarm is of another generation");
    world.trigger(&alarms[0]).await.unwrap();
    assert_eq!(world.row().await.state, Fired);
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn an_alarm_before_its_time_comes_again() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.pass(57);
    let error = world.trigger(&alarm).await.unwrap_err();
    assert!(error.to_string().contains("before its time"), "{error}");
    assert_eq!(world.row().await.state, Pending);
    // As far as clocks may differ, the one who rings is believed.
    world.clock.pass(1);
    world.trigger(&alarm).await.unwrap();
    assert_eq!(world.row().await.state, Fired);
}

#[tokio::test]
async fn what_was_found_too_late_is_missed_and_told_so() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.set(morning() + TimeDelta::seconds(60 + 86_400) + TimeDelta::microseconds(1));
    world.trigger(&alarm).await.unwrap();
    let row = world.row().await;
    assert_eq!((row.state, row.firing), (Missed, None));
    assert!(world.outbox("reminders").await.is_empty());
    let events = world.outbox("task-events").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event_type, "com.todo.reminder.missed");
    let notice = reminder_event::decode(&events[0].payload).unwrap();
    assert_eq!((notice.id, notice.fire_time), (events[0].id, None));
}

#[tokio::test]
async fn an_alarm_that_the_database_does_not_answer_comes_again() {
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
    assert_eq!(world.row().await.state, Pending, "nothing is half done");
    raw.execute_unprepared("ALTER TABLE away RENAME TO outbox").await.unwrap();
    world.trigger(&alarm).await.unwrap();
    assert_eq!(world.row().await.state, Fired);
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn many_of_one_second_have_one_alarm_and_few_have_their_own() {
    let check = async |count: usize, jobs: usize| {
        let mut world = World::new().await;
        let tasks: Vec<_> = (0..count).map(|_| world.event(&world.create(due_in(60)))).collect();
        world.hear(&tasks).await;
        world.arm_all().await;
        let alarms = world.scheduler.alarms();
        assert_eq!(alarms.len(), jobs, "{count}");
        if jobs == 1 {
            assert_eq!(alarms[0].0, format!("reminder-bucket-{}", morning().timestamp() + 60));
            assert_eq!(
                world.scheduler.jobs.lock().unwrap()[&alarms[0].0].due,
                morning() + TimeDelta::seconds(60)
            );
            world.clock.pass(57);
            world.trigger(&alarms[0]).await.unwrap_err();
            assert!(world.states().await.iter().all(|state| *state == Pending), "before its time");
            world.clock.pass(-57);
        }
        world.clock.pass(60);
        for alarm in &alarms {
            world.trigger(alarm).await.unwrap();
        }
        assert!(world.states().await.iter().all(|state| *state == Fired), "{count}");
        assert_eq!(world.outbox("reminders").await.len(), count);
    };
    check(15, 15).await;
    check(16, 1).await;
    check(1_200, 1).await;
}

#[tokio::test]
async fn a_second_that_is_rung_fires_nothing_of_the_next_one() {
    let mut world = World::new().await;
    let tasks: Vec<_> = (0..16).map(|_| world.event(&world.create(due_in(60)))).collect();
    world.hear(&tasks).await;
    world.task(content(Some(Due::At(morning() + TimeDelta::milliseconds(60_500))), &[0])).await;
    world.turn().await;
    world.clock.pass(60);
    for alarm in world.scheduler.alarms().iter().filter(|alarm| alarm.0.contains("bucket")) {
        world.trigger(alarm).await.unwrap();
    }
    let states = world.states().await;
    assert_eq!(states.iter().filter(|state| **state == Fired).count(), 16);
    assert_eq!(states[16], Pending);
}

#[tokio::test]
async fn a_task_that_is_completed_in_the_second_of_its_reminder_has_none() {
    // First completed, then rung.
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.pass(60);
    world.change(task.complete(world_now()).unwrap()).await;
    world.trigger(&alarm).await.unwrap();
    assert_eq!(world.row().await.state, Cancelled);
    assert!(world.outbox("reminders").await.is_empty());

    // First rung, then completed: it is on its way, and does not stand any more.
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    world.clock.pass(60);
    world.trigger(&alarm).await.unwrap();
    let firing = world.row().await.firing.unwrap().id;
    let standing = Standing { firing, task_id: task.id, task_version: task.version };
    assert_eq!(world.store.reminders_standing(&[firing]).await.unwrap(), [standing]);
    world.change(task.complete(world_now()).unwrap()).await;
    assert_eq!(world.row().await.state, Cancelled);
    assert_eq!(world.store.reminders_standing(&[firing]).await.unwrap(), []);
    // What was sent nevertheless, was sent.
    world.hear(&[super::following::ended(&world, &task, firing, docket_domain::FiringEnd::Sent)]).await;
    assert_eq!(world.row().await.state, Sent);
}

fn world_now() -> docket_domain::Instant {
    morning() + TimeDelta::seconds(60)
}

#[tokio::test]
async fn what_is_named_twice_is_fired_once() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    let row = world.row().await;
    world.clock.pass(60);
    let which = Which::Named(vec![(row.task_id, row.number, row.generation)]);
    let shots = &world.target.alarms.watch.shots;
    let (one, other) = tokio::join!(shots.fire(&which, Way::Job), shots.fire(&which, Way::Sweep));
    assert_eq!(one.unwrap().found + other.unwrap().found, 1);
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn a_job_that_can_not_be_read_is_forgotten() {
    let world = World::new().await;
    for name in ["reminder-task-1", "reminder-bucket-x", "reminder-of-a-later-version"] {
        world.trigger(&(name.to_owned(), "?".into())).await.unwrap();
    }
    world.trigger(&("reminder-witness-docket".to_owned(), "".into())).await.unwrap();
}
