//! What one user may have and do, as configured: they are told which limit it was, and others are not concerned.

use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_proto::v1::{self, create_task_request::OccurrenceOf};
use docket_testkit::{User, once, repeating};
use futures::future::join_all;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{Api, outcome, refused_at_last, told, uuid};

const FULL: &str = "ResourceExhausted QUOTA_EXCEEDED limit=tasks_per_user unit=tasks value=3";

async fn create(user: &User, task: v1::Task, request_id: &str) -> Result<v1::Task, Status> {
    let request_id = request_id.to_owned();
    let request = v1::CreateTaskRequest { task: Some(task), request_id, ..Default::default() };
    user.tasks().create_task(request).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_user_has_no_more_tasks_than_the_quota_until_one_is_deleted() {
    let api = Api::start_with(|config| config.tasks.max_per_user = 3).await;
    let alice = api.user("alice");
    let weekly = repeating("Water the plants", Pattern::Weekly, "2027-03-22T08:00:00Z", "UTC");
    let first = alice.create(weekly).await;
    alice.create(once("Second")).await;
    let request_id = uuid();
    let third = create(&alice, once("Third"), &request_id).await.unwrap();

    for request_id in [String::new(), uuid()] {
        let status = create(&alice, once("Fourth"), &request_id).await.expect_err("full");
        assert_eq!(told(&status), FULL);
        assert!(status.get_details_retry_info().is_none(), "waiting does not help");
        let quota = status.get_details_quota_failure().unwrap().violations;
        assert_eq!(quota[0].subject, "user:alice");
    }
    let chosen = v1::CreateTaskRequest {
        task: Some(v1::Task { task_id: uuid(), ..once("Fourth") }),
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(outcome(&alice.tasks().create_task(chosen).await), FULL, "a check says so too");
    let again = create(&alice, once("Third"), &request_id).await;
    assert_eq!(again.unwrap(), third, "a repeated call is told what became of the first");
    assert_eq!(outcome(&create(&api.user("bob"), once("His"), "").await), "OK");

    // What Docket itself must do is done.
    let completed = alice.complete(&first).await;
    let request = v1::CreateTaskRequest {
        task: Some(repeating("Water the plants", Pattern::Weekly, "2027-03-29T08:00:00Z", "UTC")),
        occurrence_of: Some(OccurrenceOf { task_id: completed.task_id.clone(), version: completed.version }),
        ..Default::default()
    };
    let next = api.service().acting_for("alice").tasks().create_task(request).await;
    assert_eq!(outcome(&next), "OK", "a recurring task never stalls");

    for task in [third, completed] {
        assert_eq!(outcome(&create(&alice, once("Fourth"), "").await), FULL);
        let delete = v1::DeleteTaskRequest { task_id: task.task_id, ..Default::default() };
        alice.tasks().delete_task(delete).await.unwrap();
    }
    assert_eq!(outcome(&create(&alice, once("Fourth"), "").await), "OK");
    assert_eq!(outcome(&create(&alice, once("Fifth"), "").await), FULL);
}

#[tokio::test]
async fn those_who_create_at_the_same_time_do_not_get_beyond_the_quota() {
    let api = Api::start_with(|config| config.tasks.max_per_user = 10).await;
    let alice = api.user("alice");
    alice.create_all((0..7).map(|n| once(&format!("Task {n}")))).await;
    let all: Vec<_> = (0..40).map(|n| (alice.clone(), format!("Together {n}"))).collect();
    let created = join_all(all.iter().map(|(alice, title)| create(alice, once(title), ""))).await;
    assert_eq!(created.iter().flatten().count(), 3);
    assert_eq!(alice.all_tasks().await.len(), 10);
}

#[tokio::test]
async fn a_user_far_from_the_quota_is_not_counted_with_every_create() {
    let costs = async |max_per_user: u32| {
        let api = Api::start_with(|config| {
            config.dapr.enabled = false;
            config.tasks.max_per_user = max_per_user;
        })
        .await;
        let alice = api.user("alice");
        let before = api.statements.count();
        // One after the other: those that come together share statements.
        for n in 0..20 {
            alice.create(once(&format!("Task {n}"))).await;
        }
        api.statements.count() - before
    };
    let (without, with) = (costs(0).await, costs(1_000).await);
    // Once, or once more when the test is slow.
    assert!((1..=3).contains(&(with - without)), "{with} statements, {without} without a quota");
}

#[tokio::test]
async fn the_rate_of_a_user_is_limited_as_configured() {
    let api = Api::start_with(|config| {
        config.limits.rate_per_second = 1;
        config.limits.burst = 1;
    })
    .await;
    let (alice, bob) = (api.user("alice"), api.user("bob"));
    let refused = refused_at_last(&alice).await;
    let rate = "ResourceExhausted RATE_LIMITED limit=rate_per_second unit=calls per second value=1";
    assert_eq!(told(&refused), rate);
    let delay = refused.get_details_retry_info().and_then(|info| info.retry_delay).unwrap();
    assert!(!delay.is_zero() && delay.as_secs() < 1, "{delay:?}");
    assert_eq!(outcome(&bob.tasks().list_tasks(v1::ListTasksRequest::default()).await), "OK");
}

#[tokio::test]
async fn requests_may_be_compressed_but_not_to_get_past_the_size_limit() {
    let api = Api::start().await;
    let tasks = TaskServiceClient::with_interceptor(
        api.public().channel,
        api.public().bearer(&api.token("alice", &[])),
    );
    let mut tasks = tasks.send_compressed(CompressionEncoding::Gzip);
    let mut create = async |title: String| {
        let request = v1::CreateTaskRequest { task: Some(once(&title)), ..Default::default() };
        tasks.create_task(request).await
    };
    assert_eq!(create("Compressed".to_owned()).await.unwrap().get_ref().title, "Compressed");
    // Ten megabytes, some ten kilobytes on the wire.
    let status = create("x".repeat(10 << 20)).await.expect_err("too large");
    assert_eq!(
        (status.code(), told(&status).as_str()),
        (Code::InvalidArgument, "InvalidArgument INVALID_FIELDS")
    );
    assert_eq!(create("Goes on".to_owned()).await.unwrap().get_ref().title, "Goes on");
}
