//! Kafka under the hands of a test: what a crash, a pause and a network do to it, and what they do not.

use std::time::Duration;

use docket_testkit::kafka::{Access, Client, Error, Login, Mechanism, Record};
use docket_testkit::{Kafka, PATIENCE, wait_for};

/// Nobody answers within it, and whoever can does.
const MOMENT: Duration = Duration::from_millis(300);

fn record(value: &'static str) -> Record {
    Record { key: None, value: Some(value.into()), ..Record::default() }
}

fn values(records: &[docket_testkit::kafka::Stored]) -> Vec<&[u8]> {
    records.iter().filter_map(|record| record.value.as_deref()).collect()
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill_and_a_pause() {
    let builder = Kafka::builder().user(Mechanism::ScramSha512, "other", "other-password");
    let mut kafka = builder.start().await;
    let topics = kafka.create_topics("kept-").await;
    assert_eq!(topics.events_dlq, "kept-task-events-dlq");
    let address = kafka.address();
    let mut client = kafka.client().await;
    client.produce(&topics.events, 2, &[record("one")]).await.unwrap();

    kafka.kill();
    assert!(client.brokers().await.is_err(), "it is away");
    kafka.spawn();
    kafka.ready().await;
    assert_eq!(kafka.address(), address);
    wait_for("a leader", PATIENCE, async || {
        client.produce(&topics.events, 2, &[record("two")]).await.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(values(&kafka.read(&topics.events).await), [b"one", b"two"]);

    kafka.pause();
    let login = Login::new("other", "other-password");
    let other = |mechanism| Access::new([address.to_string()]).login(login.clone().by(mechanism));
    let (unknown, other) = (other(Mechanism::ScramSha256), other(Mechanism::ScramSha512));
    let silent = Client::connect(&other.clone().patience(MOMENT)).await;
    assert!(silent.unwrap_err().to_string().contains("no answer within"));
    kafka.resume();
    let error = Client::connect(&unknown).await.unwrap_err();
    assert!(
        matches!(error, Error::Login { .. }),
        "by another mechanism the broker does not know it: {error:?}"
    );
    assert_eq!(Client::connect(&other).await.unwrap().read(&topics.events).await.unwrap().len(), 2);
    // Dropped while it is paused, it ends all the same.
    kafka.pause();
}

#[tokio::test]
async fn whoever_comes_through_a_proxy_can_be_cut_off_alone() {
    let kafka = Kafka::builder().proxies(2).start().await;
    kafka.create_topic("through", 1).await;
    let login = Login::new(kafka.user(), kafka.password());
    let access = |number| {
        let access = Access::new([kafka.proxy(number).address().to_string()]);
        access.login(login.clone()).patience(Duration::from_secs(5))
    };
    let mut cut_off = Client::connect(&access(0)).await.unwrap();
    let mut neighbour = Client::connect(&access(1)).await.unwrap();
    // The leader's address is the proxy's too, so nothing goes past it.
    assert_eq!(cut_off.brokers().await.unwrap()[0].address, kafka.proxy(0).address().to_string());
    cut_off.produce("through", 0, &[record("before")]).await.unwrap();

    kafka.proxy(0).cut().await;
    assert!(cut_off.produce("through", 0, &[record("never")]).await.is_err());
    assert!(Client::connect(&access(0)).await.is_err());
    neighbour.produce("through", 0, &[record("meanwhile")]).await.unwrap();
    assert_eq!(kafka.read("through").await.len(), 2, "the test itself sees everything");

    kafka.proxy(0).heal().await;
    assert_eq!(values(&cut_off.read("through").await.unwrap()), [&b"before"[..], b"meanwhile"]);
}
