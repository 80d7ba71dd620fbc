//! The client against a real broker: topics, records, groups, and every way in which there is no connection.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use docket_kafka::{Access, Client, Error, Group, Login, Mechanism, NewTopic, Record};
use docket_testkit::{Kafka, PATIENCE, wait_for};

/// A name that no other test has.
fn fresh(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

fn record(key: &str, value: &str) -> Record {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::copy_from_slice(value.as_bytes()));
    Record { key: Some(key), value: Some(value), headers: Vec::new(), timestamp: 1_700_000_000_000 }
}

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn topic_is_made_once_described_and_changed() {
    let mut client = Kafka::shared().await.client().await;
    let name = fresh("topic");
    let topic = NewTopic {
        name: name.clone(),
        partitions: 2,
        replication_factor: 1,
        configs: configs(&[("retention.ms", "60000"), ("max.message.bytes", "2000")]),
    };
    assert!(client.create_topic(&topic).await.unwrap());
    assert!(!client.create_topic(&topic).await.unwrap(), "there already");

    let missing = fresh("missing");
    let topics = wait_for("the topic", PATIENCE, async || {
        let topics = client.topics(&[&name, &missing]).await.unwrap();
        if topics.is_empty() { Err("not yet".to_owned()) } else { Ok(topics) }
    })
    .await;
    assert_eq!(topics.keys().collect::<Vec<_>>(), [&name], "what is not there is left out");
    let found = &topics[&name];
    assert_eq!((found.partitions, found.replication_factor), (2, 1));
    assert_eq!(found.configs["retention.ms"], "60000");
    assert_eq!(
        found.configs["cleanup.policy"], "delete",
        "settings that it has from the cluster are told too"
    );

    client.alter_configs(&name, &configs(&[("retention.ms", "120000")])).await.unwrap();
    client.create_partitions(&name, 5).await.unwrap();
    let found = wait_for("the change", PATIENCE, async || {
        let found = client.topics(&[&name]).await.unwrap().remove(&name).unwrap();
        if found.partitions == 5 { Ok(found) } else { Err(format!("{} partitions", found.partitions)) }
    })
    .await;
    assert_eq!(found.configs["retention.ms"], "120000");
    assert_eq!(found.configs["max.message.bytes"], "2000", "what was not named stays");
}

#[tokio::test]
async fn refusals_say_what_was_wanted_and_why() {
    let mut client = Kafka::shared().await.client().await;
    let name = fresh("refused");
    let mut topic =
        NewTopic { name: name.clone(), partitions: 1, replication_factor: 3, configs: BTreeMap::new() };
    let error = client.create_topic(&topic).await.unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("replication factor of 3"), "{error}");
    topic.replication_factor = 1;
    topic.configs = configs(&[("retention.ms", "soon")]);
    let error = client.create_topic(&topic).await.unwrap_err().to_string();
    assert!(error.contains("retention.ms"), "{error}");
    let error = client.alter_configs(&name, &configs(&[("retention.ms", "1")])).await.unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
    let error = client.read(&name).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");

    let kafka = Kafka::shared().await;
    kafka.create_topic(&name, 2).await;
    client.alter_configs(&name, &configs(&[("max.message.bytes", "1000")])).await.unwrap();
    let error = client.create_partitions(&name, 1).await.unwrap_err().to_string();
    assert!(error.contains("can not have 1 partitions"), "{error}");
    let error = client.produce(&name, 2, &[record("k", "v")]).await.unwrap_err();
    assert!(matches!(error, Error::NoPartition { partition: 2, .. }), "{error:?}");
    let large = wait_for("the limit", PATIENCE, async || {
        client.produce(&name, 0, &[record("k", &"v".repeat(2_000))]).await.err().ok_or("taken".to_owned())
    })
    .await;
    assert!(large.to_string().contains(&format!("partition 0 of {name}")), "{large}");
}

#[tokio::test]
async fn records_come_back_as_they_were_written() {
    let kafka = Kafka::shared().await;
    let (mut client, topic) = (kafka.client().await, fresh("records"));
    kafka.create_topic(&topic, 2).await;
    let with_headers = Record {
        headers: vec![("one".to_owned(), Bytes::from_static(b"\x00\xff")), ("two".to_owned(), Bytes::new())],
        ..record("a", "first")
    };
    let tombstone = Record { key: Some(Bytes::from_static(b"a")), ..Record::default() };
    assert_eq!(client.produce(&topic, 1, &[with_headers, tombstone]).await.unwrap(), 0);
    assert_eq!(client.produce(&topic, 1, &[record("b", "third")]).await.unwrap(), 2);
    assert_eq!(client.produce(&topic, 0, &[record("c", "elsewhere")]).await.unwrap(), 0);

    let offsets = client.offsets(&topic).await.unwrap();
    assert_eq!(offsets, BTreeMap::from([(0, 0..1), (1, 0..3)]));
    let all = client.read(&topic).await.unwrap();
    let places: Vec<_> = all.iter().map(|record| (record.partition, record.offset)).collect();
    assert_eq!(places, [(0, 0), (1, 0), (1, 1), (1, 2)]);
    assert_eq!(all[0].value.as_deref(), Some(&b"elsewhere"[..]));
    assert_eq!(all[1].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(all[1].timestamp, 1_700_000_000_000);
    assert_eq!(all[1].headers["one"], &b"\x00\xff"[..]);
    assert_eq!(all[1].headers["two"], &b""[..]);
    assert_eq!(all[2].value, None);

    // From inside a batch, and at the end.
    let later = client.fetch(&topic, 1, 1).await.unwrap();
    assert_eq!(later.iter().map(|record| record.offset).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(client.fetch(&topic, 1, 3).await.unwrap(), []);
    assert!(client.fetch(&topic, 1, 4).await.is_err(), "beyond the end");
}

#[tokio::test]
async fn topic_larger_than_one_fetch_is_read_to_its_end() {
    const COUNT: i64 = 24;
    let kafka = Kafka::shared().await;
    let (mut client, topic) = (kafka.client().await, fresh("large"));
    kafka.create_topic(&topic, 1).await;
    // Sizes that no limit is a multiple of, so that a fetch ends inside a batch.
    let value = "v".repeat(700_001);
    for number in 0..COUNT {
        client.produce(&topic, 0, &[record(&number.to_string(), &value)]).await.unwrap();
    }
    let first = client.fetch(&topic, 0, 0).await.unwrap().len();
    assert!(first > 1 && first < 24, "one fetch brings {first}");
    let all = client.read(&topic).await.unwrap();
    assert_eq!(all.iter().map(|record| record.offset).collect::<Vec<_>>(), (0..COUNT).collect::<Vec<_>>());
    assert!(all.iter().all(|record| record.value.as_ref().is_some_and(|read| read.len() == value.len())));
}

#[tokio::test]
async fn group_lags_by_what_it_has_not_committed() {
    let kafka = Kafka::shared().await;
    let (mut client, topic, group) = (kafka.client().await, fresh("lag"), fresh("group"));
    kafka.create_topic(&topic, 2).await;
    for partition in [0, 1] {
        client.produce(&topic, partition, &[record("a", "1"), record("b", "2")]).await.unwrap();
    }
    assert_eq!(client.committed(&group).await.unwrap(), BTreeMap::new());
    assert_eq!(client.lag(&group, &topic).await.unwrap(), BTreeMap::from([(0, 2), (1, 2)]));

    kafka.consume(&group, &topic, 4).await;
    client.produce(&topic, 1, &[record("c", "3")]).await.unwrap();
    let committed = client.committed(&group).await.unwrap();
    assert_eq!(committed, BTreeMap::from([((topic.clone(), 0), 2), ((topic.clone(), 1), 2)]));
    assert_eq!(client.lag(&group, &topic).await.unwrap(), BTreeMap::from([(0, 0), (1, 1)]));
    let groups = client.groups().await.unwrap();
    assert!(groups.contains(&Group { name: group, state: "Empty".to_owned() }), "{groups:?}");
}

/// Why there is no connection.
async fn refused(access: Access) -> Error {
    match Client::connect(&access).await {
        Ok(mut client) => client.brokers().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn whoever_gets_no_connection_is_told_why() {
    let kafka = Kafka::shared().await;
    let (plain, tls) = (kafka.address().to_string(), kafka.tls_address().to_string());
    let login = Login::new(kafka.user(), kafka.password());
    let authority = kafka.authority().as_bytes();

    let secret = "not-the-password";
    let error = refused(Access::new([&plain]).login(Login::new(kafka.user(), secret))).await;
    assert!(matches!(&error, Error::Login { user, .. } if user == kafka.user()), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    let error = refused(Access::new([&plain]).login(Login::new("nobody", kafka.password()))).await;
    assert!(matches!(error, Error::Login { .. }), "{error:?}");
    let error = refused(Access::new([&plain])).await;
    assert!(matches!(error, Error::Closed { .. }), "a login is wanted: {error:?}");

    let other = login.clone().by(Mechanism::ScramSha512);
    let mut client = Client::connect(&Access::new([&plain]).login(other)).await.unwrap();
    assert_eq!(client.brokers().await.unwrap()[0].address, plain, "known by the other mechanism, too");

    let own = Client::connect(&Access::new([&tls]).tls(authority).unwrap().login(login.clone())).await;
    assert_eq!(own.unwrap().brokers().await.unwrap()[0].address, tls);
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    let error = refused(Access::new([&tls]).tls(other.as_bytes()).unwrap().login(login.clone())).await;
    assert!(matches!(&error, Error::Tls { .. }) && error.to_string().contains("UnknownIssuer"), "{error}");
    let error = refused(Access::new([&tls]).login(login.clone())).await;
    assert!(matches!(error, Error::Answer { .. } | Error::Closed { .. }), "TLS is wanted: {error:?}");
    let error = refused(Access::new([&plain]).tls(authority).unwrap().login(login.clone())).await;
    assert!(matches!(error, Error::Tls { .. }), "no TLS there: {error:?}");

    let nobody = docket_testkit::Port::reserve();
    let mut released = docket_testkit::Port::reserve();
    released.release();
    let gone = released.address().to_string();
    let error = refused(Access::new([&gone]).login(login.clone())).await;
    assert!(matches!(&error, Error::Unreachable { broker, .. } if *broker == gone), "{error:?}");
    // It listens, and says nothing.
    let silent = Access::new([nobody.address().to_string()]).login(login.clone());
    let error = refused(silent.patience(Duration::from_millis(100))).await;
    assert!(matches!(error, Error::Silent { .. }), "{error:?}");
    assert!(matches!(refused(Access::new(["no-port"])).await, Error::Address(_)));
    assert!(matches!(refused(Access::new(Vec::<String>::new())).await, Error::NoBroker));

    // One that is away is no harm as long as another one is there.
    let mut client = Client::connect(&Access::new([&gone, &plain]).login(login)).await.unwrap();
    assert_eq!(client.brokers().await.unwrap().len(), 1);
}

#[tokio::test]
async fn broker_behind_a_tunnel_is_reached_by_a_detour() {
    let kafka = Kafka::shared().await;
    let named = "broker.invalid:9092";
    let access = Access::new([named]).login(Login::new(kafka.user(), kafka.password()));
    let error = Client::connect(&access).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let mut client = Client::connect(&access.detour(named, kafka.address())).await.unwrap();
    assert_eq!(client.brokers().await.unwrap().len(), 1);
}
