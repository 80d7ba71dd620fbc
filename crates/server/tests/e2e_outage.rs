//! The sidecar is away or hangs: nothing is lost, what waited leaves in order, and Docket ends when it is told to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{Task, UpdateTaskRequest};
use docket_testkit::{Signal, Stack, Storage, User, once, repeating};
use futures::poll;
use futures::stream::pending;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

fn chores(count: usize) -> impl Iterator<Item = Task> {
    (0..count)
        .map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "Europe/Berlin"))
}

async fn all_that_was_completed_without_sidecar_is_followed_once(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(200)).await;
    stack.settled().await;

    stack.daprd().kill();
    alice.complete_all(&chores).await;
    assert_eq!(alice.all_tasks().await.len(), chores.len(), "nothing follows without a sidecar");

    stack.daprd().restart().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
}

async fn events_wait_while_dapr_is_off_and_leave_in_order(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).without_dapr().start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all(chores(20)).await;
    for chore in &chores {
        let mut task = once("Renamed");
        task.task_id.clone_from(&chore.task_id);
        let request =
            UpdateTaskRequest { task: Some(task), update_mask: Some(title()), ..Default::default() };
        alice.tasks().update_task(request).await.unwrap();
    }
    alice.complete_all(&chores).await;
    assert_eq!(stack.waiting_events().await, 3 * 20);
    assert_eq!(alice.all_tasks().await.len(), chores.len());
    assert_eq!(alice.story_of(&chores[0]).await, []);

    stack.switch_on_dapr().await;
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    for chore in &chores {
        let story = alice.expect_story(chore, &["created", "updated", "completed"]).await;
        let recorded =
            |entry: &docket_proto::v1::AuditEntry| entry.record_time.map(|time| (time.seconds, time.nanos));
        assert!(story.is_sorted_by_key(recorded), "stored out of order: {story:?}");
    }
}

async fn sidecar_that_hangs_does_not_hold_up_the_end(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    stack.user("alice").create(once("Buy milk")).await;
    stack.settled().await;

    stack.daprd().pause();
    let asked = Instant::now();
    assert!(stack.docket.terminate().await.success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "the drain is 20 s, and nothing was under way: {took:?}");
    let log = stack.docket.log_text();
    assert!(!log.contains("given up"), "{log}");
}

async fn second_signal_ends_docket_at_once(storage: Storage) {
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).without_dapr().start().await;
    let channel = stack.docket.public_channel();
    let token = stack.docket.token("alice");
    let bearer = format!("Bearer {token}");
    // A call that stays under way: its message never comes.
    let mut request = Request::new(pending::<Task>());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/docket.v1.TaskService/CreateTask");
    let call = client.client_streaming(request, path, ProstCodec::<Task, Task>::default());
    let mut call = pin!(call);
    assert!(poll!(&mut call).is_pending());
    // Arrives later on the same connection, so when it is answered the first has arrived too.
    assert_eq!(User::new(channel, &token).all_tasks().await, []);

    stack.docket.signal(Signal::SIGTERM);
    stack.docket.wait_for_log("docket stops").await;
    let (code, told) = stack.docket.ask("/readyz").await.unwrap();
    assert!(code == 503 && told.contains("the process ends"), "{code} {told}");
    let asked = Instant::now();
    let status = stack.docket.terminate().await;
    assert_eq!(status.code(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(stack.docket.log_text().contains("told to stop twice"), "{}", stack.docket.log_text());
}

fn title() -> pbjson_types::FieldMask {
    pbjson_types::FieldMask { paths: vec!["title".to_owned()] }
}

docket_testkit::on_each_database!(
    all_that_was_completed_without_sidecar_is_followed_once,
    events_wait_while_dapr_is_off_and_leave_in_order,
    sidecar_that_hangs_does_not_hold_up_the_end,
    second_signal_ends_docket_at_once
);
