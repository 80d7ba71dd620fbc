//! The binary as an operator starts and stops it.

use std::path::Path;

use docket_proto::v1;
use docket_testkit::{Docket, Process, Program, User, once};
use tonic::transport::Endpoint;

use crate::harness::outcome;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

#[tokio::test]
async fn a_server_without_dapr_serves_and_stops_when_it_is_told_to() {
    let mut docket = Docket::builder(Path::new(DOCKET)).env("DOCKET_DAPR__ENABLED", "false").start().await;
    let alice = docket.user("alice");
    let task = alice.create(once("Buy milk")).await;
    assert_eq!(docket.terminate().await.code(), Some(0));
    assert!(docket.log_text().contains("docket stops"), "{}", docket.log_text());

    // What was answered is there after the next start, and the same token is good.
    docket.restart().await;
    assert_eq!(alice.all_tasks().await, [task]);
}

#[tokio::test]
async fn a_flag_wins_over_the_environment() {
    let mut program = Program::new("docket", DOCKET);
    program.arguments = ["serve", "--public-address", "127.0.0.1:0"].map(str::to_owned).to_vec();
    for (name, value) in [
        ("DOCKET_DATABASE__URL", "sqlite::memory:"),
        ("DOCKET_DAPR__ENABLED", "false"),
        // A documentation address (RFC 5737), which cannot be listened on.
        ("DOCKET_LISTEN__PUBLIC", "192.0.2.1:7600"),
        ("DOCKET_LISTEN__ADMIN", "127.0.0.1:0"),
        ("DOCKET_LOG_FORMAT", "json"),
    ] {
        program.environment.insert(name.to_owned(), value.to_owned());
    }
    let mut process = Process::new(program);
    process.spawn();
    let line = process.wait_for_log("docket is ready").await;
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = line["public"].as_str().unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{line}");

    // And it is what the log says that answers.
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let stranger = User::new(channel.connect_lazy(), "x");
    let answer = stranger.tasks().list_tasks(v1::ListTasksRequest::default()).await;
    assert_eq!(outcome(&answer), "Unauthenticated INVALID_TOKEN detail=malformed");
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let mut docket = Docket::builder(Path::new(DOCKET))
        .env("DOCKET_DAPR__ENABLED", "false")
        .env("DOCKET_DATABASE__URL", "sqlite:no-such-folder/docket.db")
        .spawn();
    assert_eq!(docket.wait_exit().await.code(), Some(1));
    let log = docket.log_text();
    assert!(log.contains("no-such-folder/docket.db"), "{log}");

    // With a sidecar, callbacks have to be guarded.
    let mut docket = Docket::builder(Path::new(DOCKET)).spawn();
    assert_eq!(docket.wait_exit().await.code(), Some(64));
    assert!(docket.log_text().contains("APP_API_TOKEN"), "{}", docket.log_text());
}
