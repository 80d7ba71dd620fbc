//! Two thousand random mutations, redeliveries and restarts, against a model in memory; many more in `e2e_model`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod model;

use docket_testkit::Storage;

const STEPS: u64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_agrees_with_the_model() {
    model::run(Storage::Sqlite, STEPS).await;
}
