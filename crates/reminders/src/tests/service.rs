//! `ReminderService`.

use std::collections::BTreeSet;

use docket_domain::{Clock as _, Content, Due, ReminderState, SeriesId, Task, TimeDelta, Title, UserId};
use docket_proto::v1::reminder_service_server::ReminderService as _;
use docket_proto::v1::snooze_reminder_request::Until;
use docket_proto::v1::task_reminder::State;
use docket_proto::v1::{
    CheckRemindersRequest, DismissReminderRequest, ListRemindersRequest, ListRemindersResponse,
    SnoozeReminderRequest, TaskReminder,
};
use docket_rpc::{Caller, Port};
use docket_wire::timestamp;
use tonic::{Code, Request, Response, Status};
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
    let task_id = task.id.to_string();
    let request = SnoozeReminderRequest { task_id, number: 1, until: Some(until), ..Default::default() };
    Ok(world.service().snooze_reminder(by("alice", request)).await?.into_inner())
}

pub(crate) async fn dismiss(world: &World, task: &Task) -> Result<TaskReminder, Status> {
    let request = DismissReminderRequest { task_id: task.id.to_string(), number: 1, ..Default::default() };
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
    let named: Vec<&String> = answer.standing.iter().map(|one| &one.reminder_id).collect();
    assert_eq!(named, answer.standing_reminder_ids.iter().collect::<Vec<_>>(), "both say the same");
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
async fn who_asks_whether_a_firing_stands_is_told_of_which_version_of_its_task_that_is_said() {
    let mut world = World::new().await;
    let task = world.task(due_in(60)).await;
    let firing = fire(&mut world).await;
    let told = async || {
        let request = CheckRemindersRequest { reminder_ids: vec![firing.to_string()] };
        let answer = world.service().check_reminders(by_service(request)).await.unwrap().into_inner();
        let [one] = answer.standing.as_slice() else { panic!("{answer:?}") };
        assert_eq!(one.task_id, task.id.to_string());
        one.task_version
    };
    assert_eq!(told().await, task.version);
    let renamed = Content { title: Title::parse("Water them well").unwrap(), ..task.content.clone() };
    let change = task.clone().update(renamed, SeriesId::from_uuid(uuid::Uuid::from_u128(1)), morning());
    world.change(change.unwrap().unwrap()).await;
    assert_eq!(told().await, task.version + 1, "that is heard now, and the firing stands all the same");
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
    world.hear(&[super::following::ended(&world, &task, firing, docket_domain::FiringEnd::Sent)]).await;
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
    world.hear(&[super::following::ended(&world, &task, firing, docket_domain::FiringEnd::Sent)]).await;
    world.change(task.complete(morning()).unwrap()).await;
    let status = snooze(&world, &task, in_an_hour()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REMINDER_STATE"));
    assert!(status.message().contains("the task is over"), "{status:?}");
}

#[tokio::test]
async fn a_call_that_is_repeated_gets_the_first_answer_though_the_world_has_moved_on() {
    let world = World::new().await;
    let task = world.task(due_in(60)).await;
    let [one, two] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()].map(|id| id.to_string());
    let snooze = async |until: Until, request_id: &str| {
        let (task_id, request_id) = (task.id.to_string(), request_id.to_owned());
        let request = SnoozeReminderRequest { task_id, number: 1, until: Some(until), request_id };
        world.service().snooze_reminder(by("alice", request)).await.map(Response::into_inner)
    };
    let dismiss = async |request_id: &str| {
        let (task_id, request_id) = (task.id.to_string(), request_id.to_owned());
        let request = DismissReminderRequest { task_id, number: 1, request_id };
        world.service().dismiss_reminder(by("alice", request)).await.map(Response::into_inner)
    };
    let sent = || world.store.statements().count();
    let before = sent();
    let half = Until::RemindTime(timestamp(morning() + TimeDelta::minutes(30)));
    snooze(half, "").await.unwrap();
    let plain = sent() - before;
    let snoozed = snooze(in_an_hour(), &one).await.unwrap();
    assert_eq!(sent() - before, plain + plain + 2, "the request id, and the answer");
    let dismissed = dismiss(&two).await.unwrap();
    assert_eq!((snoozed.state(), dismissed.state()), (State::Pending, State::Dismissed));
    assert_eq!(snooze(in_an_hour(), &one).await.unwrap(), snoozed);
    assert_eq!(world.row().await.state, ReminderState::Dismissed, "it was not put off again");
    // The instant is over, and the task is.
    world.clock.pass(2 * 3_600);
    world.change(task.complete(world.clock.now()).unwrap()).await;
    assert_eq!(snooze(in_an_hour(), &one).await.unwrap(), snoozed);
    assert_eq!(dismiss(&two).await.unwrap(), dismissed);
    let late = snooze(in_an_hour(), &uuid::Uuid::new_v4().to_string()).await.unwrap_err();
    assert_eq!((late.code(), reason(&late).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    for reused in [snooze(in_an_hour(), &two).await, dismiss(&one).await] {
        let reused = reused.unwrap_err();
        assert_eq!((reused.code(), reason(&reused).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    }
}

#[tokio::test]
async fn nobody_elses_reminders_are_there() {
    let world = World::new().await;
    let task = world.task(due_in(60)).await;
    let request = DismissReminderRequest { task_id: task.id.to_string(), number: 1, ..Default::default() };
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
