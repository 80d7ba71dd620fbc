//! Docket is killed at the worst moments: after the restart nothing is lost and nothing is doubled.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{CompleteTaskRequest, CreateTaskRequest, Task};
use docket_testkit::{Stack, Storage, due, repeating};
use tonic::{Response, Status};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// SIGABRT: how a failpoint ends the process.
const ABORTED: i32 = 6;

/// A stack that will crash once, and a client that repeats what failed.
struct Doomed {
    stack: Stack,
    crashed: bool,
}

impl Doomed {
    async fn call(&mut self, call: impl AsyncFn() -> Result<Response<Task>, Status>) -> Task {
        match call().await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                assert!(!self.crashed, "a failure without a crash: {status}");
                self.restart_after_crash().await;
                call().await.unwrap().into_inner()
            }
        }
    }

    async fn restart_after_crash(&mut self) {
        let status = self.stack.docket.wait_exit().await;
        assert_eq!(status.signal(), Some(ABORTED), "{status}");
        self.crashed = true;
        self.stack.docket.restart().await;
    }
}

/// Creates and completes a recurring task, with a crash at the failpoint on the way. Every call carries a request id, and
/// is repeated with it when the crash took the answer away. Where a replica has half of the outbox, so many tasks that the
/// one that is to crash has the events of some.
async fn check(storage: Storage, point: &str, action: &str) {
    let stack = Stack::builder(Path::new(DOCKET))
        .storage(&storage)
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "1000")
        // What the crashed process had is free soon.
        .env("DOCKET_OUTBOX__LEASE_SECONDS", "3")
        .env("DOCKET_DAPR__DEADLINE_MS", "2000")
        .failpoint(point, action)
        .start()
        .await;
    let alice = stack.user("alice");
    let mut doomed = Doomed { stack, crashed: false };
    let request_id = || uuid::Uuid::new_v4().to_string();

    let mut backups = Vec::new();
    for _ in 0..if storage.is_replicated() { 30 } else { 1 } {
        let backup = repeating("Back up", Pattern::Daily, "2027-03-27T12:00:00+01:00", "Europe/Berlin");
        let request =
            CreateTaskRequest { task: Some(backup), request_id: request_id(), ..Default::default() };
        let task = doomed.call(async || alice.tasks().create_task(request.clone()).await).await;
        let (task_id, request_id) = (task.task_id.clone(), request_id());
        let request = CompleteTaskRequest { task_id, request_id, ..Default::default() };
        let completed = doomed.call(async || alice.tasks().complete_task(request.clone()).await).await;
        assert_eq!(completed.version, 2);
        backups.push(task);
    }
    if !doomed.crashed {
        doomed.restart_after_crash().await;
    }

    for task in &backups {
        let successor = alice.successor_of(task).await;
        assert_eq!(due(&successor), "2027-03-28T10:00:00Z");
        alice.expect_story(&successor, &["created"]).await;
    }
    doomed.stack.settled().await;
    alice.expect_followed_once(&backups).await;
    for task in &backups {
        alice.expect_story(task, &["created", "completed"]).await;
    }
}

async fn after_the_commit_of_a_creation(storage: Storage) {
    check(storage, "after-commit", "1*return").await;
}

async fn after_the_commit_of_a_completion(storage: Storage) {
    check(storage, "after-commit", "1*off->1*return").await;
}

async fn after_the_commit_of_the_next_occurrence(storage: Storage) {
    check(storage, "after-commit", "2*off->1*return").await;
}

async fn after_a_publish(storage: Storage) {
    check(storage, "after-publish", "1*return").await;
}

async fn before_a_published_event_leaves_the_outbox(storage: Storage) {
    check(storage, "before-delete", "1*return").await;
}

async fn in_a_handler_before_its_commit(storage: Storage) {
    check(storage, "in-handler-before-commit", "1*return").await;
}

async fn in_a_handler_before_its_commit_of_a_later_event(storage: Storage) {
    check(storage, "in-handler-before-commit", "1*off->1*return").await;
}

docket_testkit::on_each_database!(
    after_the_commit_of_a_creation,
    after_the_commit_of_a_completion,
    after_the_commit_of_the_next_occurrence,
    after_a_publish,
    before_a_published_event_leaves_the_outbox,
    in_a_handler_before_its_commit,
    in_a_handler_before_its_commit_of_a_later_event
);

docket_testkit::with_two_replicas!(
    after_the_commit_of_a_creation,
    after_a_publish,
    before_a_published_event_leaves_the_outbox,
    in_a_handler_before_its_commit
);
