//! Fifty thousand random mutations, redeliveries and restarts on each database, against a model in memory.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use docket_testkit::Storage;

const STEPS: u64 = 50_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_agrees_with_the_model() {
    model::run(Storage::Sqlite, STEPS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_agrees_with_the_model() {
    model::run(Storage::postgres().await, STEPS).await;
}
