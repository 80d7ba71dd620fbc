//! `dapr.enabled=false`: the API is served without sidecars, and what waits leaves when they are back.

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::repeating;

use super::database::psql;
use super::{expect_reminded_once, settled};
use crate::kubectl::{self, DOCKET};
use crate::release::Values;
use crate::site::{Site, TARGETS, reminded, somebody, token};

/// How many events wait in the outbox of a target. Docket itself counts those alone that it could carry away.
async fn waiting(target: &str) -> u64 {
    psql(&format!("SELECT count(*) FROM {target}.outbox")).await.parse().unwrap()
}

/// The containers of a target's pods.
async fn containers(target: &str) -> Vec<String> {
    let deployment = format!("docket-{target}");
    kubectl::rolled_out(DOCKET, &deployment).await;
    let selector = format!("app.kubernetes.io/component={target}");
    let pods = kubectl::list(&["pods", "--namespace", DOCKET, "--selector", &selector]).await;
    let pods = pods.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let all = pods.filter_map(|pod| pod["spec"]["containers"].as_array()).flatten();
    all.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn events_and_reminders_wait_while_dapr_is_switched_off_and_leave_once_it_is_on() {
    let values = Values::of_docket().await;
    let token = token(&somebody("alice")).await;
    let site = Site::open().await;
    let alice = site.user_with(&token);
    let before =
        alice.create(repeating("Water the plants", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
    settled(&alice).await;

    values.upgrade(&["dapr.enabled=false"]).await;
    for target in TARGETS {
        assert_eq!(containers(target).await, ["docket"], "of {target}, without Dapr");
    }
    let site = Site::open().await;
    let alice = site.user_with(&token);
    let completed = alice.complete(&before).await;
    let created = alice.create(reminded("Call the landlord", 1)).await;
    assert!(waiting("tasks").await >= 2, "events of the completion and the creation");
    assert_eq!(alice.story_of(&completed).await.len(), 1, "the log has not heard of the completion");
    assert_eq!(alice.story_of(&created).await.len(), 0, "nor of the other task");

    values.upgrade(&[]).await;
    let site = Site::open().await;
    let alice = site.user_with(&token);
    alice.expect_story(&completed, &["created", "completed"]).await;
    alice.expect_story(&created, &["created"]).await;
    settled(&alice).await;
    alice.successor_of(&completed).await;
    expect_reminded_once(&alice, &created).await;
    assert_eq!(alice.all_tasks().await.len(), 3, "one next occurrence, and nothing twice");
}
