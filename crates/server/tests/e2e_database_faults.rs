//! PostgreSQL goes away, or the network to it fails, while users work: they see refusals that say when to try again,
//! nothing that was acknowledged is lost, nothing happens twice, and Docket goes on by itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_proto::v1;
use docket_testkit::{
    Database, End, Load, PATIENCE, Postgres, Proxy, Shutdown, Stack, StackBuilder, User, Way, once, wait_for,
};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// How many calls make a phase.
const SOME: u64 = 60;

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn builder(database: &Database) -> StackBuilder {
    Stack::builder(Path::new(DOCKET))
        .postgres(database)
        .env("DOCKET_DATABASE__ACQUIRE_TIMEOUT_MS", "1000")
        .env("DOCKET_OUTBOX__RECEIPT_TIMEOUT_MS", "2000")
}

fn load(stack: &Stack) -> Load {
    Load::of(USERS.map(|name| vec![stack.user(name)]).into())
}

#[tokio::test]
async fn server_that_ends_is_an_interruption() {
    let mut postgres = Postgres::start().await;
    let database = postgres.database().await;
    let stack = builder(&database).start().await;
    let (load, zoe) = (load(&stack), stack.user("zoe"));
    let task = zoe.create(once("There before")).await;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            for _ in 0..5 {
                assert!(postgres.terminate_connections(&database).await > 0);
                load.acknowledged(SOME).await;
            }
            for how in [Shutdown::Fast, Shutdown::Immediate] {
                postgres.restart(how).await;
                load.acknowledged(SOME).await;
            }
            postgres.stop(Shutdown::Fast).await;
            expect_unavailable(&zoe, &task).await;
            // No target is ready, and the process lives: to start it again would help nobody.
            expect_health(&stack, &[("docket.tasks", false), ("docket.recurrence", false), ("", true)]).await;
            postgres.start_again().await;
            load.acknowledged(SOME).await;
            expect_health(&stack, &[("docket.tasks", true), ("docket.recurrence", true), ("", true)]).await;
        })
        .await;
    stack.settled().await;
    load.expect_all_once(&chores, 0).await;
    assert_eq!(zoe.all_tasks().await, [task], "what was refused has not happened");
}

/// Waits until health says of each name whether it serves: what it has heard is good for a second.
async fn expect_health(stack: &Stack, expect: &[(&str, bool)]) {
    let mut client = HealthClient::new(stack.docket.public_channel());
    for (name, serves) in expect {
        wait_for(&format!("the health of {name:?}"), PATIENCE, async || {
            let request = HealthCheckRequest { service: (*name).to_owned() };
            let status = client.check(request).await.unwrap().into_inner().status();
            if (status == ServingStatus::Serving) == *serves { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await;
    }
}

/// Asks everything that needs the database, which is away.
async fn expect_unavailable(user: &User, task: &v1::Task) {
    let task_id = task.task_id.clone();
    let request_id = uuid::Uuid::new_v4().to_string();
    macro_rules! call {
        ($client:expr, $method:ident, $request:expr) => {{
            let (mut client, request) = ($client, $request);
            (stringify!($method), async move { client.$method(request).await.map(drop) }.boxed())
        }};
    }
    let id = || task_id.clone();
    let new = |request_id| v1::CreateTaskRequest {
        task: Some(once("New")),
        request_id,
        ..v1::CreateTaskRequest::default()
    };
    let update = v1::UpdateTaskRequest { task: Some(task.clone()), ..Default::default() };
    let complete = v1::CompleteTaskRequest { task_id: id(), ..Default::default() };
    let reopen = v1::ReopenTaskRequest { task_id: id(), ..Default::default() };
    let delete = v1::DeleteTaskRequest { task_id: id(), ..Default::default() };
    let story = v1::ListAuditEntriesRequest { task_id: id(), ..Default::default() };
    let calls: Vec<(&str, BoxFuture<'_, Result<(), Status>>)> = vec![
        call!(user.tasks(), create_task, new(String::new())),
        call!(user.tasks(), create_task, new(request_id)),
        call!(user.tasks(), get_task, v1::GetTaskRequest { task_id: id() }),
        call!(user.tasks(), list_tasks, v1::ListTasksRequest::default()),
        call!(user.tasks(), update_task, update),
        call!(user.tasks(), complete_task, complete),
        call!(user.tasks(), reopen_task, reopen),
        call!(user.tasks(), delete_task, delete),
        call!(user.audit(), list_audit_entries, v1::ListAuditEntriesRequest::default()),
        call!(user.audit(), list_audit_entries, story),
    ];
    let answers = calls.into_iter().map(|(name, call)| call.map(move |answer| (name, answer)));
    for (name, answer) in join_all(answers).await {
        let status = answer.unwrap_err();
        let details = status.get_error_details();
        let reason = details.error_info().map(|info| info.reason.as_str());
        assert_eq!((status.code(), reason), (Code::Unavailable, Some("UNAVAILABLE")), "{name}: {status:?}");
        assert!(details.retry_info().is_some_and(|info| info.retry_delay.is_some()), "{name}: {status:?}");
    }
}

/// A stack whose way to the database can fail. Nobody waits for long: the server itself ends each call then.
async fn behind_a_proxy() -> (Proxy, Stack, Load) {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let proxy = Proxy::start(postgres.address()).await;
    let stack = builder(&database)
        .env("DOCKET_DATABASE__URL", &database.url_at(proxy.address()))
        .env("DOCKET_SERVER__MAX_DEADLINE_SECONDS", "2")
        .start()
        .await;
    let load = load(&stack).slow();
    (proxy, stack, load)
}

#[tokio::test]
async fn network_that_fails_is_an_interruption() {
    let (proxy, stack, load) = behind_a_proxy().await;
    let everybody = USERS.len() as u64;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            proxy.reset().await;
            load.acknowledged(SOME).await;
            proxy.cut().await;
            load.refused(everybody).await;
            proxy.heal().await;
            load.acknowledged(SOME).await;
            for way in [Way::ToTarget, Way::ToClient, Way::Both] {
                proxy.blackhole(way);
                load.refused(everybody).await;
                proxy.heal().await;
                load.acknowledged(SOME).await;
            }
            for gone in [End::Target, End::Client] {
                proxy.half_open(gone);
                load.refused(everybody).await;
                proxy.heal().await;
                load.acknowledged(SOME).await;
            }
        })
        .await;
    stack.settled().await;
    load.expect_all_once(&chores, 0).await;
}

#[tokio::test]
async fn connections_that_the_network_has_forgotten_are_given_up() {
    let (proxy, stack, load) = behind_a_proxy().await;
    let chores = load
        .during(async {
            load.acknowledged(SOME).await;
            proxy.forget();
            load.refused(1).await;
            load.acknowledged(SOME).await;
        })
        .await;
    stack.settled().await;
    load.expect_all_once(&chores, 0).await;
}
