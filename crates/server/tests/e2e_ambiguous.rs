//! What took place and was reported as failed: whoever asked for it asks again, and it has happened once.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{CompleteTaskRequest, CreateTaskRequest, Task};
use docket_testkit::{PATIENCE, Stack, StackBuilder, Storage, User, repeating, wait_for};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// What the failpoint in a commit leads to, where an event is handled.
const INTERRUPTED: &str = "the work for the database was interrupted";

fn builder(storage: &Storage) -> StackBuilder {
    Stack::builder(Path::new(DOCKET)).storage(storage).env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
}

/// A client that repeats what failed, with the same request id.
#[derive(Default)]
struct Client {
    refused: u32,
}

impl Client {
    async fn call(&mut self, call: impl AsyncFn() -> Result<Response<Task>, Status>) -> Task {
        wait_for("an answer", PATIENCE, async || match call().await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                let again = status.get_error_details().retry_info().and_then(|info| info.retry_delay);
                assert!(again.is_some(), "it says when to ask again: {status:?}");
                self.refused += 1;
                Err(status.to_string())
            }
        })
        .await
    }

    async fn create(&mut self, user: &User) -> Task {
        let backup = repeating("Back up", Pattern::Daily, "2027-03-27T12:00:00+01:00", "Europe/Berlin");
        let request_id = uuid::Uuid::new_v4().to_string();
        let request = CreateTaskRequest { task: Some(backup), request_id, ..Default::default() };
        let task = self.call(async || user.tasks().create_task(request.clone()).await).await;
        assert_eq!(
            user.all_tasks().await,
            std::slice::from_ref(&task),
            "one task, however often it was asked for"
        );
        task
    }

    async fn complete(&mut self, user: &User, task: &Task) {
        let (task_id, request_id) = (task.task_id.clone(), uuid::Uuid::new_v4().to_string());
        let request = CompleteTaskRequest { task_id, request_id, ..Default::default() };
        let completed = self.call(async || user.tasks().complete_task(request.clone()).await).await;
        assert_eq!(completed.version, 2);
    }
}

/// All that follows from a task that was completed has happened, and once.
async fn expect_all_once(stack: &Stack, user: &User, task: &Task) {
    let successor = user.successor_of(task).await;
    stack.settled().await;
    user.expect_followed_once(std::slice::from_ref(task)).await;
    user.expect_story(task, &["created", "completed"]).await;
    user.expect_story(&successor, &["created"]).await;
}

async fn commit_of_a_creation_that_seems_to_fail(storage: Storage) {
    let stack = builder(&storage).failpoint("commit-unknown", "1*return").start().await;
    let (alice, mut client) = (stack.user("alice"), Client::default());
    let task = client.create(&alice).await;
    assert_eq!(client.refused, 1, "the point was reached");
    client.complete(&alice, &task).await;
    expect_all_once(&stack, &alice, &task).await;
}

/// Without a sidecar the second commit is the completion's, and no handler's.
async fn commit_of_a_completion_that_seems_to_fail(storage: Storage) {
    let stack = builder(&storage).without_dapr().failpoint("commit-unknown", "1*off->1*return");
    let mut stack = stack.start().await;
    let (alice, mut client) = (stack.user("alice"), Client::default());
    let task = client.create(&alice).await;
    assert_eq!(client.refused, 0);
    client.complete(&alice, &task).await;
    assert_eq!(client.refused, 1, "the point was reached");
    stack.switch_on_dapr().await;
    expect_all_once(&stack, &alice, &task).await;
}

/// The first commits after the client's are those of the two handlers of its event, again and again.
async fn commits_of_handlers_that_seem_to_fail(storage: Storage) {
    let stack = builder(&storage).failpoint("commit-unknown", "1*off->8*return").start().await;
    let (alice, mut client) = (stack.user("alice"), Client::default());
    let task = client.create(&alice).await;
    assert_eq!(client.refused, 0, "it was not the client's turn");
    stack.docket.wait_for_log(INTERRUPTED).await;
    alice.expect_story(&task, &["created"]).await;
    // What is left of the failures may be the client's.
    client.complete(&alice, &task).await;
    expect_all_once(&stack, &alice, &task).await;
}

async fn publishes(storage: Storage, confirm: &str, action: (&str, &str), evidence: &str) {
    let (point, action) = action;
    let stack = builder(&storage).env("DOCKET_OUTBOX__CONFIRM", confirm).failpoint(point, action);
    let stack = stack.start().await;
    let (alice, mut client) = (stack.user("alice"), Client::default());
    let task = client.create(&alice).await;
    stack.docket.wait_for_log(evidence).await;
    client.complete(&alice, &task).await;
    expect_all_once(&stack, &alice, &task).await;
    assert_eq!(client.refused, 0, "a broker's trouble is not the client's");
}

/// The whole batch and then each event alone: the relay says so, and the key waits.
const ERROR: ((&str, &str), &str) = (("publish-error", "4*return"), "was not taken; its key waits");

const UNKNOWN: ((&str, &str), &str) = (("publish-unknown", "2*return"), "the relay pauses");

async fn publish_that_seems_to_fail_with_receipts(storage: Storage) {
    publishes(storage, "receipts", ERROR.0, ERROR.1).await;
}

async fn publish_that_seems_to_fail_with_a_broker(storage: Storage) {
    publishes(storage, "broker", ERROR.0, ERROR.1).await;
}

async fn publish_that_is_not_answered_with_receipts(storage: Storage) {
    publishes(storage, "receipts", UNKNOWN.0, UNKNOWN.1).await;
}

async fn publish_that_is_not_answered_with_a_broker(storage: Storage) {
    publishes(storage, "broker", UNKNOWN.0, UNKNOWN.1).await;
}

docket_testkit::on_each_database!(
    commit_of_a_creation_that_seems_to_fail,
    commit_of_a_completion_that_seems_to_fail,
    commits_of_handlers_that_seem_to_fail,
    publish_that_seems_to_fail_with_receipts,
    publish_that_seems_to_fail_with_a_broker,
    publish_that_is_not_answered_with_receipts,
    publish_that_is_not_answered_with_a_broker
);
