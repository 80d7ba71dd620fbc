//! The scheduler of Dapr loses all that it has, and reminders come all the same.

use docket_testkit::wait_for;

use super::{LIMIT, expect_reminded_once, settled};
use crate::kubectl::{self, DAPR};
use crate::site::{Site, reminded};

const SCHEDULER: &str = "statefulset/dapr-scheduler-server";
const ITS: &str = "--selector=app=dapr-scheduler-server";

async fn scale(replicas: &str) {
    kubectl::text(&["scale", SCHEDULER, "--namespace", DAPR, &format!("--replicas={replicas}")]).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn reminders_come_after_the_scheduler_has_lost_its_data() {
    let site = Site::open().await;
    let alice = site.user("alice").await;
    let task = alice.create(reminded("Call the landlord", 120)).await;
    settled(&alice).await;

    let scheduler = kubectl::get(&[SCHEDULER, "--namespace", DAPR]).await;
    let replicas = scheduler["spec"]["replicas"].to_string();
    scale("0").await;
    wait_for("the scheduler to go", LIMIT, async || {
        let pods = kubectl::list(&["pods", "--namespace", DAPR, ITS]).await;
        if pods.is_empty() { Ok(()) } else { Err(format!("{}", pods.len())) }
    })
    .await;
    let claims = kubectl::list(&["persistentvolumeclaims", "--namespace", DAPR]).await;
    let names = claims.iter().filter_map(|claim| claim["metadata"]["name"].as_str());
    let names: Vec<&str> = names.filter(|name| name.contains("dapr-scheduler")).collect();
    assert!(!names.is_empty(), "the scheduler keeps its data on claims");
    let delete = ["delete", "persistentvolumeclaim", "--namespace", DAPR, "--wait=true"];
    kubectl::wait(&delete.iter().chain(&names).copied().collect::<Vec<_>>()).await;
    scale(&replicas).await;
    kubectl::wait(&["rollout", "status", SCHEDULER, "--namespace", DAPR]).await;

    expect_reminded_once(&alice, &task).await;
}
