//! Every file of `components/`, and every resource of the Helm chart, is loaded by a real sidecar; no file has a key that
//! the sidecar would pass over in silence.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod channels;
mod chart;
mod resources;

use std::collections::BTreeSet;
use std::path::Path;

use docket_testkit::{Connection, Daprd, Kafka, Scheduler, Stack, Storage, components, once};
use serde_json::{Value, json};

use resources::Shape;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// How often the policy `deliver` of `components/kafka` lets an event come: once, and as often again as it says.
const DELIVERIES: u32 = 8;

/// What daprd warns of that has nothing to do with the resources: it has no app, no certificates and no placement service here.
const HARMLESS: [&str; 4] =
    ["mTLS is disabled", "increasedCardinality", "Actor runtime disabled", "App channel is not initialized"];

/// The folders of the channels.
const CHANNELS: [&str; 5] = [
    "notification/common",
    "notification/smtp",
    "notification/sendgrid",
    "notification/fcm",
    "notification/webhook",
];

/// The app that has the channels.
const NOTIFICATION: &str = "docket-notification";

fn shapes() -> [Shape; 4] {
    let folders = |names: &[&str]| names.iter().map(|name| components(name)).collect::<Vec<_>>();
    [
        Shape::read(&folders(&["local"])),
        Shape::read(&folders(&["kafka/common", "kafka/plain"])),
        Shape::read(&folders(&["kafka/common", "kafka/tls"])),
        Shape::read(&folders(&CHANNELS)),
    ]
}

#[test]
fn every_key_and_name_is_known() {
    for shape in shapes() {
        assert_eq!(shape.faults(), Vec::<String>::new());
        assert!(shape.files.len() >= 3, "{:?}", shape.files);
    }
}

#[test]
fn a_misspelling_anywhere_is_found() {
    for shape in shapes() {
        for file in 0..shape.files.len() {
            let places = places(&shape.files[file].1);
            assert!(places.len() > 5, "{} has {places:?}", shape.files[file].0.display());
            for place in places {
                let mut wrong = shape.clone();
                misspell(&mut wrong.files[file].1, &place);
                let (path, value) = &wrong.files[file];
                assert!(
                    !wrong.faults().is_empty(),
                    "nobody noticed {place:?} in {}: {value}",
                    path.display()
                );
            }
        }
    }
}

/// Somewhere in a file: the keys and indices that lead there, and whether it is the last key itself or its value.
#[derive(Clone, Debug)]
struct Place {
    pointer: String,
    key: Option<String>,
}

/// Every key, and every value that names something.
fn places(value: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    walk(value, "", &mut places);
    places
}

fn walk(value: &Value, pointer: &str, places: &mut Vec<Place>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inside = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                places.push(Place { pointer: pointer.to_owned(), key: Some(key.clone()) });
                if value.is_string() && names_something(&inside) {
                    places.push(Place { pointer: inside.clone(), key: None });
                }
                walk(value, &inside, places);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let inside = format!("{pointer}/{index}");
                if item.is_string() {
                    places.push(Place { pointer: inside.clone(), key: None });
                }
                walk(item, &inside, places);
            }
        }
        _ => {}
    }
}

/// Whether a text stands for something else, and is no more than a name or an amount.
fn names_something(pointer: &str) -> bool {
    let free = ["/value", "/trustDomain", "/namespace"];
    let own = ["/metadata/name"];
    let operation = pointer.contains("/operations/") && pointer.ends_with("/name");
    !operation && !free.iter().any(|end| pointer.ends_with(end)) && !own.contains(&pointer)
}

fn misspell(value: &mut Value, place: &Place) {
    let found = value.pointer_mut(&place.pointer).unwrap();
    match &place.key {
        Some(key) => {
            let fields = found.as_object_mut().unwrap();
            let value = fields.remove(key).unwrap();
            fields.insert(format!("{key}x"), value);
        }
        None => *found = json!(format!("{}x", found.as_str().unwrap())),
    }
}

#[test]
fn a_secret_in_a_plain_value_is_refused() {
    let mut secrets = BTreeSet::new();
    for shape in shapes() {
        for file in 0..shape.files.len() {
            let references = places(&shape.files[file].1).into_iter();
            for place in references.filter(|place| place.key.as_deref() == Some("secretKeyRef")) {
                let mut wrong = shape.clone();
                let item = wrong.files[file].1.pointer_mut(&place.pointer).unwrap().as_object_mut().unwrap();
                item.remove("secretKeyRef");
                item.insert("value".to_owned(), json!("42"));
                let name = item["name"].as_str().unwrap().to_owned();
                if wrong.faults().iter().any(|fault| fault.contains("must come from a secret store")) {
                    secrets.insert(name);
                }
            }
        }
    }
    assert!(secrets.iter().eq(["apiKey", "password", "saslPassword", "securityToken"]), "{secrets:?}");
}

/// Starts a sidecar with these resources alone, and checks that it has taken all of them, without a word of warning.
async fn expect_loaded(daprd: docket_testkit::DaprdBuilder, shape: &Shape) {
    let scheduler = Scheduler::builder().start().await;
    let daprd = daprd.scheduler(scheduler.port()).start().await;
    let loaded = daprd.metadata().await;
    let loaded: Vec<(String, String)> = loaded["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["name"].as_str().unwrap().to_owned(), one["type"].as_str().unwrap().to_owned()))
        .collect();
    for component in shape.components() {
        assert!(loaded.contains(&component), "{component:?} is not among {loaded:?}");
    }
    let log = daprd.log_text();
    let bad: Vec<&str> = log
        .lines()
        .filter(|line| {
            ["level=warning", "level=error", "level=fatal"].iter().any(|level| line.contains(level))
        })
        .filter(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless)))
        .collect();
    assert_eq!(bad, Vec::<&str>::new());
    for (_, resource) in &shape.files {
        let name = resource["metadata"]["name"].as_str().unwrap();
        if resource["kind"] == "Resiliency" {
            assert!(log.contains(&format!("Loading Resiliency configuration: {name}")), "{log}");
        }
    }
}

#[tokio::test]
async fn a_sidecar_takes_the_local_shape() {
    let [local, ..] = shapes();
    expect_loaded(Daprd::builder("components-local").resources_of(&components("local")), &local).await;
}

#[tokio::test]
async fn a_sidecar_takes_the_shape_of_kafka_without_tls() {
    let ([_, plain, ..], kafka) = (shapes(), Kafka::shared().await);
    let daprd = Daprd::builder("components-plain").kafka(kafka, Connection::Plain, "docket-tasks");
    expect_loaded(daprd, &plain).await;
}

#[tokio::test]
async fn a_sidecar_takes_the_shape_of_kafka_with_tls() {
    let ([_, _, tls, _], kafka) = (shapes(), Kafka::shared().await);
    let daprd = Daprd::builder("components-tls").kafka(kafka, Connection::Tls, "docket-tasks");
    expect_loaded(daprd, &tls).await;
}

/// What a sidecar says that ends because its component cannot be used.
async fn refusal(daprd: docket_testkit::DaprdBuilder) -> String {
    let scheduler = Scheduler::builder().start().await;
    let mut daprd = daprd.scheduler(scheduler.port()).spawn();
    let status = daprd.wait_exit().await;
    assert!(!status.success(), "it ended with {status}");
    daprd.log_text()
}

#[tokio::test]
async fn secrets_count_password_and_authority_alike() {
    let (kafka, other) = tokio::join!(Kafka::shared(), Kafka::start());
    let wrong = json!({"docket-kafka": {
        "brokers": kafka.address().to_string(), "disableTls": "true", "caCert": "",
        "saslUsername": kafka.user(), "saslPassword": "wrong",
    }});
    let plain = Daprd::builder("components-password").kafka(kafka, Connection::Plain, "docket-tasks");
    let said = refusal(plain.file("kafka-plain.json", &wrong.to_string())).await;
    assert!(said.contains("SASL Authentication failed") || said.contains("invalid credentials"), "{said}");

    let wrong = json!({"docket-kafka": {
        "brokers": kafka.tls_address().to_string(), "disableTls": "false", "caCert": other.authority(),
        "saslUsername": kafka.user(), "saslPassword": kafka.password(),
    }});
    let tls = Daprd::builder("components-authority").kafka(kafka, Connection::Tls, "docket-tasks");
    let said = refusal(tls.file("kafka-tls.json", &wrong.to_string())).await;
    assert!(said.contains("certificate signed by unknown authority"), "{said}");
}

#[tokio::test]
async fn what_is_to_be_retried_comes_again_as_the_policy_says_and_then_as_the_component_does() {
    let kafka = Kafka::shared().await;
    // One attempt in docket itself, so that all others are the sidecar's.
    let failures = DELIVERIES + 1;
    let mut stack = Stack::builder(Path::new(DOCKET))
        .storage(&Storage::postgres().await)
        .kafka(kafka, Connection::Plain)
        .await
        .one_by_one()
        .env("DOCKET_DAPR__RETRY__ATTEMPTS", "1")
        .failpoint("audit-error", &format!("{failures}*return"))
        .start()
        .await;
    let alice = stack.user("alice");
    let task = alice.create(once("Water the plants")).await;
    alice.expect_story(&task, &["created"]).await;
    stack.settled_on(kafka).await;

    let log = stack.daprd().log_text();
    let failures: Vec<&str> = log
        .lines()
        .filter_map(|line| {
            let of_policy = line.contains("encountered a retriable error").then_some("policy");
            of_policy.or_else(|| line.contains("Error processing Kafka message").then_some("component"))
        })
        .collect();
    let mut expect = vec!["policy"; DELIVERIES as usize];
    expect.extend(["component", "policy"]);
    assert_eq!(
        failures, expect,
        "the policy ends, the component brings it again, and the policy begins anew"
    );
    assert_eq!(kafka.read(&stack.dead_letter_topic()).await, [], "nothing was given up");
}
