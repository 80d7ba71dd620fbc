//! Only Docket's own sidecar may deliver, only Docket may use it, and what could not be handled is never acknowledged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_proto::v1::{ListTasksRequest, Task};
use docket_testkit::callback::{Answer, Callback, JobEvent, TopicEvent, refused};
use docket_testkit::publish::{publish, shut_down};
use docket_testkit::{Daprd, PATIENCE, Stack, Storage, User, repeating, wait_for};
use tonic::transport::Channel;
use tonic::{Code, Request};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn chore() -> Task {
    repeating("Feed the cat", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")
}

async fn entries(user: &User) -> usize {
    let page = user.audit().list_audit_entries(docket_proto::v1::ListAuditEntriesRequest::default()).await;
    page.unwrap().into_inner().entries.len()
}

async fn expect_refused(who: &str, callback: &Callback) {
    let status = callback.topic_event(TopicEvent::forged("alice")).await.unwrap_err();
    assert!(refused(&status), "OnTopicEvent by {who}: {status}");
    let job = JobEvent::new("reminder", b"");
    let status = callback.job_event(job).await.unwrap_err();
    assert!(refused(&status), "OnJobEvent by {who}: {status}");
}

async fn nobody_but_the_own_sidecar_may_deliver(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let (app_id, token) = (stack.app_id().to_owned(), stack.app_api_token().to_owned());

    let direct = Callback::new(stack.docket.app_channel());
    expect_refused("a caller without token", &direct).await;
    expect_refused("a caller with a wrong token", &direct.clone().with_token("wrong")).await;
    let marked = direct.with_token(&token).with("dapr-caller-app-id", "intruder");
    expect_refused("a caller that a sidecar names", &marked).await;

    let intruder = Daprd::builder(&format!("intruder-{app_id}")).start().await;
    let api_token = stack.api_token().to_owned();
    for (who, channel, shows) in [
        ("another app", intruder.channel(), ""),
        ("an app that may use Docket's sidecar", stack.daprd().channel(), &*api_token),
    ] {
        // The way is open, for what is meant to go there.
        assert_eq!(
            list_through(channel.clone(), &app_id, shows, &stack.docket.token("alice")).await,
            Ok(0),
            "{who}"
        );
        let through = Callback::new(channel).with("dapr-app-id", &app_id).with_token(shows);
        expect_refused(who, &through).await;
        expect_refused(who, &through.clone().with("dapr-callee-app-id", &app_id)).await;
        expect_refused(who, &through.with_token(&token)).await;
    }
    let status = list_through(stack.daprd().channel(), &app_id, "", &stack.docket.token("alice")).await;
    assert_eq!(status, Err(Code::Unauthenticated), "an app that may not use Docket's sidecar");

    let bearer = format!("Bearer {}", stack.docket.token("alice"));
    let public =
        Callback::new(stack.docket.public_channel()).with_token(&token).with("authorization", &bearer);
    let status = public.topic_event(TopicEvent::forged("alice")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "no callbacks on the public port");
    assert_eq!(entries(&alice).await, 0);

    // The same event by the one who may: the refusals above were not for its sake.
    assert_eq!(stack.sidecar().topic_event(TopicEvent::forged("alice")).await.unwrap(), Answer::Success);
    assert_eq!(entries(&alice).await, 1);
    let unknown = TopicEvent { topic: "no-such-topic".to_owned(), ..TopicEvent::forged("alice") };
    let status = stack.sidecar().topic_event(unknown).await.unwrap_err();
    assert_ne!(status.code(), Code::Unimplemented, "which a sidecar takes for success");
}

async fn nobody_but_docket_may_use_its_sidecar(storage: Storage) {
    const PUBLISH: &str = "/v1.0/publish/pubsub/task-events?metadata.rawPayload=true";
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let (api_token, app_api_token) = (stack.api_token().to_owned(), stack.app_api_token().to_owned());
    let event = TopicEvent::forged("alice");
    let data = String::from_utf8(event.data.clone()).unwrap();

    let daprd = stack.daprd();
    for token in [None, Some(""), Some("wrong"), Some(app_api_token.as_str())] {
        assert_eq!(daprd.post(PUBLISH, token, &data).await, 401, "publish over HTTP with {token:?}");
        assert_eq!(daprd.post("/v1.0/shutdown", token, "").await, 401, "shutdown over HTTP with {token:?}");
        let status = publish(daprd.channel(), token, event.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "publish with {token:?}: {status}");
        let status = shut_down(daprd.channel(), token).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "shutdown with {token:?}: {status}");
    }

    // The way is open for who has the token, so that what was refused would have been seen: first and alone.
    assert_eq!(daprd.post(PUBLISH, Some(&api_token), &data).await, 204);
    publish(daprd.channel(), Some(&api_token), TopicEvent::forged("alice")).await.unwrap();
    wait_for("two events that were let in", PATIENCE, async || match entries(&alice).await {
        2.. => Ok(()),
        count => Err(format!("{count} entries")),
    })
    .await;
    assert_eq!(entries(&alice).await, 2, "nothing of what was refused");
}

/// How many tasks the user has, asked through a sidecar.
async fn list_through(channel: Channel, app_id: &str, api_token: &str, token: &str) -> Result<usize, Code> {
    let mut request = Request::new(ListTasksRequest::default());
    request.metadata_mut().insert("dapr-api-token", api_token.parse().unwrap());
    request.metadata_mut().insert("dapr-app-id", app_id.parse().unwrap());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let answer = TaskServiceClient::new(channel).list_tasks(request).await;
    answer.map(|answer| answer.into_inner().tasks.len()).map_err(|status| status.code())
}

/// Fails more often than one delivery tries, so that the event has to come again.
async fn check_retried(storage: Storage, point: &str, action: &str) {
    let stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
        .failpoint(point, action)
        .start()
        .await;
    let alice = stack.user("alice");
    let task = alice.create(chore()).await;
    alice.complete(&task).await;
    let successor = alice.successor_of(&task).await;
    stack.settled().await;

    alice.expect_followed_once(std::slice::from_ref(&task)).await;
    alice.expect_story(&task, &["created", "completed"]).await;
    alice.expect_story(&successor, &["created"]).await;
    let log = stack.docket.log_text();
    assert_eq!(log.matches("event not handled").count(), 4, "failures that were met");
    assert!(log.contains("was published again"), "it came again");
}

async fn handler_that_fails_is_asked_again(storage: Storage) {
    check_retried(storage, "audit-error", "4*return").await;
}

async fn handler_that_panics_is_asked_again(storage: Storage) {
    check_retried(storage, "audit-panic", "4*panic").await;
}

async fn handler_with_a_remote_effect_that_fails_is_asked_again(storage: Storage) {
    check_retried(storage, "recurrence-error", "4*return").await;
}

async fn event_is_not_acknowledged_while_its_handler_fails(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
        .failpoint("audit-error", "return")
        .start()
        .await;
    let alice = stack.user("alice");
    let task = alice.create(chore()).await;
    stack.docket.wait_for_log("was published again").await;
    assert_eq!(stack.sidecar().topic_event(TopicEvent::forged("alice")).await.unwrap(), Answer::Retry);
    assert_eq!(entries(&alice).await, 0);
    assert_eq!(stack.waiting_events().await, 1);

    stack.docket.restart().await;
    stack.settled().await;
    alice.expect_story(&task, &["created"]).await;
}

docket_testkit::on_each_database!(
    nobody_but_the_own_sidecar_may_deliver,
    nobody_but_docket_may_use_its_sidecar,
    handler_that_fails_is_asked_again,
    handler_that_panics_is_asked_again,
    handler_with_a_remote_effect_that_fails_is_asked_again,
    event_is_not_acknowledged_while_its_handler_fails
);
