//! The loop: alarms that are set and lost, and what is fired without one.

use std::time::Duration;

use docket_domain::ReminderState::{Fired, Pending};
use docket_domain::{Due, TimeDelta};
use docket_testkit::wait_for;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::world::{World, due_in, morning};
use crate::Config;

#[tokio::test]
async fn only_what_is_near_has_an_alarm() {
    let mut world = World::new().await;
    world.task(due_in(86_399)).await;
    world.task(due_in(86_401)).await;
    world.turn().await;
    assert_eq!(world.scheduler.alarms().len(), 1);
    world.clock.pass(60);
    world.turn().await;
    assert_eq!(world.scheduler.alarms().len(), 2);
}

#[tokio::test]
async fn with_nothing_to_do_a_look_is_one_statement() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    for unarmed in [true, false] {
        let before = world.stores.statements().count();
        let seen = world.target.alarms.watch.look(unarmed).await.unwrap();
        assert_eq!(world.stores.statements().count() - before, 1);
        assert!(seen.unarmed.is_empty() && !seen.more);
    }
}

#[tokio::test]
async fn what_nobody_can_take_yet_is_found_when_somebody_can() {
    let world = World::new().await;
    let (alarms, mut given) = mpsc::channel(1);
    let first = world.task(due_in(60)).await.id;
    let watch = &world.target.alarms.watch;
    assert!(!watch.turn(&alarms, false).await);
    assert!(given.try_recv().is_err(), "whoever sets alarms was not ready");
    assert!(!watch.turn(&alarms, true).await);
    assert!(!watch.turn(&alarms, true).await);
    assert_eq!(given.try_recv().unwrap()[0].task_id, first);
    assert!(given.try_recv().is_err(), "there was no place for another one");
    assert!(!watch.turn(&alarms, true).await);
    assert_eq!(given.try_recv().unwrap()[0].task_id, first, "nobody has set it yet");
}

#[tokio::test]
async fn an_alarm_of_which_nobody_knows_whether_it_was_set_is_set_again() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    let before = world.scheduler.scheduled.lock().unwrap().len();
    world.task(due_in(61)).await;
    let seen = world.target.alarms.watch.look(true).await.unwrap();
    *world.scheduler.silent.lock().unwrap() = true;
    world.target.alarms.arming.arm("docket", seen.unarmed).await.unwrap_err();
    assert_eq!(world.scheduler.alarms().len(), 2);
    assert_eq!(world.unarmed().await, 1);
    *world.scheduler.silent.lock().unwrap() = false;
    world.turn().await;
    assert_eq!(world.unarmed().await, 0);
    assert_eq!(world.scheduler.scheduled.lock().unwrap().len() - before, 2);
    world.clock.pass(61);
    for alarm in world.scheduler.alarms() {
        world.trigger(&alarm).await.unwrap();
    }
    assert_eq!(world.outbox("reminders").await.len(), 2);
}

#[tokio::test]
async fn an_alarm_that_was_moved_while_it_was_set_is_set_for_the_new_moment() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    let seen = world.target.alarms.watch.look(true).await.unwrap();
    world.change(world.moved(&task, Due::At(morning() + TimeDelta::seconds(90)))).await;
    world.target.alarms.arming.arm("docket", seen.unarmed).await.unwrap();
    assert_eq!(world.unarmed().await, 1, "the note was about another moment");
    world.turn().await;
    let alarm = world.scheduler.alarms().remove(0);
    assert_eq!(world.scheduler.jobs.lock().unwrap()[&alarm.0].due, morning() + TimeDelta::seconds(90));
}

#[tokio::test]
async fn a_scheduler_that_lost_its_jobs_is_given_them_again() {
    let mut world = World::new().await;
    for seconds in [60, 70, 80] {
        world.task(due_in(seconds)).await;
    }
    world.turn().await;
    assert_eq!(world.scheduler.alarms().len(), 3);
    world.greet().await;
    assert_eq!(world.unarmed().await, 0, "nothing was lost yet");

    world.scheduler.jobs.lock().unwrap().clear();
    world.greet().await;
    world.turn().await;
    assert_eq!(world.scheduler.alarms().len(), 3);
    assert_eq!(world.scheduler.jobs.lock().unwrap().len(), 4, "and a witness");
    assert_eq!(world.unarmed().await, 0);
}

#[tokio::test]
async fn alarms_of_another_app_id_are_set_anew() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    *world.scheduler.app_id.lock().unwrap() = "docket-reminders".to_owned();
    world.scheduler.scheduled.lock().unwrap().clear();
    world.greet().await;
    world.turn().await;
    let scheduled = world.scheduler.scheduled.lock().unwrap().clone();
    assert_eq!(scheduled.len(), 2, "{scheduled:?}");
    assert!(scheduled.contains(&"reminder-witness-docket-reminders".to_owned()), "{scheduled:?}");
    assert_eq!(world.unarmed().await, 0);
}

#[tokio::test]
async fn what_no_alarm_was_heard_of_is_fired_after_the_grace() {
    let mut world = World::new().await;
    world.task(due_in(60)).await;
    world.turn().await;
    world.clock.pass(62);
    world.turn().await;
    assert_eq!(world.row().await.state, Pending, "the alarm may still come");
    world.clock.set(morning() + TimeDelta::seconds(62) + TimeDelta::microseconds(1));
    world.turn().await;
    assert_eq!(world.row().await.state, Fired);
    assert_eq!(world.outbox("reminders").await.len(), 1);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn what_is_due_already_needs_no_alarm() {
    let mut world = World::new().await;
    world.task(due_in(0)).await;
    world.turn().await;
    assert_eq!(world.row().await.state, Fired);
    assert!(world.scheduler.alarms().is_empty());
}

#[tokio::test]
async fn a_great_backlog_is_worked_off_in_batches() {
    let world = World::new().await;
    let tasks: Vec<_> = (0..1_200).map(|n| world.event(&world.create(due_in(n)))).collect();
    world.hear(&tasks).await;
    world.clock.pass(3_600);
    let mut looks = 0;
    while world.target.alarms.watch.look(false).await.unwrap().more {
        looks += 1;
    }
    assert_eq!(looks, 2);
    assert!(world.states().await.iter().all(|state| *state == Fired));
    assert_eq!(world.outbox("reminders").await.len(), 1_200);
}

#[tokio::test]
async fn what_has_no_end_is_told_again_under_its_name() {
    let mut world = World::new().await;
    world.task(due_in(0)).await;
    world.turn().await;
    world.clock.pass(21_600);
    world.turn().await;
    assert_eq!(world.outbox("reminders").await.len(), 1, "it may still come to its end");
    world.clock.pass(1);
    world.turn().await;
    world.turn().await;
    let events = world.outbox("reminders").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].republish_of, Some(events[0].id));
    assert_eq!((&events[1].payload, &events[1].key), (&events[0].payload, &events[0].key));
}

/// The loop itself, with the clock of this world standing still.
#[tokio::test]
async fn the_loop_sets_alarms_and_does_without_a_scheduler() {
    let config = Config { poll_ms: 100, ..Config::default() };
    let world = World::with("sqlite::memory:", config).await;
    let (clock, scheduler, store) = (world.clock.clone(), world.scheduler.clone(), world.store.clone());
    world.task(due_in(60)).await;
    let alarms = async |expect: usize| {
        wait_for("alarms", Duration::from_secs(30), async || match scheduler.alarms().len() {
            count if count == expect => Ok(()),
            count => Err(format!("{count} alarms")),
        })
        .await;
    };
    let events = async |expect: usize| {
        wait_for("events", Duration::from_secs(30), async || match store.outbox_depth().await.unwrap() {
            count if count == expect as u64 => Ok(()),
            count => Err(format!("{count} events")),
        })
        .await;
    };
    let stop = CancellationToken::new();
    let handler = world.target.handler.clone();
    let creates: Vec<_> = [61, 3_600].map(|seconds| world.event(&world.create(due_in(seconds)))).into();
    let running = tokio::spawn(world.target.alarms.run(stop.clone()));
    alarms(1).await;
    handler.handle(&creates[0]).await.unwrap();
    alarms(2).await;

    *scheduler.away.lock().unwrap() = true;
    handler.handle(&creates[1]).await.unwrap();
    clock.pass(64);
    events(2).await;
    assert_eq!(scheduler.alarms().len(), 2);
    // Another one comes back, with nothing in it: what is still to come has an alarm again.
    scheduler.jobs.lock().unwrap().clear();
    *scheduler.away.lock().unwrap() = false;
    alarms(1).await;
    stop.cancel();
    running.await.unwrap();
}
