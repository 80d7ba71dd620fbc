//! From the alarm to the end of a firing: what has no alarm gets one, what is due is fired once, and what does not end is
//! published again.

use std::time::Duration;

use docket_domain::reminder::Fire;
use docket_domain::{FiringEnd, Instant, ReminderState, TaskId, TaskReminder, TimeDelta};
use docket_store::outbox::NewEvent;
use docket_store::reminders::{Alarm, Due, Figures, Set, Standing, TaskSnapshot, Tick};
use docket_store::{Error, Schema, Store};
use sea_orm::ConnectionTrait as _;

use super::reminders::{firing, first, known, learn, number, put, snapshot};
use super::{Data, POSTGRES, at, event_id, id, user};

/// A day, as the alarms are told of late reminders.
const LATE: Duration = Duration::from_secs(86_400);

/// Fires what is due as the alarms do, in one transaction. The firing of a task is called like the task.
pub(crate) async fn fire(store: &Store, what: Due, now: Instant, limit: u64) -> Vec<TaskId> {
    let fired: Result<Vec<TaskId>, Error> = store
        .transaction(move |tx| {
            let what = what.clone();
            Box::pin(async move {
                let due = tx.reminders_lock_due(&what, limit).await?;
                let fired = due.into_iter().filter_map(|(row, task)| {
                    assert_eq!(row.task_id, task.task_id);
                    let id = firing(row.task_id.as_uuid().as_u128());
                    match row.fire(id, now, LATE) {
                        Fire::Fired(row) | Fire::Missed(row) => Some(row),
                        Fire::NotYet | Fire::Over => None,
                    }
                });
                let fired: Vec<TaskReminder> = fired.collect();
                tx.reminders_fired(&fired).await?;
                Ok(fired.iter().map(|row| row.task_id).collect())
            })
        })
        .await;
    fired.unwrap()
}

fn named(tasks: &[(u128, i64)]) -> Due {
    Due::Named(tasks.iter().map(|(task, generation)| (id(*task), number(1), *generation)).collect())
}

pub(crate) async fn what_is_due_is_fired_once(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let tasks: Vec<_> = (1..=5).map(|task| snapshot(task, "alice", 1, 10)).collect();
    learn(&store, &tasks).await.unwrap();
    learn(&store, &[snapshot(2, "alice", 2, 20)]).await.unwrap();
    let before = store.statements().count();
    // One of an earlier generation, one that nobody knows, and one twice.
    let fired = fire(&store, named(&[(4, 1), (3, 1), (2, 1), (9, 1), (3, 1)]), at(11), 0).await;
    assert_eq!(fired, [id(3), id(4)], "each once, in the order of tasks");
    assert_eq!(store.statements().count() - before, 2);
    let row = first(&store, 3).await;
    assert_eq!((row.state, row.firing.unwrap().time), (ReminderState::Fired, at(11)));
    assert!(fire(&store, named(&[(4, 1), (3, 1)]), at(12), 0).await.is_empty());
    // The oldest first, and no more than are wanted.
    assert_eq!(fire(&store, Due::Until(at(30)), at(30), 2).await.len(), 2);
    assert_eq!(fire(&store, Due::Until(at(20)), at(30), 2).await, [], "before, not at");
    assert_eq!(fire(&store, Due::Until(at(21)), at(30), 2).await, [id(2)]);
    // What is found too late is over, too.
    learn(&store, &[snapshot(6, "alice", 1, 10)]).await.unwrap();
    let next_week = at(7 * 86_400);
    assert_eq!(fire(&store, Due::Until(next_week), next_week, 9).await, [id(6)]);
    let row = first(&store, 6).await;
    assert_eq!((row.state, row.firing), (ReminderState::Missed, None));
    assert!(fire(&store, Due::Named(Vec::new()), at(30), 9).await.is_empty());
}

/// Ends firings as the handler of what was sent does; answers how many had not ended before.
pub(crate) async fn reminders_are_counted_up_to_a_limit(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    assert_eq!(store.reminders_figures(at(30), 9).await.unwrap(), Figures::default());
    let tasks: Vec<_> = (1..=5).map(|task| snapshot(task, "alice", 1, 10 * task as i64)).collect();
    learn(&store, &tasks).await.unwrap();
    let before = store.statements().count();
    let figures = async |now: i64, most: u64| store.reminders_figures(at(now), most).await.unwrap();
    let expect = Figures { pending: 5, overdue: 2, oldest_overdue: Some(at(10)) };
    assert_eq!(figures(30, 9).await, expect);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(figures(10, 9).await, Figures { overdue: 0, oldest_overdue: None, ..expect });
    assert_eq!(figures(60, 4).await, Figures { pending: 4, overdue: 4, ..expect });
    fire(&store, named(&[(1, 1)]), at(30), 0).await;
    assert_eq!(figures(30, 9).await, Figures { pending: 4, overdue: 1, oldest_overdue: Some(at(20)) });
}

pub(crate) async fn close(store: &Store, firings: &[u128], end: FiringEnd) -> usize {
    let firings = firings.to_vec();
    let closed: Result<usize, Error> = store
        .transaction(move |tx| {
            let firings = firings.clone();
            Box::pin(async move {
                let tasks: Vec<TaskId> = firings.iter().map(|number| id(*number)).collect();
                let known = tx.reminders_known(&tasks).await?;
                let rows = known.values().flat_map(|known| known.reminders.iter());
                let rows: Vec<_> = rows.filter_map(|row| row.clone().close(end, at(50))).collect();
                tx.reminders_put(&known, &[], &rows).await?;
                Ok(rows.len())
            })
        })
        .await;
    closed.unwrap()
}

async fn unclosed(store: &Store, before: i64, now: i64, limit: u64) -> Vec<TaskId> {
    let found: Result<Vec<_>, Error> = store
        .transaction(move |tx| {
            Box::pin(async move { tx.reminders_unclosed(at(before), at(now), limit).await })
        })
        .await;
    found.unwrap().into_iter().map(|(row, _)| row.task_id).collect()
}

pub(crate) async fn a_firing_stands_until_it_has_ended_and_is_published_until_then(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let tasks: Vec<_> = (1..=5).map(|task| snapshot(task, "alice", 1, 10)).collect();
    learn(&store, &tasks).await.unwrap();
    fire(&store, named(&[(1, 1), (2, 1)]), at(11), 0).await;
    fire(&store, named(&[(3, 1), (4, 1)]), at(15), 0).await;
    let all: Vec<_> = (1..=6).map(firing).collect();
    let standing = async || {
        let before = store.statements().count();
        let standing = store.reminders_standing(&all).await.unwrap();
        assert_eq!(store.statements().count() - before, 1);
        let told = |one: &Standing| {
            assert_eq!(one.task_id.as_uuid(), one.firing.as_uuid());
            (one.firing.as_uuid().as_u128(), one.task_version)
        };
        let mut standing: Vec<(u128, i64)> = standing.iter().map(told).collect();
        standing.sort_unstable();
        standing
    };
    assert_eq!(standing().await, [(1, 1), (2, 1), (3, 1), (4, 1)]);
    let done = TaskSnapshot { open: false, ..snapshot(4, "alice", 2, 10) };
    learn(&store, &[done, snapshot(3, "alice", 2, 100)]).await.unwrap();
    assert_eq!(standing().await, [(1, 1), (2, 1)], "one is done, the other was moved");
    learn(&store, &[snapshot(2, "alice", 7, 10)]).await.unwrap();
    assert_eq!(standing().await, [(1, 1), (2, 7)], "a change that moves nothing is a version");

    assert!(unclosed(&store, 11, 20, 9).await.is_empty());
    let tick = async |republish| store.reminders_tick(at(20), at(0), at(0), at(republish), 9).await.unwrap();
    assert!(!tick(11).await.unclosed && tick(12).await.unclosed);
    assert_eq!(unclosed(&store, 12, 20, 1).await.len(), 1);
    assert_eq!(unclosed(&store, 12, 20, 9).await.len(), 1, "the other one");
    assert!(unclosed(&store, 20, 30, 9).await.is_empty(), "both were published again");
    assert!(!tick(20).await.unclosed && tick(21).await.unclosed);
    // What was sent before it was cancelled was sent.
    assert_eq!(close(&store, &[1, 4, 9], FiringEnd::Sent).await, 2);
    assert_eq!(close(&store, &[1, 4], FiringEnd::Failed).await, 0, "it has ended");
    assert_eq!(close(&store, &[2], FiringEnd::Failed).await, 1);
    for (task, state) in [(1, ReminderState::Sent), (4, ReminderState::Sent), (2, ReminderState::Failed)] {
        assert_eq!(first(&store, task).await.state, state, "{task}");
    }
    assert!(standing().await.is_empty());
    assert!(unclosed(&store, 1_000, 1_000, 9).await.is_empty());
}

pub(crate) async fn an_event_is_published_again_under_a_replay(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let event = NewEvent {
        id: event_id(1),
        topic: "reminders".to_owned(),
        key: id(1).to_string(),
        event_type: "com.todo.reminder.due",
        source: "docket/reminders".to_owned(),
        payload: b"{}".to_vec(),
        trace: None,
        time: at(3),
    };
    let added: Result<(), Error> = store
        .transaction(|tx| {
            let event = event.clone();
            Box::pin(async move {
                tx.outbox_append(vec![event.clone()]).await?;
                tx.outbox_again(vec![(event.clone(), event_id(7)), (event, event_id(8))]).await
            })
        })
        .await;
    added.unwrap();
    let found = store.outbox_of("reminders", &id(1).to_string(), 0, 9).await.unwrap();
    let ids: Vec<_> = found.iter().map(|event| (event.id, event.republish_of)).collect();
    let first = event_id(1);
    assert_eq!(ids, [(first, None), (event_id(7), Some(first)), (event_id(8), Some(first))]);
    assert!(found.iter().all(|event| event.payload == b"{}" && event.handler.is_none() && !event.raw));
}

async fn tick(store: &Store, now: i64, arm_before: i64, limit: u64) -> Tick {
    let before = store.statements().count();
    let tick = store.reminders_tick(at(now), at(0), at(arm_before), at(0), limit).await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    tick
}

fn sets(tick: &Tick) -> Vec<Set> {
    tick.unarmed.iter().map(|alarm| (alarm.task_id, alarm.number, alarm.generation)).collect()
}

fn tasks_of(tick: &Tick) -> Vec<TaskId> {
    tick.unarmed.iter().map(|alarm| alarm.task_id).collect()
}

pub(crate) async fn what_has_no_alarm_is_answered_until_it_has_one(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    assert_eq!(tick(&store, 0, 1_000, 9).await, Tick::default());
    let tasks: Vec<_> = [(1, 300), (2, 100), (3, 200), (4, 5_000)]
        .map(|(task, second)| snapshot(task, "alice", 1, second))
        .into();
    learn(&store, &tasks).await.unwrap();
    let found = tick(&store, 0, 1_000, 2).await;
    let earliest = Alarm { task_id: id(2), number: number(1), generation: 1, remind_at: at(100) };
    assert_eq!((found.unarmed.first(), tasks_of(&found)), (Some(&earliest), vec![id(2), id(3)]));
    // Who was given them may be gone.
    let found = tick(&store, 60, 1_000, 9).await;
    assert_eq!(tasks_of(&found), [id(2), id(3), id(1)], "the fourth is too far away");
    let mut armed = sets(&found);
    // Meanwhile one has moved: its alarm is stale.
    learn(&store, &[snapshot(3, "alice", 2, 250)]).await.unwrap();
    armed.push((id(9), number(1), 1));
    let before = store.statements().count();
    store.reminders_armed(&armed, "one").await.unwrap();
    assert_eq!(store.statements().count() - before, 1);
    let found = tick(&store, 61, 1_000, 9).await;
    assert_eq!(sets(&found), [(id(3), number(1), 2)], "at once, whoever had the one before");
    store.reminders_armed(&sets(&found), "other").await.unwrap();
    assert!(tick(&store, 600, 1_000, 9).await.unarmed.is_empty());
    store.reminders_armed(&[], "one").await.unwrap();

    // Those of another scheduler are lost; then all.
    assert_eq!(store.reminders_disarm(Some("one")).await.unwrap(), 1);
    let found = tick(&store, 600, 1_000, 9).await;
    assert_eq!(tasks_of(&found), [id(3)]);
    store.reminders_armed(&sets(&found), "one").await.unwrap();
    let before = store.statements().count();
    assert_eq!(store.reminders_disarm(None).await.unwrap(), 3);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(tick(&store, 600, 1_000, 9).await.unarmed.len(), 3);
    assert_eq!(store.reminders_disarm(None).await.unwrap(), 0);
}

pub(crate) async fn what_changes_without_moving_keeps_its_alarm(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    learn(&store, &[snapshot(1, "alice", 1, 100)]).await.unwrap();
    let found = tick(&store, 0, 1_000, 9).await;
    store.reminders_armed(&sets(&found), "one").await.unwrap();
    let before = known(&store, &[1]).await;
    let mut row = before[&id(1)].reminders[0].clone();
    row.channels = vec![docket_domain::Channel::Push];
    put(&store, &before, &[], std::slice::from_ref(&row)).await.unwrap();
    assert!(tick(&store, 60, 1_000, 9).await.unarmed.is_empty());
    assert_eq!(first(&store, 1).await, row);
    // Put off, it has a new instant; dismissed and set again, too.
    let row = row.snooze(at(200), at(61)).unwrap();
    put(&store, &before, &[], std::slice::from_ref(&row)).await.unwrap();
    let found = tick(&store, 61, 1_000, 9).await;
    assert_eq!(sets(&found), [(id(1), number(1), 2)]);
    store.reminders_armed(&sets(&found), "one").await.unwrap();
    put(&store, &before, &[], &[row.dismiss(at(62)).unwrap()]).await.unwrap();
    assert!(tick(&store, 90, 1_000, 9).await.unarmed.is_empty());
    assert!(fire(&store, Due::Until(at(1_000)), at(1_000), 9).await.is_empty());
    learn(&store, &[snapshot(1, "alice", 2, 300)]).await.unwrap();
    assert_eq!(sets(&tick(&store, 90, 1_000, 9).await), [(id(1), number(1), 3)]);
}

pub(crate) async fn a_reminder_is_locked_with_its_task_and_for_its_owner(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    learn(&store, &[snapshot(1, "alice", 1, 100)]).await.unwrap();
    let lock = async |owner: &str, task, reminder| {
        let owner = user(owner);
        let found: Result<_, Error> = store
            .transaction(|tx| {
                let owner = owner.clone();
                Box::pin(async move { tx.reminder_lock(&owner, id(task), number(reminder)).await })
            })
            .await;
        found.unwrap()
    };
    let (row, task) = lock("alice", 1, 1).await.unwrap();
    assert_eq!((row, task), (first(&store, 1).await, snapshot(1, "alice", 1, 100)));
    for (owner, task, reminder) in [("bob", 1, 1), ("alice", 2, 1), ("alice", 1, 2)] {
        assert_eq!(lock(owner, task, reminder).await, None, "{owner} {task} {reminder}");
    }
}

pub(crate) async fn who_makes_alarms_is_woken_and_one_word_before_counts(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    store.reminders_changed();
    store.reminders_changed();
    store.reminders_change().await;
    let mut change = std::pin::pin!(store.reminders_change());
    assert!(futures::poll!(&mut change).is_pending(), "several words are one");
    store.clone().reminders_changed();
    change.await;
}

pub(crate) async fn tasks_that_are_over_are_purged_with_their_reminders(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let over = |task, second| TaskSnapshot {
        open: false,
        update_time: at(second),
        ..snapshot(task, "alice", 2, 100)
    };
    let tasks: Vec<_> = (1..=4).map(|task| snapshot(task, "alice", 1, 100)).collect();
    learn(&store, &tasks).await.unwrap();
    // The last one stays open, and what was given of it stays with it.
    fire(&store, named(&[(4, 1)]), at(100), 0).await;
    learn(&store, &[over(1, 10), over(2, 5), over(3, 20)]).await.unwrap();
    let before = store.statements().count();
    assert_eq!(store.purge_reminders(at(20), 1).await.unwrap(), 1);
    assert_eq!(store.statements().count() - before, 1);
    assert_eq!(known(&store, &[1, 2, 3, 4]).await.len(), 3);
    assert!(known(&store, &[2]).await.is_empty(), "the oldest first");
    assert_eq!(store.purge_reminders(at(20), 9).await.unwrap(), 1);
    assert_eq!(store.purge_reminders(at(20) + TimeDelta::days(900), 9).await.unwrap(), 1);
    assert_eq!(first(&store, 4).await.state, ReminderState::Fired);
    let table = if data.kind == POSTGRES { "reminders.reminders" } else { "reminders" };
    let count = sea_orm::Statement::from_string(
        data.raw.get_database_backend(),
        format!("SELECT count(*) AS rows FROM {table}"),
    );
    let row = data.raw.query_one_raw(count).await.unwrap().unwrap();
    assert_eq!(row.try_get::<i64>("", "rows").unwrap(), 1);
}
