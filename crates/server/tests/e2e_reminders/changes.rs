//! What a user does to a task or to a reminder, before, at and after its moment.

use docket_domain::TimeDelta;
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task::Due;
use docket_proto::v1::task_reminder::State;
use docket_testkit::callback::JobEvent;
use docket_testkit::repeating;
use pbjson_types::FieldMask;
use serde_json::json;

use crate::person::{Person, ahead, due_at, instant, reminded_at};
use crate::until;
use crate::world::World;

const ONE_MAIL: [(Channel, Sent); 1] = [(Channel::Email, Sent::Sent)];

/// Moves the due time of a task.
async fn move_to(person: &Person, task: &v1::Task, due: docket_domain::Instant) -> v1::Task {
    let task = v1::Task { due: Some(Due::DueTime(due.into())), ..task.clone() };
    let update_mask = Some(FieldMask { paths: vec!["due_time".to_owned()] });
    let request = v1::UpdateTaskRequest { task: Some(task), update_mask, ..Default::default() };
    person.user.tasks().update_task(request).await.unwrap().into_inner()
}

/// Brings the alarm of a task's first reminder, as it was set for its first or a later moment, to docket again.
async fn ring(world: &World, task: &v1::Task, generation: i64) {
    let name = format!("reminder-task-{}-1", task.task_id);
    let data = json!({"task_id": task.task_id, "number": 1, "generation": generation}).to_string();
    let job = JobEvent::new(&name, data.as_bytes());
    // The answer to a stale one is no error: the scheduler would bring it again without end.
    world.stack.sidecar().job_event(job).await.unwrap();
}

#[tokio::test]
async fn a_reminder_moves_with_its_task() {
    let world = World::shared().await;
    let dave = world.person("dave").await;
    let task = dave.user.create(due_at("Swim", ahead(3_000), &[0])).await;
    let first = dave.expect_reminders(&task, &[State::Pending]).await;
    let moved = move_to(&dave, &task, ahead(6_000)).await;
    docket_testkit::wait_for("a reminder that has moved", docket_testkit::PATIENCE, async || {
        let reminders = dave.reminders(Some(&task)).await.unwrap();
        let same = reminders[0].remind_time == first[0].remind_time;
        if same { Err(format!("{reminders:?}")) } else { Ok(()) }
    })
    .await;
    // The alarm of the moment that it had does nothing, before that moment, and after it.
    ring(world, &task, 1).await;
    until(instant(first[0].remind_time) + TimeDelta::milliseconds(1)).await;
    ring(world, &task, 1).await;
    let reminders = dave.expect_reminders(&task, &[State::Pending]).await;
    assert_eq!(Some(Due::DueTime(reminders[0].remind_time.unwrap())), moved.due);

    let reminders = dave.expect_reminders(&task, &[State::Sent]).await;
    let rows = dave.expect_ledger(&task, &ONE_MAIL).await;
    assert_eq!(Some(Due::DueTime(rows[0].remind_time.unwrap())), moved.due);
    // Nor do alarms that ring again when all is over.
    for generation in 1..=3 {
        ring(world, &task, generation).await;
    }
    world.stack.settled().await;
    assert_eq!(dave.expect_reminders(&task, &[State::Sent]).await, reminders);
    dave.expect_ledger(&task, &ONE_MAIL).await;
    dave.expect_told(&task, &["sent"]).await;
    assert_eq!(world.mail.messages_of(&dave.email).await.len(), 1);
}

#[tokio::test]
async fn who_has_done_it_or_deleted_it_is_not_reminded() {
    let world = World::shared().await;
    let erin = world.person("erin").await;
    let moment = ahead(3_000);
    let [done, deleted] = ["Done", "Deleted"].map(|title| reminded_at(title, &[moment]));
    let (done, deleted) = (erin.user.create(done).await, erin.user.create(deleted).await);
    erin.user.complete(&done).await;
    let request = v1::DeleteTaskRequest { task_id: deleted.task_id.clone(), ..Default::default() };
    erin.user.tasks().delete_task(request).await.unwrap();
    // One that is due after them is the proof that their moment has passed.
    let later = erin.user.create(reminded_at("Later", &[moment + TimeDelta::seconds(1)])).await;
    erin.expect_reminders(&later, &[State::Sent]).await;
    for task in [&done, &deleted] {
        erin.expect_reminders(task, &[State::Cancelled]).await;
        erin.expect_ledger(task, &[]).await;
        erin.expect_told(task, &[]).await;
    }
    assert_eq!(world.mail.messages_of(&erin.email).await.len(), 1);
}

#[tokio::test]
async fn the_next_occurrence_has_reminders_of_its_own() {
    let world = World::shared().await;
    let frank = world.person("frank").await;
    // The rule's next instant after a day that has passed is in a few seconds.
    let due = ahead(5_000) - TimeDelta::days(1);
    let mut task = repeating("Stretch", Pattern::Daily, &due.to_rfc3339(), "UTC");
    task.reminders = due_at("", due, &[1, 2]).reminders;
    let task = frank.user.create(task).await;
    frank.user.complete(&task).await;
    let next = frank.user.successor_of(&task).await;
    let reminders = frank.expect_reminders(&next, &[State::Sent; 2]).await;
    let moments: Vec<_> = reminders.iter().map(|one| instant(one.remind_time)).collect();
    let expect = [1, 2].map(|before| due + TimeDelta::days(1) - TimeDelta::seconds(before));
    assert_eq!(moments, expect);
    frank.expect_ledger(&next, &[(Channel::Email, Sent::Sent); 2]).await;
}

#[tokio::test]
async fn a_reminder_can_be_put_off_and_given_once_more() {
    let world = World::shared().await;
    let grace = world.person("grace").await;
    let task = grace.user.create(reminded_at("Read", &[ahead(60_000)])).await;
    let before = grace.expect_reminders(&task, &[State::Pending]).await;
    let moment = ahead(2_000);
    let snoozed = grace.snooze(&task, 1, moment).await.unwrap();
    assert_eq!((snoozed.state(), snoozed.snoozed), (State::Pending, true));
    let first = grace.expect_reminders(&task, &[State::Sent]).await;
    assert_eq!(instant(first[0].remind_time), moment);
    assert!(moment < instant(before[0].remind_time));

    // After it was given: once more, as another firing.
    grace.snooze(&task, 1, ahead(1_500)).await.unwrap();
    let rows = grace.expect_ledger(&task, &[(Channel::Email, Sent::Sent); 2]).await;
    assert_ne!(rows[0].reminder_id, rows[1].reminder_id);
    grace.expect_reminders(&task, &[State::Sent]).await;
    grace.expect_told(&task, &["sent"; 2]).await;
    assert_eq!(world.mail.messages_of(&grace.email).await.len(), 2);
}

#[tokio::test]
async fn a_reminder_that_was_dismissed_does_not_come() {
    let world = World::shared().await;
    let heidi = world.person("heidi").await;
    let moment = ahead(3_000);
    let task = heidi.user.create(reminded_at("Iron", &[moment, moment + TimeDelta::seconds(1)])).await;
    heidi.expect_reminders(&task, &[State::Pending; 2]).await;
    let dismissed = heidi.dismiss(&task, 1).await.unwrap();
    assert_eq!(dismissed.state(), State::Dismissed);
    assert_eq!(heidi.dismiss(&task, 1).await.unwrap(), dismissed, "once more changes nothing");
    heidi.expect_reminders(&task, &[State::Dismissed, State::Sent]).await;
    heidi.expect_ledger(&task, &ONE_MAIL).await;
    assert_eq!(world.mail.messages_of(&heidi.email).await.len(), 1);
    let refused = heidi.dismiss(&task, 2).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "it was given: {refused}");
}
