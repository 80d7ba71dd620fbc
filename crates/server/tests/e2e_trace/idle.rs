//! While nobody calls and nothing is due, nothing is told: neither what Docket does by itself, nor the telling.

use std::time::{Duration, Instant};

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::{Collector, PATIENCE, repeating, wait_for};

use crate::client::Client;
use crate::site::Site;

/// For how long nothing comes before it is quiet: a sidecar sends what it has every five seconds, Docket sooner.
const QUIET: Duration = Duration::from_secs(7);

/// For how long nothing is to come then.
const WINDOW: Duration = Duration::from_secs(10);

/// Waits until no more spans come; answers how many did.
async fn quiet(collector: &Collector) -> u64 {
    let (mut last, mut since) = (collector.received().await, Instant::now());
    wait_for("no more spans", PATIENCE, async || {
        let now = collector.received().await;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if since.elapsed() >= QUIET { Ok(last) } else { Err(format!("{last} spans so far")) }
    })
    .await
}

#[tokio::test]
async fn nothing_is_told_while_nothing_happens() {
    let site = Site::one_with_a_sidecar_that_makes_spans().await;
    let alice = site.user("alice");
    let chore = repeating("Take out the bins", Pattern::Weekly, "2027-02-01T07:00:00Z", "Europe/Berlin");
    let chore = alice.create(chore).await;
    Client::new().complete(&alice, &chore).await;
    site.settled().await;

    let other = site.of_sidecars.as_ref().unwrap();
    tokio::join!(site.collector.wait_for_spans(1), other.wait_for_spans(1));
    let (before, of_sidecars) = tokio::join!(quiet(&site.collector), quiet(other));
    // Figures leave each second meanwhile. Nothing is waited for: this is for how long it is looked at.
    tokio::time::sleep(WINDOW).await;
    assert_eq!(site.collector.received().await, before, "docket tells of itself");
    assert_eq!(other.received().await, of_sidecars, "what docket does by itself makes spans in its sidecar");

    // And it still could.
    alice.create(repeating("Bins", Pattern::Weekly, "2027-02-01T07:00:00Z", "Europe/Berlin")).await;
    site.collector.wait_for_spans(before + 1).await;
}
