//! Calls about reminders, preferences and messages that are repeated with their `request_id`: as with those about tasks, the
//! first answer again, and no second effect.

use std::fmt::Debug;

use docket_proto::v1;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::snooze_reminder_request::Until;
use futures::future::join_all;
use pbjson_types::Duration;
use tonic::{Response, Status};

use crate::audit::deliver;
use crate::harness::{Api, Caller, due_at, outcome, uuid};

/// A mutation that may be repeated.
#[derive(Clone)]
enum Call {
    Snooze(v1::SnoozeReminderRequest),
    Dismiss(v1::DismissReminderRequest),
    Update(Box<v1::UpdatePreferencesRequest>),
    Test(v1::SendTestNotificationRequest),
}

impl Call {
    /// What is answered, as it can be compared whatever it is.
    async fn make(&self, caller: &Caller) -> Result<String, Status> {
        fn text<T: Debug>(answer: Response<T>) -> String {
            format!("{:?}", answer.into_inner())
        }
        let (mut reminders, mut notifications) = (caller.reminders(), caller.notifications());
        match self.clone() {
            Self::Snooze(request) => reminders.snooze_reminder(request).await.map(text),
            Self::Dismiss(request) => reminders.dismiss_reminder(request).await.map(text),
            Self::Update(request) => notifications.update_preferences(*request).await.map(text),
            Self::Test(request) => notifications.send_test_notification(request).await.map(text),
        }
    }
}

fn snooze(request_id: &str, task_id: &str, seconds: i64) -> Call {
    let (task_id, request_id) = (task_id.to_owned(), request_id.to_owned());
    let until = Some(Until::Delay(Duration { seconds, nanos: 0 }));
    Call::Snooze(v1::SnoozeReminderRequest { task_id, number: 1, until, request_id })
}

fn dismiss(request_id: &str, task_id: &str) -> Call {
    let (task_id, request_id) = (task_id.to_owned(), request_id.to_owned());
    Call::Dismiss(v1::DismissReminderRequest { task_id, number: 1, request_id })
}

fn update(request_id: &str, locale: &str) -> Call {
    let preferences = Some(v1::Preferences { locale: locale.to_owned(), ..Default::default() });
    let request_id = request_id.to_owned();
    let request = v1::UpdatePreferencesRequest { preferences, request_id, ..Default::default() };
    Call::Update(Box::new(request))
}

fn test(request_id: &str, channel: Channel) -> Call {
    let request_id = request_id.to_owned();
    Call::Test(v1::SendTestNotificationRequest { channel: channel.into(), request_id })
}

/// A task of Alice's that has a reminder.
async fn task(api: &Api) -> String {
    let task = api.user("alice").create(due_at("Pay the rent", "2027-03-01T09:00:00Z")).await;
    deliver(api, 1).await;
    task.task_id
}

async fn deliveries(caller: &Caller) -> Vec<v1::Delivery> {
    let request = v1::ListDeliveriesRequest::default();
    caller.notifications().list_deliveries(request).await.unwrap().into_inner().deliveries
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_whatever_happened_since() {
    let api = Api::start().await;
    let task = task(&api).await;
    let alice = api.caller("alice");
    let ids: [String; 6] = std::array::from_fn(|_| uuid());
    let calls = [
        snooze(&ids[0], &task, 60),
        dismiss(&ids[1], &task),
        snooze(&ids[2], &task, 86_400),
        update(&ids[3], "de"),
        update(&ids[4], "en"),
        test(&ids[5], Channel::Email),
    ];
    let mut answers = Vec::new();
    for call in &calls {
        answers.push(call.make(&alice).await.unwrap());
    }
    let listed = async || {
        let request = v1::ListRemindersRequest::default();
        alice.reminders().list_reminders(request).await.unwrap().into_inner().reminders
    };
    let reminders = listed().await;
    // Each would do something else, or be refused, were it made for the first time now.
    for (call, answer) in calls.iter().zip(&answers).rev() {
        assert_eq!(call.make(&alice).await.unwrap(), *answer);
    }
    assert_eq!(listed().await, reminders, "no repetition had an effect");
    let get = v1::GetPreferencesRequest {};
    let preferences = alice.notifications().get_preferences(get).await.unwrap().into_inner();
    assert_eq!((preferences.locale.as_str(), preferences.etag.as_str()), ("en", "p2"));
    assert_eq!(deliveries(&alice).await.len(), 1, "one test");
}

#[tokio::test]
async fn a_request_id_is_good_for_one_call_and_each_user_has_ones_own() {
    let api = Api::start().await;
    let task = task(&api).await;
    let alice = api.caller("alice");
    let [reminding, notifying] = [uuid(), uuid()];
    snooze(&reminding, &task, 60).make(&alice).await.unwrap();
    update(&notifying, "de").make(&alice).await.unwrap();
    for (call, used) in [
        (snooze(&reminding, &task, 61), &reminding),
        (dismiss(&reminding, &task), &reminding),
        (update(&notifying, "en"), &notifying),
        (test(&notifying, Channel::Email), &notifying),
    ] {
        let expect = format!("AlreadyExists REQUEST_ID_REUSED request_id={used}");
        assert_eq!(outcome(&call.make(&alice).await), expect);
    }
    assert!(deliveries(&alice).await.is_empty());
    let bob = api.caller("bob");
    update(&notifying, "en").make(&bob).await.unwrap();
    let expect = format!("NotFound REMINDER_NOT_FOUND number=1 task_id={task}");
    assert_eq!(outcome(&snooze(&reminding, &task, 60).make(&bob).await), expect, "nothing of hers is told");
}

#[tokio::test]
async fn a_call_that_was_refused_may_be_made_again() {
    let api = Api::start().await;
    let alice = api.caller("alice");
    let tests = [uuid(), uuid()].map(|id| test(&id, Channel::Email));
    tests[0].make(&alice).await.unwrap();
    assert!(outcome(&tests[1].make(&alice).await).starts_with("ResourceExhausted RATE_LIMITED"));
    tests[0].make(&alice).await.unwrap();
    assert_eq!(deliveries(&alice).await.len(), 1);
    let unknown = dismiss(&uuid(), &uuid());
    for _ in 0..2 {
        assert!(outcome(&unknown.make(&alice).await).starts_with("NotFound REMINDER_NOT_FOUND"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_the_same_time_have_one_effect() {
    const AT_ONCE: usize = 16;
    let api = Api::start().await;
    let task = task(&api).await;
    let alice = api.caller("alice");
    for call in [
        snooze(&uuid(), &task, 3_600),
        dismiss(&uuid(), &task),
        update(&uuid(), "de"),
        test(&uuid(), Channel::Email),
    ] {
        let answers = join_all((0..AT_ONCE).map(|_| call.make(&alice))).await;
        let mut answers: Vec<String> = answers.into_iter().map(Result::unwrap).collect();
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
    assert_eq!(deliveries(&alice).await.len(), 1, "one test");
    // Without a request id each is a call of its own, and the limit lets one through.
    let webhook = test("", Channel::Webhook);
    let answers = join_all((0..AT_ONCE).map(|_| webhook.make(&alice))).await;
    assert_eq!(answers.iter().filter(|answer| outcome(answer) == "OK").count(), 1);
    assert_eq!(deliveries(&alice).await.len(), 2);
}
