//! How far the handlers are behind on a real Kafka: what a server tells of it, and that nobody suffers when it can not look.

use std::path::Path;

use docket_testkit::{Connection, Docket, Figures, Kafka, PATIENCE, Stack, Storage, once, wait_for};

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

const LAG: &str = "docket_consumer_lag";

/// Waits until the figures are as they should be.
async fn figures(docket: &Docket, what: &str, are: impl Fn(&Figures) -> bool) {
    wait_for(what, PATIENCE, async || {
        let figures = docket.figures().await?;
        let lag: Vec<_> = figures.of(LAG, &[]).collect();
        if are(&figures) { Ok(()) } else { Err(format!("{lag:?}")) }
    })
    .await;
}

#[tokio::test]
async fn the_lag_of_each_group_is_told_while_the_broker_can_be_asked() {
    let kafka = Kafka::builder().proxies(1).start().await;
    // A group that is behind for as long as the test wants it to be.
    let group = format!("slow-{}", uuid::Uuid::new_v4().simple());
    let stack = Stack::builder(Path::new(DOCKET)).storage(&Storage::postgres().await);
    let stack = stack
        .kafka(&kafka, Connection::Plain)
        .await
        .env("DOCKET_KAFKA__BROKERS", &kafka.proxy(0).address().to_string())
        .env("DOCKET_KAFKA__USER", kafka.user())
        .env("DOCKET_KAFKA__PASSWORD", kafka.password())
        .env("DOCKET_KAFKA__LAG_SECONDS", "1")
        .env("DOCKET_KAFKA__GROUPS__EVENTS", &group)
        .start()
        .await;
    let (docket, alice) = (&stack.docket, stack.user("alice"));
    let slow = [("messaging_consumer_group_name", &*group), ("messaging_destination_name", stack.topic())];
    let behind = |by: f64| move |figures: &Figures| figures.sum(LAG, &slow) == Some(by);
    alice.create_all((0..3).map(|number| once(&format!("Errand number {number}")))).await;
    stack.settled_on(&kafka).await;
    figures(docket, "3 events that nobody has read", behind(3.0)).await;
    kafka.consume(&group, stack.topic(), 2).await;
    figures(docket, "1 event that nobody has read", behind(1.0)).await;

    // The others, as the components have them, have read everything.
    let now = docket.figures().await.unwrap();
    for (group, topic) in [
        (format!("{}-reminders", stack.app_id()), stack.reminders_topic()),
        (format!("{}-dead-letters", stack.app_id()), stack.dead_letter_topic()),
    ] {
        let labels =
            [("messaging_consumer_group_name", &*group), ("messaging_destination_name", topic.as_str())];
        assert_eq!(now.sum(LAG, &labels), Some(0.0), "{group} {topic}: {now:?}");
        let first = [("messaging_destination_partition_id", "0")];
        assert_eq!(now.of(LAG, &labels).filter(|one| one.labels[first[0].0] == first[0].1).count(), 1);
    }

    // Cut off from the broker, it tells nothing rather than what was so once, and works as before.
    kafka.proxy(0).cut().await;
    figures(docket, "no figures of a broker that is away", |figures| figures.of(LAG, &[]).count() == 0).await;
    docket.wait_for_log("nobody knows how far behind the handlers are").await;
    alice.create(once("Errand number 3")).await;
    stack.settled_on(&kafka).await;
    kafka.proxy(0).heal().await;
    figures(docket, "2 events that nobody has read", behind(2.0)).await;
}
