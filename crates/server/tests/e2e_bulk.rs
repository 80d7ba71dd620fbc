//! Events are delivered in batches, and every one of them has its effect.

use std::path::Path;

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{Stack, Storage, repeating};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

async fn batches_have_the_effects_of_their_events(storage: Storage) {
    const CHORES: usize = 100;
    let mut stack = Stack::builder(Path::new(DOCKET)).storage(&storage).bulk(50).start().await;
    let alice = stack.user("alice");
    let chores =
        (0..CHORES).map(|n| repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "UTC"));
    let chores = alice.create_all(chores).await;
    alice.complete_all(&chores).await;

    for chore in &chores {
        alice.expect_story(chore, &["created", "completed"]).await;
    }
    stack.settled().await;
    alice.expect_followed_once(&chores).await;
    // This broker hands over one event at a time, so a batch has one event; but it is a batch.
    let batches = stack.daprd().counter("dapr_component_pubsub_ingress_bulk_count").await;
    let single = stack.daprd().counter("dapr_component_pubsub_ingress_count").await;
    assert!(batches >= 3.0 * CHORES as f64, "{batches} batches");
    assert_eq!(single, 0.0, "events that came without a batch");
}

docket_testkit::on_each_database!(batches_have_the_effects_of_their_events);
