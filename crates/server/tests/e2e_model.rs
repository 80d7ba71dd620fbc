//! Thousands of random mutations, redeliveries and restarts on each database, against a model in memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use docket_testkit::Storage;

/// As many as find most of what is wrong, in two minutes.
const STEPS: u64 = 10_000;

/// As many as find the rest.
const MANY_STEPS: u64 = 50_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_agrees_with_the_model() {
    model::run(Storage::Sqlite, STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_agrees_with_the_model() {
    model::run(Storage::postgres().await, STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "release ring"]
async fn sqlite_agrees_with_the_model_for_long() {
    model::run(Storage::Sqlite, MANY_STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "release ring"]
async fn postgres_agrees_with_the_model_for_long() {
    model::run(Storage::postgres().await, MANY_STEPS).await;
}
