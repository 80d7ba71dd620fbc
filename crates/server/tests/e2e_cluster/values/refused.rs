//! What Helm refuses, before anything was touched.

use serde_json::{Value, json};

use super::trial::{Trial, database, kafka};

/// Checks that Helm refuses these values, and names the key.
async fn check(trial: &Trial, set: &[&str], expect: &str) {
    let mut arguments = vec!["--dry-run=server"];
    arguments.extend(set.iter().flat_map(|value| ["--set", value]));
    let said = trial.install(&arguments).await;
    assert!(!said.well(), "{set:?} was taken");
    assert!(said.errors.contains(expect), "{set:?}: not {expect:?}, but {}", said.errors);
}

fn without(mut values: Value, key: &str) -> Value {
    values.as_object_mut().unwrap().remove(key).unwrap();
    values
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn secrets_that_are_missing_are_named_with_their_key() {
    let trial = Trial::new().await;
    check(&trial, &[], "database.existingSecret: there is no Secret docket-database").await;
    for key in ["owner-url", "server-url"] {
        trial.secret("docket-database", &without(database(), key)).await;
        let expect = format!("database.existingSecret: the Secret docket-database lacks the key {key}");
        check(&trial, &[], &expect).await;
    }
    trial.secret("docket-database", &database()).await;
    check(&trial, &[], "kafka.existingSecret: there is no Secret docket-kafka").await;
    for key in ["brokers", "disableTls", "caCert", "saslUsername", "saslPassword"] {
        trial.secret("docket-kafka", &without(kafka(), key)).await;
        let expect = format!("kafka.existingSecret: the Secret docket-kafka lacks the key {key}");
        check(&trial, &[], &expect).await;
    }
    trial.secret("docket-kafka", &kafka()).await;
    for (key, name) in [("appTokenSecret", "my-app-token"), ("apiTokenSecret", "my-api-token")] {
        let set = format!("dapr.{key}={name}");
        check(&trial, &[&set], &format!("dapr.{key}: there is no Secret {name}")).await;
        trial.secret(name, &json!({"password": "x"})).await;
        check(&trial, &[&set], &format!("dapr.{key}: the Secret {name} lacks the key token")).await;
    }
    check(&trial, &["auth.existingSecret=mine"], "auth.existingSecret: there is no Secret mine").await;
    let mail = ["channels.email.kind=smtp", "channels.email.from=docket@example.com"];
    check(&trial, &mail, "channels.email.existingSecret: there is no Secret docket-smtp").await;

    // With all of them there is nothing to refuse.
    let said = trial.install(&["--dry-run=server"]).await;
    assert!(said.well(), "{}", said.errors);
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn values_that_cannot_work_are_named() {
    let trial = Trial::new().await;
    trial.secret("docket-database", &database()).await;
    trial.secret("docket-kafka", &kafka()).await;
    for (set, expect) in [
        ("defaults.replicas=0", "at '/defaults/replicas': minimum: got 0"),
        ("targets.tasks.replicas=0", "at '/targets/tasks/replicas': minimum: got 0"),
        ("nosuch=1", "additional properties 'nosuch' not allowed"),
        ("targets.tasks.replica=2", "at '/targets/tasks': additional properties 'replica' not allowed"),
        ("mode=many", "at '/mode': value must be one of"),
        ("image.tag=latest", "image.tag: "),
        ("image.repository=docket:1", "image.repository: "),
        ("kafka.mechanism=PLAIN", "at '/kafka/mechanism'"),
        ("kafka.tls=true", "kafka.tls: is true, but the key disableTls of the Secret docket-kafka says"),
        ("targets.tasks.replicas=50", "database.connectionBudget: "),
        ("targets.tasks.enabled=false", "targets.tasks.enabled: "),
        ("config.database.url=sqlite:x", "config.database.url: is not chosen here, but by the Secret"),
        ("config.dapr.pubsub=other", "config.dapr.pubsub: is not chosen here"),
        ("config.drain_seconds=60", "config.drain_seconds: "),
        ("config.outbox.confirm=receipts", "config.outbox.confirm: "),
    ] {
        check(&trial, &[set], expect).await;
    }
    // What this cluster does not have, if it does not.
    check(&trial, &["keda.enabled=true"], "keda.brokers: ").await;
}
