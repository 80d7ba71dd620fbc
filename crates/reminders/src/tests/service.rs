//! `ReminderService`.

use std::collections::BTreeSet;

use docket_domain::{Due, Task, TimeDelta, UserId};
use docket_proto::v1::reminder_service_server::ReminderService as _;
use docket_proto::v1::snooze_reminder_request::Until;
use docket_proto::v1::task_reminder::State;
use docket_proto::v1::{
    CheckRemindersRequest, DismissReminderRequest, ListRemindersRequest, ListRemindersResponse,
    SnoozeReminderRequest, TaskReminder,
};
use docket_rpc::{Caller, Port};
use docket_wire::timestamp;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::world::{World, alice, content, due_in, morning};

fn by<T>(user: &str, message: T) -> Request<T> {
    let user: UserId = user.parse().unwrap();
    let mut request = Request::new(message);
    request.extensions_mut().insert(Caller {
        subject: user.clone(),
        user: Some(user),
        service: false,
        scopes: BTreeSet::new(),
        port: Port::Public,
    });
    request
}

fn by_service<T>(message: T) -> Request<T> {
    let mut request = by("docket", message);
    let caller = request.extensions_mut().get_mut::<Caller>().unwrap();
    (caller.user, caller.service, caller.port) = (None, true, Port::App);
    request
}

async fn list(world: &World, request: ListRemindersRequest) -> Result<ListRemindersResponse, Status> {
    Ok(world.service().list_reminders(by("alice", request)).await?.into_inner())
}

async fn snooze(world: &World, task: &Task, until: Until) -> Result<TaskReminder, Status> {
    let request = SnoozeReminderRequest { task_id: task.id.to_string(), number: 1, until: Some(until) };
    Ok(world.service().snooze_reminder(by("alice", request)).await?.into_inner())
}

pub(crate) async fn dismiss(world: &World, task: &Task) -> Result<TaskReminder, Status> {
    let request = DismissReminderRequest { task_id: task.id.to_string(), number: 1 };
    Ok(world.service().dismiss_reminder(by("alice", request)).await?.into_inner())
}

fn in_an_hour() -> Until {
    Until::RemindTime(timestamp(morning() + TimeDelta::hours(1)))
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("an ErrorInfo").reason
}

/// Has the only reminder ring.
async fn fire(world: &mut World) -> docket_domain::ReminderId {
    world.turn().await;
    world.clock.pass(60);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    world.row().await.firing.unwrap().id
}

async fn stands(world: &World, firing: docket_domain::ReminderId) -> bool {
    let request = CheckRemindersRequest { reminder_ids: vec![firing.to_string()] };
    let answer = world.service().check_reminders(by_service(request)).await.unwrap().into_inner();
    answer.standing_reminder_ids == [firing.to_string()]
}

#[tokio::test]
async fn a_user_sees_the_own_reminders_page_by_page() {
    let world = World::new().await;
    for seconds in [300, 100, 200] {
        world.task(due_in(seconds)).await;
    }
    let day = Due::On("2027-01-05".parse().unwrap());
    world.task(content(Some(day), &[60])).await;
    let mut request = ListRemindersRequest { page_size: 3, ..Default::default() };
    let first = list(&world, request.clone()).await.unwrap();
    let at = |answer: &ListRemindersResponse| -> Vec<i64> {
        answer.reminders.iter().map(|one| one.remind_time.unwrap().seconds - morning().timestamp()).collect()
    };
    assert_eq!(at(&first), [100, 200, 300]);
    let one = &first.reminders[0];
    assert_eq!((one.title.as_str(), one.number, one.state()), ("Water the plants", 1, State::Pending));
    assert_eq!(one.due_time, one.remind_time);
    request.page_token = first.next_page_token;
    let second = list(&world, request.clone()).await.unwrap();
    assert_eq!((second.reminders.len(), second.next_page_token.as_str()), (1, ""));
    let due = "2027-01-05T08:00:00Z".parse().unwrap();
    assert_eq!(second.reminders[0].due_time, Some(timestamp(due)), "the moment of the day that counts");

    let of_task = ListRemindersRequest { task_id: one.task_id.clone(), ..Default::default() };
    assert_eq!(list(&world, of_task.clone()).await.unwrap().reminders.len(), 1);
    let of_bob = world.service().list_reminders(by("bob", of_task)).await.unwrap().into_inner();
    assert!(of_bob.reminders.is_empty());
    let states = vec![State::Fired.into(), State::Sent.into()];
    let fired = list(&world, ListRemindersRequest { states, ..Default::default() }).await.unwrap();
    assert!(fired.reminders.is_empty());
    let other = ListRemindersRequest { task_id: one.task_id.clone(), ..request };
    assert_eq!(reason(&list(&world, other).await.unwrap_err()), "INVALID_PAGE_TOKEN");
}

#[tokio::test]
async fn a_reminder_that_is_put_off_is_given_then_and_its_old_alarm_is_stale() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    let stale = world.scheduler.alarms().remove(0);
    let snoozed = snooze(&world, &task, in_an_hour()).await.unwrap();
    assert!(snoozed.snoozed);
    assert_eq!(snoozed.remind_time, Some(timestamp(morning() + TimeDelta::hours(1))));
    let again = snooze(&world, &task, in_an_hour()).await.unwrap();
    assert_eq!(again, snoozed, "repeating it does nothing");
    assert_eq!(world.row().await.generation, 2);
    world.turn().await;
    world.clock.pass(60);
    world.trigger(&stale).await.unwrap();
    assert!(world.outbox("reminders").await.is_empty());
    world.clock.pass(3_540);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    assert_eq!(world.outbox("reminders").await.len(), 1);
}

#[tokio::test]
async fn what_is_on_its_way_does_not_stand_after_it_was_put_off_or_dismissed() {
    for put_off in [true, false] {
        let mut world = World::new().await;
        let task = world.task(due_in(60)).await;
        let firing = fire(&mut world).await;
        assert!(stands(&world, firing).await);
        match put_off {
            true => assert_eq!(snooze(&world, &task, in_an_hour()).await.unwrap().state(), State::Pending),
            false => assert_eq!(dismiss(&world, &task).await.unwrap().state(), State::Dismissed),
        }
        assert!(!stands(&world, firing).await);
    }
}

#[tokio::test]
async fn what_is_dismissed_is_not_given_and_stays_so() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    world.turn().await;
    let first = dismiss(&world, &task).await.unwrap();
    world.clock.pass(60);
    assert_eq!(dismiss(&world, &task).await.unwrap(), first);
    world.trigger(&world.scheduler.alarms()[0]).await.unwrap();
    world.clock.pass(60);
    world.turn().await;
    assert!(world.outbox("reminders").await.is_empty());
}

#[tokio::test]
async fn what_its_state_forbids_is_refused() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    let firing = fire(&mut world).await;
    world.hear(&[super::following::ended(&world, &task, firing, true)]).await;
    let refused = async |outcome: Result<TaskReminder, Status>, state: &str| {
        let status = outcome.unwrap_err();
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::FailedPrecondition, "REMINDER_STATE"));
        assert_eq!((info.metadata["state"].as_str(), info.metadata["number"].as_str()), (state, "1"));
        assert_eq!(info.metadata["task_id"], task.id.to_string());
    };
    refused(dismiss(&world, &task).await, "SENT").await;
    assert_eq!(snooze(&world, &task, in_an_hour()).await.unwrap().state(), State::Pending, "once more");
    let completed = task.complete(morning()).unwrap();
    world.change(completed).await;
    refused(snooze(&world, &task, in_an_hour()).await, "CANCELLED").await;
    refused(dismiss(&world, &task).await, "CANCELLED").await;
}

#[tokio::test]
async fn what_was_given_is_not_given_again_for_a_task_that_is_over() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    let firing = fire(&mut world).await;
    world.hear(&[super::following::ended(&world, &task, firing, true)]).await;
    world.change(task.complete(morning()).unwrap()).await;
    let status = snooze(&world, &task, in_an_hour()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REMINDER_STATE"));
    assert!(status.message().contains("the task is over"), "{status:?}");
}

#[tokio::test]
async fn nobody_elses_reminders_are_there() {
    let world = World::new().await;
    let task = world.task(due_in(60)).await;
    let request = DismissReminderRequest { task_id: task.id.to_string(), number: 1 };
    let of_bob = world.service().dismiss_reminder(by("bob", request.clone())).await.unwrap_err();
    let request = DismissReminderRequest { number: 2, ..request };
    let second = world.service().dismiss_reminder(by(alice().as_str(), request)).await.unwrap_err();
    for status in [of_bob, second] {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "REMINDER_NOT_FOUND"));
    }
}

#[tokio::test]
async fn only_docket_itself_asks_which_firings_stand() {
    let world = World::new().await;
    let request = CheckRemindersRequest { reminder_ids: vec![uuid::Uuid::from_u128(1).to_string()] };
    let status = world.service().check_reminders(by("alice", request.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let answer = world.service().check_reminders(by_service(request)).await.unwrap().into_inner();
    assert!(answer.standing_reminder_ids.is_empty(), "an unknown one does not");
    let status = world.service().check_reminders(by_service(CheckRemindersRequest::default())).await;
    assert_eq!(status.unwrap_err().code(), Code::InvalidArgument);
}
