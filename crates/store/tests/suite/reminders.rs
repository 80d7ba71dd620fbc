//! What is known of tasks, and their reminders: written together, in the order of versions, and found again.

use std::collections::HashMap;
use std::time::Duration;

use docket_domain::content::{Channel, Moment};
use docket_domain::reminder::{follow, plan};
use docket_domain::{
    ClockTime, Due, Firing, Instant, Priority, Reminder, ReminderId, ReminderNumber, ReminderState, TaskId,
    TaskReminder, Title,
};
use docket_store::outbox::Trace;
use docket_store::reminders::{Cursor, Known, Listing, TaskSnapshot};
use docket_store::{Error, Schema, Store};
use sea_orm::ConnectionTrait as _;
use uuid::Uuid;

use super::{Data, at, id, user};

pub(crate) fn number(number: i32) -> ReminderNumber {
    ReminderNumber::new(number).unwrap()
}

pub(crate) fn firing(number: u128) -> ReminderId {
    ReminderId::from_uuid(Uuid::from_u128(number))
}

/// A task that is due at `second`, with a reminder at that moment.
pub(crate) fn snapshot(task: u128, owner: &str, version: i64, second: i64) -> TaskSnapshot {
    TaskSnapshot {
        task_id: id(task),
        user_id: user(owner),
        version,
        open: true,
        title: Title::parse(&format!("task {task}")).unwrap(),
        priority: Priority::Medium,
        due: Some(Due::At(at(second))),
        time_zone: chrono_tz::UTC,
        reminders: vec![Reminder { moment: Moment::Before(Duration::ZERO), channels: Vec::new() }],
        trace: None,
        update_time: at(version),
    }
}

/// What the task's reminders are to be, as a handler finds it.
pub(crate) fn planned(known: &[TaskReminder], task: &TaskSnapshot, now: Instant) -> Vec<TaskReminder> {
    let plan = plan(task.due, task.time_zone, &task.reminders, ClockTime::NINE);
    follow(known, task.task_id, &task.user_id, task.open.then_some(&plan), now)
}

/// Follows tasks as a handler does, in one transaction: those that are newer than what is known.
pub(crate) async fn learn(store: &Store, tasks: &[TaskSnapshot]) -> Result<(), Error> {
    let tasks = tasks.to_vec();
    store
        .transaction(move |tx| {
            let tasks = tasks.clone();
            Box::pin(async move {
                let ids: Vec<TaskId> = tasks.iter().map(|task| task.task_id).collect();
                let known = tx.reminders_known(&ids).await?;
                let older = |task: &TaskSnapshot| {
                    known.get(&task.task_id).is_some_and(|known| known.task.version >= task.version)
                };
                let newer: Vec<TaskSnapshot> = tasks.into_iter().filter(|task| !older(task)).collect();
                let changed = newer.iter().flat_map(|task| {
                    let of_task = known.get(&task.task_id).map(|known| known.reminders.as_slice());
                    planned(of_task.unwrap_or_default(), task, task.update_time)
                });
                let changed: Vec<TaskReminder> = changed.collect();
                tx.reminders_put(&known, &newer, &changed).await
            })
        })
        .await
}

pub(crate) async fn known(store: &Store, tasks: &[u128]) -> HashMap<TaskId, Known> {
    let ids: Vec<TaskId> = tasks.iter().map(|task| id(*task)).collect();
    let known: Result<_, Error> = store
        .transaction(move |tx| {
            let ids = ids.clone();
            Box::pin(async move { tx.reminders_known(&ids).await })
        })
        .await;
    known.unwrap()
}

/// The first reminder of a task.
pub(crate) async fn first(store: &Store, task: u128) -> TaskReminder {
    known(store, &[task]).await[&id(task)].reminders[0].clone()
}

/// Writes as it is said, whatever is known.
pub(crate) async fn put(
    store: &Store,
    known: &HashMap<TaskId, Known>,
    tasks: &[TaskSnapshot],
    reminders: &[TaskReminder],
) -> Result<(), Error> {
    let (known, tasks, reminders) = (known.clone(), tasks.to_vec(), reminders.to_vec());
    store
        .transaction(move |tx| {
            let (known, tasks, reminders) = (known.clone(), tasks.clone(), reminders.clone());
            Box::pin(async move { tx.reminders_put(&known, &tasks, &reminders).await })
        })
        .await
}

fn rich() -> TaskSnapshot {
    TaskSnapshot {
        title: Title::parse("Miete überweisen 🏠, \"it's\" {due}").unwrap(),
        priority: Priority::Urgent,
        due: Some(Due::On("2027-03-28".parse().unwrap())),
        time_zone: chrono_tz::Europe::Berlin,
        reminders: vec![
            Reminder {
                moment: Moment::Before(Duration::from_secs(86_400)),
                channels: vec![Channel::Push, Channel::Email],
            },
            Reminder { moment: Moment::At(at(7)), channels: vec![Channel::Webhook] },
        ],
        trace: Some(Trace { parent: "00-trace".to_owned(), state: Some("vendor=1".to_owned()) }),
        ..snapshot(1, "alice", 1, 0)
    }
}

pub(crate) async fn tasks_and_reminders_read_back_as_they_were_written(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let bare = TaskSnapshot {
        due: None,
        reminders: Vec::new(),
        open: false,
        trace: Some(Trace { parent: "00-other".to_owned(), state: None }),
        ..snapshot(2, "bob", 7, 0)
    };
    let tasks = [rich(), bare, snapshot(3, "carol", 1, 90)];
    let mut rows = planned(&[], &tasks[0], at(1));
    assert_eq!(rows.len(), 2);
    // Every state, each with and without a firing.
    let of_carol = planned(&[], &tasks[2], at(1)).remove(0);
    for (next, state) in (1..).zip(ReminderState::ALL) {
        let fired = (next % 2 == 0)
            .then(|| Firing { id: firing(next.try_into().unwrap()), time: at(40 + i64::from(next)) });
        let generation = i64::from(next);
        let row = TaskReminder { number: number(next), state, generation, firing: fired, ..of_carol.clone() };
        rows.push(TaskReminder { snoozed: next == 3, remind_at: at(80), ..row });
    }
    put(&store, &HashMap::new(), &tasks, &rows).await.unwrap();
    let before = store.statements().count();
    let found = known(&store, &[1, 2, 3, 4]).await;
    assert_eq!(store.statements().count() - before, 2);
    assert_eq!(found.len(), 3);
    for task in &tasks {
        let known = &found[&task.task_id];
        assert_eq!(known.task, *task);
        let of_task = rows.iter().filter(|row| row.task_id == task.task_id);
        assert_eq!(known.reminders, of_task.cloned().collect::<Vec<_>>());
    }
    let before = store.statements().count();
    assert!(known(&store, &[4]).await.is_empty());
    assert_eq!(store.statements().count() - before, 1, "nothing is known, so there is no more to ask");

    // The same once more, changed in everything that changes.
    let moved = TaskSnapshot {
        version: 2,
        open: false,
        title: Title::parse("other").unwrap(),
        priority: Priority::Low,
        due: Some(Due::At(at(3_600))),
        time_zone: chrono_tz::UTC,
        reminders: Vec::new(),
        trace: None,
        update_time: at(9),
        ..rich()
    };
    let changed: Vec<_> =
        found[&id(1)].reminders.iter().map(|row| row.clone().dismiss(at(9)).unwrap()).collect();
    let before = store.statements().count();
    put(&store, &found, std::slice::from_ref(&moved), &changed).await.unwrap();
    assert_eq!(store.statements().count() - before, 2);
    assert_eq!(known(&store, &[1]).await[&id(1)], Known { task: moved, reminders: changed });
}

pub(crate) async fn what_was_overtaken_is_a_conflict(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let nothing = HashMap::new();
    put(&store, &nothing, &[snapshot(1, "alice", 2, 60)], &[]).await.unwrap();
    let old = known(&store, &[1]).await;
    // Not known to be there, and so not what the reminders were planned from.
    let error = put(&store, &nothing, &[snapshot(1, "alice", 3, 60)], &[]).await.unwrap_err();
    assert!(error.is_conflict() && !error.is_unavailable() && !error.is_refused(), "{error:?}");
    for version in [1, 2] {
        let error = put(&store, &old, &[snapshot(1, "alice", version, 60)], &[]).await.unwrap_err();
        assert!(error.is_conflict(), "{version}: {error:?}");
    }
    // One that was overtaken takes the rest of its batch with it.
    let both = [snapshot(2, "alice", 1, 60), snapshot(1, "alice", 1, 60)];
    assert!(put(&store, &old, &both, &[]).await.unwrap_err().is_conflict());
    assert!(known(&store, &[2]).await.is_empty());
    put(&store, &old, &[snapshot(1, "alice", 3, 60)], &[]).await.unwrap();
    assert_eq!(known(&store, &[1]).await[&id(1)].task.version, 3);
}

async fn day_times(store: &Store, names: &[&str]) -> HashMap<String, String> {
    let users: Vec<_> = names.iter().map(|name| user(name)).collect();
    let before = store.statements().count();
    let times: Result<HashMap<_, _>, Error> = store
        .transaction(move |tx| {
            let users = users.clone();
            Box::pin(async move { tx.reminder_day_times(&users).await })
        })
        .await;
    assert_eq!(store.statements().count() - before, 1);
    times.unwrap().into_iter().map(|(user, time)| (user.to_string(), time.to_string())).collect()
}

pub(crate) async fn say(store: &Store, name: &str, time: &str, sequence: i64) -> bool {
    let (user, time) = (user(name), time.parse::<ClockTime>().unwrap());
    let said: Result<bool, Error> = store
        .transaction(move |tx| {
            let user = user.clone();
            Box::pin(async move { tx.reminder_day_time_put(&user, time, sequence).await })
        })
        .await;
    said.unwrap()
}

pub(crate) async fn the_time_of_day_is_the_one_that_was_said_last(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    assert!(say(&store, "alice", "07:30", 3).await);
    assert!(!say(&store, "alice", "08:00", 2).await && !say(&store, "alice", "08:00", 3).await);
    // Asking for somebody who never said one does not make it so.
    for _ in 0..2 {
        let times = day_times(&store, &["bob", "alice", "bob"]).await;
        assert_eq!(times, HashMap::from([("alice".to_owned(), "07:30".to_owned())]));
    }
    assert!(say(&store, "alice", "23:59", 4).await && say(&store, "bob", "00:00", 1).await);
    let times = day_times(&store, &["alice", "bob"]).await;
    assert_eq!((times["alice"].as_str(), times["bob"].as_str()), ("23:59", "00:00"));
    assert_eq!(store.reminder_day_time(&user("bob")).await.unwrap().unwrap().minutes(), 0);
    assert_eq!(store.reminder_day_time(&user("carol")).await.unwrap(), None);
}

pub(crate) async fn open_all_day_tasks_are_found_by_their_owner(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    let all_day = |task, owner| TaskSnapshot { task_id: id(task), user_id: user(owner), ..rich() };
    let mut tasks = vec![all_day(4, "alice"), all_day(3, "alice"), all_day(2, "bob")];
    tasks.push(TaskSnapshot { open: false, ..all_day(1, "alice") });
    tasks.push(snapshot(5, "alice", 1, 60));
    learn(&store, &tasks).await.unwrap();
    let found: Result<Vec<Known>, Error> =
        store.transaction(|tx| Box::pin(async move { tx.reminders_all_day_of(&user("alice")).await })).await;
    let found = found.unwrap();
    assert_eq!(found.iter().map(|known| known.task.task_id).collect::<Vec<_>>(), [id(3), id(4)]);
    assert_eq!(found[0].reminders, planned(&[], &tasks[1], at(1)));
}

pub(crate) async fn reminders_are_listed_by_instant_in_pages_that_stay(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    // Two at the same instant, and somebody else's between them.
    let tasks: Vec<_> = (1..=6_u32)
        .map(|task| {
            let second = i64::from(task - u32::from(task == 3)) * 10;
            snapshot(task.into(), if task == 5 { "bob" } else { "alice" }, 1, second)
        })
        .collect();
    learn(&store, &tasks).await.unwrap();
    let cancelled = TaskSnapshot { open: false, ..snapshot(4, "alice", 2, 40) };
    learn(&store, &[cancelled]).await.unwrap();
    let list = async |listing: Listing| {
        let before = store.statements().count();
        let (found, more) = store.reminders_list(&user("alice"), &listing).await.unwrap();
        assert_eq!(store.statements().count() - before, 1);
        let tasks: Vec<u128> = found.iter().map(|(row, _)| row.task_id.as_uuid().as_u128()).collect();
        assert!(found.iter().all(|(row, task)| row.task_id == task.task_id && task.due.is_some()));
        (tasks, more, found.last().map(|(row, _)| Cursor::of(row).unwrap()))
    };
    let all = Listing { limit: 10, ..Listing::default() };
    let (found, more, _) = list(all.clone()).await;
    assert_eq!((found, more), (vec![1, 2, 3, 4, 6], false));
    let mut after = None;
    for (expect, more) in [(vec![1, 2], true), (vec![3, 4], true), (vec![6], false)] {
        let (found, there_is_more, cursor) = list(Listing { after, limit: 2, ..Listing::default() }).await;
        assert_eq!((found, there_is_more), (expect, more));
        // A client keeps it as text.
        let text = serde_json::to_string(&cursor.unwrap()).unwrap();
        after = Some(serde_json::from_str(&text).unwrap());
    }
    let of = |states: &[ReminderState]| Listing { states: states.to_vec(), ..all.clone() };
    assert_eq!(list(of(&[ReminderState::Cancelled])).await.0, [4]);
    assert_eq!(list(of(&[ReminderState::Cancelled, ReminderState::Pending])).await.0, [1, 2, 3, 4, 6]);
    assert!(list(of(&[ReminderState::Sent])).await.0.is_empty());
    let one = |task| Listing { task_id: Some(id(task)), ..all.clone() };
    assert_eq!((list(one(2)).await.0, list(one(5)).await.0), (vec![2], vec![]));
    let between = Listing { start_time: Some(at(20)), end_time: Some(at(60)), ..all.clone() };
    assert_eq!(list(between).await.0, [2, 3, 4]);
}

pub(crate) async fn rows_that_nobody_can_have_written_are_an_error(data: &Data) {
    let store = data.stores.of(Schema::Reminders);
    for (task, broken) in [
        (1, "reminders SET state = 'LOST'"),
        (2, "reminders SET fire_time = 3"),
        (3, "reminders SET number = 11"),
        (4, "reminder_tasks SET time_zone = 'Mars/Olympus'"),
        (5, "reminder_tasks SET due_date = '2027-01-01'"),
        (6, "reminder_tasks SET priority = 9"),
    ] {
        learn(&store, &[snapshot(task, "alice", 1, 60)]).await.unwrap();
        let table = if data.kind == super::POSTGRES { "reminders." } else { "" };
        let sql = format!("UPDATE {table}{broken} WHERE user_id = 'alice'");
        data.raw.execute_unprepared(&sql).await.unwrap();
        let ids = [id(task)];
        let read: Result<_, Error> =
            store.transaction(|tx| Box::pin(async move { tx.reminders_known(&ids).await })).await;
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{broken}: {read:?}");
        let gone = format!("DELETE FROM {table}reminder_tasks WHERE user_id = 'alice'");
        data.raw.execute_unprepared(&gone).await.unwrap();
    }
}
