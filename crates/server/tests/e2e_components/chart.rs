//! The Helm chart: its resources of Dapr in real sidecars, its `docket.toml` before the real `docket`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use docket_testkit::{Daprd, DaprdBuilder, Kafka, Scheduler, chart};
use serde_json::{Value, json};

use super::{DOCKET, HARMLESS};

/// Values that the chart is rendered with: each file, and what the examples are on top of.
const SHAPES: [&[&str]; 9] = [
    &[],
    &["values-kind.yaml"],
    &["values-production.yaml"],
    &["values-production.yaml", "examples/managed-kafka.yaml"],
    &["values-production.yaml", "examples/managed-postgres.yaml"],
    &["values-production.yaml", "examples/managed-kafka.yaml", "examples/managed-postgres.yaml"],
    &["tests/values/everything.yaml"],
    &["tests/values/single.yaml"],
    &["tests/values/without-dapr.yaml"],
];

/// The targets, each with the components that its sidecar loads besides `pubsub`.
const APPS: [(&str, &[&str]); 6] = [
    ("docket-tasks", &[]),
    ("docket-recurrence", &["pubsub-dead-letters", "recurring-scheduler"]),
    ("docket-audit", &["pubsub-dead-letters"]),
    ("docket-reminders", &["pubsub-dead-letters", "pubsub-reminders"]),
    ("docket-notification", &["pubsub-dead-letters", "pubsub-reminders"]),
    ("docket-deadletters", &["pubsub-dead-letters", "pubsub-reminders"]),
];

/// What the channels of `everything.yaml` are called.
const CHANNELS: [&str; 4] = ["fcm", "smtp", "webhook-chat", "webhook-example"];

fn rendered(flags: &[String]) -> Vec<Value> {
    let documents: Vec<Option<Value>> = serde_saphyr::from_multiple(&chart(flags)).unwrap();
    documents.into_iter().flatten().filter(|value| !value.is_null()).collect()
}

fn files(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("--values={name}")).collect()
}

/// A sidecar of the app with all resources of the chart, whoever they are for. In place of the operator, which hands secrets to
/// sidecars in Kubernetes, there is a file.
fn sidecar(app: &str, manifests: &[Value], kafka: &Kafka) -> DaprdBuilder {
    let login = json!({
        "brokers": kafka.address().to_string(), "disableTls": "true", "caCert": "",
        "saslUsername": kafka.user(), "saslPassword": kafka.password(),
    });
    let mail = json!({"host": "127.0.0.1", "port": "9", "user": "docket", "password": "x"});
    let secrets = json!({
        "docket-kafka": login.clone(), "kafka-login": login,
        "mail-login": mail, "docket-fcm": {"authorization": "Bearer x"},
    });
    let store = json!({
        "apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "kubernetes"},
        "spec": {"type": "secretstores.local.file", "version": "v1", "metadata": [
            {"name": "secretsFile", "value": "secrets.json"}, {"name": "multiValued", "value": "true"},
        ]},
    });
    let daprd = Daprd::builder(app).file("secrets.json", &secrets.to_string());
    let daprd = daprd.resource("kubernetes", &store.to_string());
    let of_dapr = manifests
        .iter()
        .filter(|manifest| manifest["apiVersion"].as_str().unwrap_or_default().starts_with("dapr.io/"));
    of_dapr.fold(daprd, |daprd, resource| {
        let (kind, name) =
            (resource["kind"].as_str().unwrap(), resource["metadata"]["name"].as_str().unwrap());
        // The one that the sidecar is given by name.
        let file = if kind == "Configuration" { "config".to_owned() } else { format!("{kind}-{name}") };
        daprd.resource(&file, &resource.to_string())
    })
}

/// The names of what a sidecar has loaded, but for the place of its secrets.
async fn loaded(daprd: &Daprd) -> Vec<String> {
    let metadata = daprd.metadata().await;
    let components = metadata["components"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<_> = components.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    names.retain(|name| name != "kubernetes");
    names.sort();
    names
}

/// Starts a sidecar of the app, and checks that it takes these components and no others, without a word of warning.
async fn expect_taken(app: &str, manifests: &[Value], kafka: &Kafka, components: &[&str]) {
    let scheduler = Scheduler::builder().start().await;
    let daprd = sidecar(app, manifests, kafka).scheduler(scheduler.port()).start().await;
    assert_eq!(loaded(&daprd).await, components, "{app}");
    let log = daprd.log_text();
    let complaints = ["level=warning", "level=error", "level=fatal"];
    let bad: Vec<&str> = log
        .lines()
        .filter(|line| complaints.iter().any(|level| line.contains(level)))
        .filter(|line| !HARMLESS.iter().any(|harmless| line.contains(harmless)))
        .collect();
    assert_eq!(bad, Vec::<&str>::new(), "{app}");
    assert!(log.contains("Loading Resiliency configuration: docket"), "{app}: {log}");
}

#[tokio::test]
async fn each_sidecar_of_the_chart_takes_what_is_its_own() {
    let kafka = Kafka::shared().await;
    let plain = rendered(&[]);
    for (app, more) in APPS {
        let mut components = vec!["pubsub"];
        components.extend(more);
        expect_taken(app, &plain, kafka, &components).await;
    }
    let scheduler = Scheduler::builder().start().await;
    let other = sidecar("somebody-else", &plain, kafka).scheduler(scheduler.port()).start().await;
    assert_eq!(loaded(&other).await, [""; 0], "an app that the chart does not know");
}

#[tokio::test]
async fn every_component_of_the_chart_is_one() {
    let kafka = Kafka::shared().await;
    // The shared broker knows its user by this mechanism alone.
    let flags =
        [files(&["tests/values/everything.yaml"]), vec!["--set=kafka.mechanism=SCRAM-SHA-256".to_owned()]];
    let mut components = vec!["pubsub", "pubsub-dead-letters", "pubsub-reminders"];
    components.extend(CHANNELS);
    components.sort_unstable();
    expect_taken("docket-notification", &rendered(&flags.concat()), kafka, &components).await;

    let single = rendered(&files(&["tests/values/single.yaml"]));
    let components = ["pubsub", "pubsub-dead-letters", "pubsub-reminders", "recurring-scheduler"];
    expect_taken("docket", &single, kafka, &components).await;
}

#[tokio::test]
async fn an_app_publishes_to_its_own_topics_alone() {
    let kafka = Kafka::shared().await;
    let manifests = rendered(&[
        "--set=config.tasks.topic=chart-events".to_owned(),
        "--set=config.reminders.topic=chart-reminders".to_owned(),
    ]);
    let (events, due) = ("pubsub/chart-events", "pubsub-reminders/chart-reminders");
    let (event_letters, due_letters) =
        ("pubsub-dead-letters/chart-events-dlq", "pubsub-dead-letters/chart-reminders-dlq");
    for topic in [events, due, event_letters, due_letters].map(|topic| topic.split_once('/').unwrap().1) {
        kafka.create_topic(topic, 1).await;
    }
    let rights: [(&str, &[&str]); 6] = [
        ("docket-tasks", &[events]),
        ("docket-recurrence", &[event_letters]),
        ("docket-audit", &[event_letters]),
        ("docket-reminders", &[events, due, event_letters]),
        ("docket-notification", &[events, due_letters]),
        ("docket-deadletters", &[events, due, event_letters, due_letters]),
    ];
    let scheduler = Scheduler::builder().start().await;
    for (app, rights) in rights {
        let daprd = sidecar(app, &manifests, kafka).scheduler(scheduler.port()).start().await;
        for topic in [events, due, event_letters, due_letters, "pubsub/another"] {
            let (code, said) = daprd.call("POST", &format!("/v1.0/publish/{topic}"), "{}").await;
            // What a sidecar has no component for, it does not find.
            let expect: &[u16] = if rights.contains(&topic) { &[204] } else { &[403, 404] };
            assert!(expect.contains(&code), "{app} {topic}: {code} {said}");
        }
        let (code, said) = daprd.call("GET", "/v1.0/secrets/kubernetes/docket-kafka", "").await;
        assert_eq!(code, 403, "{app} reads a secret: {said}");
    }
}

/// The variables that pods get from Secrets and that `docket config check` wants.
fn secrets() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("DOCKET_DATABASE__URL", "postgres://docket_server:x@db.example/docket"),
        ("DOCKET_AUTH__SECRET", "a-secret-of-at-least-thirty-two-bytes"),
        ("DOCKET_DAPR__APP_API_TOKEN", "app-token"),
        ("DOCKET_DAPR__API_TOKEN", "api-token"),
        ("DOCKET_KAFKA__BROKERS", "kafka-0.kafka:9092,kafka-1.kafka:9092"),
        ("DOCKET_KAFKA__USER", "docket"),
        ("DOCKET_KAFKA__PASSWORD", "x"),
        ("POD_NAME", "docket-tasks-0"),
    ])
}

/// What `docket config ACTION` says with a pod's configuration, variables and targets.
fn docket(action: &str, text: &str, pod: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("docket.toml");
    std::fs::write(&file, text).unwrap();
    let container = &pod["spec"]["containers"][0];
    let mut docket = Command::new(Path::new(DOCKET));
    docket.env_clear().current_dir(folder.path());
    let secrets = secrets();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        let value = match variable["value"].as_str() {
            Some(value) => value,
            None => secrets.get(name).unwrap_or_else(|| panic!("what is {name}?")),
        };
        docket.env(name, value);
    }
    let targets = container["args"][2].as_str().unwrap();
    docket.env("DOCKET_CONFIG", &file).env("DOCKET_TARGETS", targets);
    let output = docket.args(["config", action]).output().unwrap();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn docket_takes_the_configuration_of_every_pod() {
    for shape in SHAPES {
        let manifests = rendered(&files(shape));
        let named = |kind: &str, name: &str| {
            manifests.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).cloned()
        };
        let text = named("ConfigMap", "docket").unwrap()["data"]["docket.toml"].as_str().unwrap().to_owned();
        let pods: Vec<&Value> = manifests
            .iter()
            .filter(|one| one["kind"] == "Deployment")
            .map(|one| &one["spec"]["template"])
            .collect();
        assert!(!pods.is_empty(), "{shape:?}");
        for pod in pods {
            docket("check", &text, pod);
        }
    }
}

/// What decides whether pods are replaced.
fn checksums(flags: &[String]) -> Vec<Value> {
    let manifests = rendered(flags);
    let pods = manifests.iter().filter(|one| one["kind"] == "Deployment").map(|one| &one["spec"]["template"]);
    pods.map(|pod| pod["metadata"]["annotations"]["checksum/config"].clone()).collect()
}

#[test]
fn pods_are_replaced_when_their_configuration_changes_and_only_then() {
    let (before, again) = (checksums(&[]), checksums(&[]));
    assert!(before.len() == 6 && before == again, "{before:?} {again:?}");
    let changed = checksums(&["--set=config.tasks.max_per_user=5".to_owned()]);
    assert!(before.iter().zip(&changed).all(|(before, changed)| before != changed), "{changed:?}");
}

#[test]
fn configuration_is_what_the_values_say() {
    let manifests = rendered(&files(&["tests/values/everything.yaml"]));
    let text =
        manifests.iter().find(|one| one["kind"] == "ConfigMap").unwrap()["data"]["docket.toml"].clone();
    let pod =
        manifests.iter().find(|one| one["metadata"]["name"] == "docket-tasks" && one["kind"] == "Deployment");
    let printed: toml::Table =
        docket("print", text.as_str().unwrap(), &pod.unwrap()["spec"]["template"]).parse().unwrap();
    let at = |path: &str| {
        let mut value = toml::Value::Table(printed.clone());
        for key in path.split('/') {
            value = value.get(key).unwrap_or_else(|| panic!("no {path}")).clone();
        }
        value
    };
    assert_eq!(at("targets").to_string(), r#"["tasks"]"#);
    assert_eq!(at("log").as_str(), Some("debug"), "a variable goes before the file");
    assert_eq!(at("database/max_connections").as_integer(), Some(8));
    assert_eq!(at("kafka/mechanism").as_str(), Some("SCRAM-SHA-512"));
    assert_eq!(at("kafka/brokers").as_array().map(Vec::len), Some(2));
    assert_eq!(at("telemetry/sample_ratio").as_float(), Some(0.25));
    assert_eq!(at("listen/tls/client_ca").as_str(), Some("/etc/docket/tls/ca.crt"));
    assert_eq!(at("notification/email/from").as_str(), Some("Docket <docket@example.com>"));
    let origins = at("notification/webhook/origins");
    assert_eq!(origins.get("https://chat.example.org").and_then(|name| name.as_str()), Some("webhook-chat"));
}
