//! What only shows when something runs: a Job or a pod says what is wrong, with the key's name.

use std::time::Duration;

use docket_testkit::wait_for;
use serde_json::{Value, json};

use super::trial::{Trial, database, kafka, stranger_url};
use crate::kubectl;

/// How long a pod may take to say it.
const LIMIT: Duration = Duration::from_secs(180);

/// Checks that the installation fails, and that Helm shows the log of the Job, which names the key.
async fn check_job(trial: &Trial, set: &[&str], expect: &[&str]) {
    let mut arguments = vec!["--timeout", "180s"];
    arguments.extend(set.iter().flat_map(|value| ["--set", value]));
    let said = trial.install(&arguments).await;
    assert!(!said.well(), "{set:?} was installed");
    let told = format!("{}{}", said.text(), said.errors);
    for expect in expect {
        assert!(told.contains(expect), "{set:?}: not {expect:?}, but {told}");
    }
    let deployments = kubectl::list(&["deployments", "--namespace", trial.namespace()]).await;
    assert_eq!(deployments.len(), 0, "a Deployment was made before the Jobs had ended");
}

/// How each container of the pods is, as the kubelet tells it.
async fn containers(namespace: &str) -> Vec<Value> {
    let pods = kubectl::list(&["pods", "--namespace", namespace]).await;
    let all = pods.iter().filter_map(|pod| pod["status"]["containerStatuses"].as_array());
    all.flatten().cloned().collect()
}

/// Waits until a container's state, or its last one, has these texts.
async fn expect_said(namespace: &str, what: &str, texts: &[&str]) {
    wait_for(what, LIMIT, async || {
        let containers = containers(namespace).await;
        let says = |one: &Value| {
            let states = format!("{}{}", one["state"], one["lastState"]);
            texts.iter().all(|text| states.contains(text))
        };
        if containers.iter().any(says) { Ok(()) } else { Err(format!("{containers:?}")) }
    })
    .await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn migration_says_that_there_is_no_database() {
    let trial = Trial::new().await;
    trial.secret("docket-database", &database()).await;
    trial.secret("docket-kafka", &kafka()).await;
    check_job(
        &trial,
        &["database.migrate.timeoutSeconds=30"],
        &["docket-migrate", "database.url: cannot open"],
    )
    .await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn migration_says_that_its_password_is_wrong() {
    let trial = Trial::new().await;
    let url = stranger_url().await;
    trial.secret("docket-database", &json!({"owner-url": url, "server-url": url})).await;
    trial.secret("docket-kafka", &kafka()).await;
    let expect = ["docket-migrate", "database.url: cannot open", "password authentication failed"];
    check_job(&trial, &["database.migrate.timeoutSeconds=30"], &expect).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn topics_say_that_there_is_no_broker() {
    let trial = Trial::new().await;
    trial.secret("docket-database", &database()).await;
    trial.secret("docket-kafka", &kafka()).await;
    let set = ["database.migrate.enabled=false", "kafka.topicsTimeoutSeconds=30"];
    check_job(&trial, &set, &["docket-topics", "kafka.brokers: nowhere.invalid:9092"]).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn key_that_docket_does_not_know_is_named_by_the_first_job() {
    let trial = Trial::new().await;
    trial.secret("docket-database", &database()).await;
    trial.secret("docket-kafka", &kafka()).await;
    let set = ["config.outbox.nosuch=1", "database.migrate.timeoutSeconds=30"];
    check_job(&trial, &set, &["docket-migrate", "outbox", "nosuch"]).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn image_that_is_nowhere_is_named_by_the_pod() {
    let trial = Trial::new().await;
    trial.secret("docket-database", &database()).await;
    trial.secret("docket-kafka", &kafka()).await;
    let said = trial.install(&["--set", "image.tag=no-such-tag", "--timeout", "20s"]).await;
    assert!(!said.well());
    assert!(said.errors.contains("docket-migrate"), "the Job that does not begin: {}", said.errors);
    expect_said(trial.namespace(), "a pod without its image", &["ErrImage", "no-such-tag"]).await;
}

/// The servers alone, without Jobs that would find it out before them.
const SERVERS: [&str; 10] = [
    "database.migrate.enabled=false",
    "kafka.createTopics=false",
    "targets.recurrence.enabled=false",
    "targets.audit.enabled=false",
    "targets.reminders.enabled=false",
    "targets.notification.enabled=false",
    "targets.deadletters.enabled=false",
    "dapr.enabled=false",
    "targets.tasks.podDisruptionBudget.enabled=false",
    "networkPolicy.enabled=false",
];

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn server_whose_login_is_refused_says_so_in_the_state_of_its_pod() {
    let trial = Trial::new().await;
    let url = stranger_url().await;
    trial.secret("docket-database", &json!({"server-url": url})).await;
    let mut arguments = vec!["--wait", "--timeout", "30s"];
    arguments.extend(SERVERS.iter().flat_map(|value| ["--set", value]));
    let said = trial.install(&arguments).await;
    assert!(!said.well());
    assert!(said.errors.contains("docket-tasks"), "the Deployment that is not ready: {}", said.errors);
    let texts = ["database.url: cannot open", "password authentication failed"];
    expect_said(trial.namespace(), "a server without its database", &texts).await;
}
