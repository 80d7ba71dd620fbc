//! What the relay shows of itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use docket_outbox::{Config, Confirm};
use docket_store::published::Again;
use docket_store::{Error, Tx};
use docket_telemetry::{Handle, Identity, Meters};
use docket_testkit::{PATIENCE, wait_for};
use tonic::Code;
use uuid::Uuid;

use crate::broker::{Answer, Broker};
use crate::{World, append, config, event, id};

fn meters() -> Meters {
    let identity = Identity { service: "docket".to_owned(), version: "1.2.3", instance: Uuid::nil() };
    Handle::detached(&identity).unwrap().meters
}

/// The figures whose names begin so, without the crate that they are from.
fn figures(meters: &Meters, prefix: &str) -> BTreeSet<String> {
    let text = meters.render().unwrap();
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    lines.map(|line| line.replace(",otel_scope_name=\"docket-outbox\"", "")).collect()
}

async fn shows(meters: &Meters, expect: &[&str]) {
    wait_for("the figures", PATIENCE, async || {
        let shown = figures(meters, "docket_");
        match expect.iter().all(|line| shown.contains(*line)) {
            true => Ok(()),
            false => Err(format!("{shown:#?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn what_waits_is_shown_with_its_age_until_it_has_left() {
    let (meters, refuses) = (meters(), Arc::new(AtomicBool::new(true)));
    let refusing = refuses.clone();
    let (_broker, client) = Broker::start(5_000, move |call| {
        let bad = refusing.load(Ordering::SeqCst) && call.keys.contains(&"bad".to_owned());
        if bad { Answer::Not(BTreeSet::from(["bad".to_owned()])) } else { Answer::Yes }
    })
    .await;
    let world = World::measured(config(), client, meters.meter("docket-outbox"), async |store| {
        append(store, vec![event("bad", 1), event("good", 2), event("bad", 3)]).await;
    })
    .await;
    shows(
        &meters,
        &[
            "docket_outbox_pending{docket_outbox=\"all\"} 2",
            "docket_outbox_oldest_age_seconds{docket_outbox=\"all\"} 90",
            "docket_outbox_parked_keys{docket_outbox=\"all\"} 1",
            "docket_relay_connected{docket_outbox=\"all\"} 1",
            "docket_outbox_insert_to_ack_duration_seconds_count{docket_outbox=\"all\"} 1",
            "docket_outbox_insert_to_ack_duration_seconds_sum{docket_outbox=\"all\"} 90",
            "docket_outbox_publishes_total{docket_outbox=\"all\"} 1",
        ],
    )
    .await;
    let calls = figures(&meters, "messaging_client_operation_duration_seconds_count");
    assert!(
        calls.iter().any(|line| line.contains("messaging_destination_name=\"task-events\"")),
        "{calls:?}"
    );
    let refused = figures(&meters, "docket_outbox_publishes_total");
    assert!(refused.iter().any(|line| line.contains("error_type=\"not_taken\"")), "{refused:?}");

    refuses.store(false, Ordering::SeqCst);
    shows(
        &meters,
        &[
            "docket_outbox_pending{docket_outbox=\"all\"} 0",
            "docket_outbox_oldest_age_seconds{docket_outbox=\"all\"} 0",
            "docket_outbox_parked_keys{docket_outbox=\"all\"} 0",
            "docket_outbox_insert_to_ack_duration_seconds_count{docket_outbox=\"all\"} 3",
            "docket_outbox_publishes_total{docket_outbox=\"all\"} 3",
        ],
    )
    .await;

    // What happened long ago has not waited since.
    let again = &[Again { event: id(2), replay: id(9) }];
    let published: Result<u64, Error> =
        world.store.transaction(|tx: &Tx<'_>| Box::pin(tx.published_again(again, "audit"))).await;
    assert_eq!(published.unwrap(), 1);
    world.store.outbox_appended();
    shows(
        &meters,
        &[
            "docket_outbox_publishes_total{docket_outbox=\"all\"} 4",
            "docket_outbox_insert_to_ack_duration_seconds_count{docket_outbox=\"all\"} 3",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_sidecar_that_is_away_is_shown_and_so_is_what_it_keeps_back() {
    let meters = meters();
    let (_broker, client) = Broker::start(5_000, |_| Answer::No(Code::Unavailable)).await;
    let config = Config { confirm: Confirm::Receipts, ..config() };
    let world = World::measured(config, client, meters.meter("docket-outbox"), async |store| {
        append(store, vec![event("a", 1), event("b", 2)]).await;
    })
    .await;
    shows(
        &meters,
        &[
            "docket_outbox_pending{docket_outbox=\"all\"} 2",
            "docket_outbox_oldest_age_seconds{docket_outbox=\"all\"} 90",
            "docket_relay_connected{docket_outbox=\"all\"} 0",
        ],
    )
    .await;
    let failed = figures(&meters, "docket_outbox_publishes_total");
    assert!(failed.iter().all(|line| line.contains("error_type=\"unavailable\"")), "{failed:?}");
    assert!(!failed.is_empty());

    world.stop.cancel();
    world.relay.await.unwrap();
    let shown = figures(&meters, "docket_outbox_pending");
    assert!(shown.is_empty(), "a relay that has ended knows nothing: {shown:?}");
}
