//! Tests that are asked for again, at the same time, and after whoever sent the first one was interrupted.

use docket_proto::v1;
use docket_proto::v1::notification_service_server::NotificationService as _;
use futures::future::join_all;
use tonic::{Code, Response, Status};

use super::service::{call, reason, service};
use super::*;
use crate::service::Service;

const AT_ONCE: usize = 8;

pub(super) fn request(channel: Way, request_id: &str) -> v1::SendTestNotificationRequest {
    let channel = docket_wire::answer::channel_to_proto(channel).into();
    v1::SendTestNotificationRequest { channel, request_id: request_id.to_owned() }
}

async fn send(service: &Service, channel: Way, request_id: &str) -> Result<v1::Delivery, Status> {
    let sent = service.send_test_notification(call(request(channel, request_id))).await;
    sent.map(Response::into_inner)
}

fn fresh() -> String {
    Uuid::new_v4().to_string()
}

/// Lets others go on until the condition holds.
async fn until(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), met).await.expect("it never comes");
}

#[tokio::test]
async fn a_test_that_is_asked_for_again_is_told_of_again_and_not_sent() {
    let world = World::new().await;
    let service = service(&world);
    let [first, second] = [fresh(), fresh()];
    world.email.will([Outcome::Refused("550 no".to_owned())]);
    let told = send(&service, Way::Email, &first).await.unwrap();
    assert_eq!((told.state(), told.reason.as_str()), (v1::delivery::State::Failed, "550 no"));
    // Within the pause, after it, and where the first would be refused now.
    for seconds in [1, 10, 3_600] {
        world.clock.turn(TimeDelta::seconds(seconds));
        assert_eq!(send(&service, Way::Email, &first).await.unwrap(), told, "after {seconds} s more");
    }
    world.prefer(Preferences { unsubscribed: vec![Way::Email], ..Preferences::default() }).await;
    assert_eq!(send(&service, Way::Email, &first).await.unwrap(), told);
    let refused = send(&service, Way::Email, &second).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    world.prefer(Preferences::default()).await;

    let other = send(&service, Way::Webhook, &first).await.unwrap_err();
    assert_eq!((other.code(), reason(&other).as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!((world.email.take().len(), world.webhook.take().len()), (1, 0));
    let now = send(&service, Way::Email, &second).await.unwrap();
    assert_eq!(now.state(), v1::delivery::State::Sent, "what was refused has not used its id up");
    let soon = send(&service, Way::Email, &fresh()).await.unwrap_err();
    assert_eq!(reason(&soon), "RATE_LIMITED", "another call is another test");
    assert_eq!((world.email.take().len(), world.rows().await.len()), (1, 2));
}

#[tokio::test]
async fn calls_at_the_same_time_send_one_test_and_all_are_told_how_it_went() {
    let email = Arc::new(Fake { gate: Some(Semaphore::new(0)), ..Fake::default() });
    let world = World::made(Config::default(), email.clone()).await;
    let service = service(&world);
    let id = fresh();
    let calls = || join_all((0..AT_ONCE).map(|_| send(&service, Way::Email, &id)));
    let gate = async {
        until(|| !email.given.lock().unwrap().is_empty()).await;
        // Now it is under way, and whoever asks finds it so: the claim and the row are two statements for each.
        let before = world.store.statements().count();
        let later = calls();
        let open = async {
            until(|| world.store.statements().count() >= before + 3 * AT_ONCE as u64).await;
            email.gate.as_ref().unwrap().add_permits(1);
        };
        tokio::join!(later, open).0
    };
    let (first, later) = tokio::join!(calls(), gate);
    let mut answers: Vec<v1::Delivery> = first.into_iter().chain(later).map(Result::unwrap).collect();
    assert_eq!(answers.len(), 2 * AT_ONCE);
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].state(), v1::delivery::State::Sent);
    assert_eq!(email.take(), [answers[0].delivery_id.clone()]);
    assert_eq!(world.rows().await.len(), 1);
}

#[tokio::test]
async fn of_calls_at_the_same_time_that_are_not_the_same_one_passes_the_limit() {
    let world = World::new().await;
    let service = service(&world);
    for repeatable in [false, true] {
        let id = || if repeatable { fresh() } else { String::new() };
        let ids: Vec<String> = (0..AT_ONCE).map(|_| id()).collect();
        let answers = join_all(ids.iter().map(|id| send(&service, Way::Email, id))).await;
        let (sent, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((sent.len(), refused.len()), (1, AT_ONCE - 1));
        for status in refused.into_iter().map(Result::unwrap_err) {
            assert_eq!(reason(&status), "RATE_LIMITED");
        }
        assert_eq!(world.email.take().len(), 1);
        world.clock.turn(TimeDelta::seconds(10));
    }
}

#[tokio::test]
async fn a_test_whose_sender_was_interrupted_is_told_of_as_unknown_and_not_sent_again() {
    let world = World::new().await;
    let service = service(&world);
    let id = fresh();
    world.email.broken.store(true, Ordering::SeqCst);
    assert_eq!(send(&service, Way::Email, &id).await.unwrap_err().code(), Code::Internal);
    assert_eq!(world.states().await, [(Way::Email, DeliveryState::Sending)]);
    // Its claim ends while somebody asks for it again.
    let before = world.store.statements().count();
    let again = send(&service, Way::Email, &id);
    let end = async {
        until(|| world.store.statements().count() >= before + 3).await;
        world.clock.turn(Config::default().claim_time());
        world.turn().await;
    };
    let told = tokio::join!(again, end).0.unwrap();
    assert_eq!(told.state(), v1::delivery::State::Unknown);
    assert!(told.reason.contains("interrupted"), "{told:?}");
    assert_eq!(send(&service, Way::Email, &id).await.unwrap(), told);
    assert_eq!(world.email.take().len(), 1);
    // What the ledger has forgotten, nobody can know any more.
    world.store.purge_deliveries(world.clock.now() + TimeDelta::days(1), 10).await.unwrap();
    let told = send(&service, Way::Email, &id).await.unwrap();
    assert_eq!((told.state(), told.delivery_id.is_empty()), (v1::delivery::State::Unknown, false));
    assert_eq!(world.email.take(), [""; 0]);
}
