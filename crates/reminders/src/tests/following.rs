//! Events that are heard, and what becomes of the rows.

use bytes::Bytes;
use docket_domain::ReminderState::{Cancelled, Dismissed, Failed, Fired, Pending, Sent};
use docket_domain::{Due, FiringEnd, Instant, ReminderId, Task, TimeDelta};
use docket_sidecar::{Delivery, HandlerError};
use docket_store::Error;
use docket_store::inbox::Arrival;
use docket_wire::preferences_event::{self, PreferencesNotice};
use docket_wire::reminder_event::{self, ReminderNotice};
use uuid::Uuid;

use super::world::{World, alice, content, due_in, morning};

/// An event that says how a firing of the task's version ended.
pub(crate) fn ended(world: &World, task: &Task, firing: ReminderId, end: FiringEnd) -> Delivery {
    let kind = match end {
        FiringEnd::Sent => "com.todo.reminder.sent",
        FiringEnd::Failed | FiringEnd::CalledOff => "com.todo.reminder.failed",
    };
    world.delivery(kind, &task.id.to_string(), |id| {
        reminder_event::encode(&ReminderNotice {
            id,
            reminder_id: firing,
            task_id: task.id,
            user_id: alice(),
            task_version: task.version,
            number: docket_domain::ReminderNumber::new(1).unwrap(),
            title: "Water the plants".to_owned(),
            priority: task.content.priority,
            due: task.content.due,
            time_zone: task.content.time_zone,
            remind_at: morning(),
            fire_time: Some(morning()),
            channels: Vec::new(),
            outcomes: Vec::new(),
            called_off: end == FiringEnd::CalledOff,
        })
    })
}

fn prefers(world: &World, all_day_time: &str, sequence: i64) -> Delivery {
    world.delivery("com.todo.preferences.updated", "alice", |id| {
        let all_day_time = all_day_time.parse().unwrap();
        preferences_event::encode(&PreferencesNotice { id, user_id: alice(), sequence, all_day_time })
    })
}

#[tokio::test]
async fn a_task_has_a_row_for_each_reminder_and_loses_them_when_it_is_over() {
    let world = World::new().await;
    let due = Due::At(morning() + TimeDelta::hours(3));
    let task = world.task(content(Some(due), &[60, 30, 0])).await;
    let rows = world.rows().await;
    let at = |row: &docket_domain::TaskReminder| (row.number.get(), row.remind_at - morning());
    let expect =
        [(1, 120), (2, 150), (3, 180)].map(|(number, minutes)| (number, TimeDelta::minutes(minutes)));
    assert_eq!(rows.iter().map(at).collect::<Vec<_>>(), expect);

    let completed = world.change(task.complete(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Cancelled; 3]);
    let reopened = world.change(completed.reopen(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Pending; 3]);
    assert!(world.rows().await.iter().all(|row| row.generation == 2));
    world.change(reopened.delete(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Cancelled; 3]);
}

#[tokio::test]
async fn an_older_event_changes_nothing() {
    let world = World::new().await;
    let create = world.create(due_in(60));
    let moved = world.moved(&create.after, Due::At(morning() + TimeDelta::hours(1)));
    // As it may be when one of them was a dead letter for a while.
    world.hear(&[world.event(&moved)]).await;
    let row = world.row().await;
    world.hear(&[world.event(&create)]).await;
    assert_eq!(world.row().await, row);
    let completed = moved.after.complete(morning()).unwrap();
    let reopened = completed.after.reopen(morning()).unwrap();
    world.hear(&[world.event(&reopened), world.event(&completed)]).await;
    assert_eq!(world.row().await, row);
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let world = World::new().await;
    let create = world.event(&world.create(due_in(60)));
    world.hear(std::slice::from_ref(&create)).await;
    let row = world.row().await;
    world.hear(&[create.clone(), create]).await;
    assert_eq!(world.row().await, row);
}

#[tokio::test]
async fn a_batch_costs_as_many_statements_as_one_event() {
    let cost = async |count: usize| {
        let world = World::new().await;
        let creates: Vec<_> = (0..count).map(|_| world.create(due_in(60))).collect();
        let events: Vec<_> = creates.iter().map(|create| world.event(create)).collect();
        let before = world.stores.statements().count();
        world.hear(&events).await;
        let first = world.stores.statements().count() - before;
        let moved = creates.iter().map(|create| world.moved(&create.after, Due::At(morning())));
        let moved: Vec<_> = moved.map(|change| world.event(&change)).collect();
        let before = world.stores.statements().count();
        world.hear(&moved).await;
        assert!(world.rows().await.iter().all(|row| row.generation == 2));
        (first, world.stores.statements().count() - before - 1)
    };
    let one = cost(1).await;
    assert_eq!(cost(100).await, one);
    assert!(one.0 <= 5 && one.1 <= 5, "{one:?}");
}

#[tokio::test]
async fn a_firing_ends_as_it_is_told() {
    for (end, expect) in [(FiringEnd::Sent, Sent), (FiringEnd::Failed, Failed)] {
        let mut world = World::new().await;
        let task = world.task(due_in(60)).await;
        world.turn().await;
        world.clock.pass(60);
        world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
        let firing = world.row().await.firing.unwrap().id;
        let other = ReminderId::from_uuid(uuid::Uuid::from_u128(77));
        world.hear(&[ended(&world, &task, other, end)]).await;
        assert_eq!(world.row().await.state, Fired, "it was another firing");
        world.hear(&[ended(&world, &task, firing, end)]).await;
        assert_eq!(world.row().await.state, expect);
        // In one batch with what comes after it.
        let moved = world.moved(&task, Due::At(morning() + TimeDelta::hours(1)));
        world.hear(&[ended(&world, &task, firing, end), world.event(&moved)]).await;
        assert_eq!(world.row().await.state, Pending);
    }
}

/// A world whose reminder was fired, and the firing.
async fn fired() -> (World, Task, ReminderId) {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    world.clock.pass(60);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    let firing = world.row().await.firing.unwrap().id;
    (world, task, firing)
}

#[tokio::test]
async fn what_is_called_off_before_the_end_of_the_task_is_heard_is_set_again_when_that_is_reopened() {
    let (world, task, firing) = fired().await;
    world.hear(&[ended(&world, &task, firing, FiringEnd::CalledOff)]).await;
    assert_eq!(
        world.states().await,
        [Cancelled],
        "not set again while the task is not heard to have changed"
    );
    let completed = world.change(task.complete(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Cancelled]);
    world.change(completed.reopen(morning()).unwrap()).await;
    let row = world.row().await;
    assert_eq!((row.state, row.generation, row.firing), (Pending, 2, None));
}

#[tokio::test]
async fn what_is_called_off_after_the_task_was_reopened_is_set_again_at_once() {
    let (world, task, firing) = fired().await;
    let completed = world.change(task.complete(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Cancelled]);
    world.change(completed.reopen(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Fired], "its message may be out");
    world.hear(&[ended(&world, &task, firing, FiringEnd::CalledOff)]).await;
    assert_eq!(world.states().await, [Pending]);
    // And not while the task is over.
    let (world, task, firing) = fired().await;
    world.change(task.complete(morning()).unwrap()).await;
    world.hear(&[ended(&world, &task, firing, FiringEnd::CalledOff)]).await;
    assert_eq!(world.states().await, [Cancelled]);
}

#[tokio::test]
async fn what_failed_is_not_set_again_by_a_change_that_does_not_move_it() {
    let (world, task, firing) = fired().await;
    world.hear(&[ended(&world, &task, firing, FiringEnd::Failed)]).await;
    let completed = world.change(task.complete(morning()).unwrap()).await;
    world.change(completed.reopen(morning()).unwrap()).await;
    assert_eq!(world.states().await, [Failed]);
}

#[tokio::test]
async fn reminders_of_all_day_tasks_follow_the_time_that_the_user_prefers() {
    let world = World::new().await;
    let day = Due::On("2027-01-05".parse().unwrap());
    world.task(content(Some(day), &[0])).await;
    let at = async |expect: &str| {
        assert_eq!(world.row().await.remind_at, expect.parse::<Instant>().unwrap());
    };
    at("2027-01-05T08:00:00Z").await;
    world.hear(&[prefers(&world, "07:30", 1)]).await;
    at("2027-01-05T06:30:00Z").await;
    world.hear(&[prefers(&world, "10:00", 3), prefers(&world, "11:00", 2)]).await;
    at("2027-01-05T09:00:00Z").await;
    world.hear(&[prefers(&world, "11:00", 2)]).await;
    at("2027-01-05T09:00:00Z").await;
    // Later tasks, too, and those that have a time do not care.
    world.task(content(Some(day), &[60])).await;
    world.task(due_in(60)).await;
    let moments: Vec<_> = world.rows().await.iter().map(|row| row.remind_at.to_rfc3339()).collect();
    let expect = ["2027-01-01T09:01:00+00:00", "2027-01-05T08:00:00+00:00", "2027-01-05T09:00:00+00:00"];
    assert_eq!(moments, expect);
}

#[tokio::test]
async fn a_preference_and_a_task_may_come_together() {
    let world = World::new().await;
    let day = Due::On("2027-01-05".parse().unwrap());
    let create = world.create(content(Some(day), &[0]));
    world.hear(&[world.event(&create), prefers(&world, "07:30", 1)]).await;
    assert_eq!(world.row().await.remind_at, "2027-01-05T06:30:00Z".parse::<Instant>().unwrap());
    assert_eq!(world.row().await.generation, 1);
}

#[tokio::test]
async fn what_was_dismissed_stays_so_until_it_moves() {
    let world = World::new().await;
    let task = world.task(due_in(60)).await;
    super::service::dismiss(&world, &task).await.unwrap();
    let completed = world.change(task.complete(morning()).unwrap()).await;
    let reopened = world.change(completed.reopen(morning()).unwrap()).await;
    assert_eq!(world.row().await.state, Dismissed);
    world.change(world.moved(&reopened, Due::At(morning() + TimeDelta::hours(1)))).await;
    assert_eq!(world.row().await.state, Pending);
}

#[tokio::test]
async fn a_task_that_is_for_it_alone_is_heard_whatever_the_inbox_says() {
    let world = World::new().await;
    let created = world.create(due_in(60));
    let event = world.event(&created);
    let arrival = Arrival { event: event.event_id, replay: None };
    let done: Result<bool, Error> =
        world.store.transaction(|tx| Box::pin(tx.inbox_begin("reminders", &arrival, morning()))).await;
    assert!(done.unwrap(), "as it is when the rows are lost and the inbox is not");
    let again = |number: u128, handler: Option<&str>| {
        let replay = ("docket-replay".to_owned(), Uuid::from_u128(number).to_string());
        let handler = handler.map(|name| ("docket-handler".to_owned(), name.to_owned()));
        Delivery { metadata: [replay].into_iter().chain(handler).collect(), ..event.clone() }
    };
    world.hear(&[event.clone(), again(1, None)]).await;
    assert!(world.rows().await.is_empty(), "it was done with before");
    world.hear(&[again(2, Some("reminders"))]).await;
    let row = world.row().await;
    assert_eq!((row.state, row.generation), (Pending, 1));
    world.hear(&[again(2, Some("reminders")), again(3, Some("reminders"))]).await;
    assert_eq!(world.row().await, row, "once");
    let completed = world.change(created.after.complete(morning()).unwrap()).await;
    world.hear(&[again(4, Some("reminders"))]).await;
    assert_eq!(
        (world.states().await, completed.version),
        (vec![Cancelled], 2),
        "versions have the last word"
    );
}

#[tokio::test]
async fn what_can_not_be_read_is_named_before_anything_is_stored() {
    let world = World::new().await;
    let good = world.event(&world.create(due_in(60)));
    let strange = Delivery { event_type: "com.todo.task.painted".to_owned(), ..good.clone() };
    let broken = |event_type: &str| Delivery {
        event_type: event_type.to_owned(),
        data: Bytes::from_static(b"{}"),
        ..good.clone()
    };
    let batch = [
        good.clone(),
        strange,
        broken("com.todo.task.created"),
        broken("com.todo.reminder.sent"),
        broken("com.todo.preferences.updated"),
    ];
    let batch: Vec<&Delivery> = batch.iter().collect();
    let failed = world.target.handler.handle_all(&batch).await.unwrap_err();
    assert!(matches!(&failed, HandlerError::HopelessAmong(places) if places == &[1, 2, 3, 4]), "{failed:?}");
    assert!(world.rows().await.is_empty());
    // What this target says itself is not for it.
    for event_type in ["com.todo.reminder.due", "com.todo.reminder.missed"] {
        world.hear(&[Delivery { event_type: event_type.to_owned(), ..good.clone() }]).await;
    }
    assert!(world.rows().await.is_empty());
}
