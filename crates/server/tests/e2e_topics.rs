//! `docket topics` against a real Kafka: what it makes, what it finds different, what it says when it cannot.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use docket_domain::source::Clock as _;
use docket_server::source::SystemClock;
use docket_testkit::kafka::{Record, Topic};
use docket_testkit::{Kafka, PATIENCE, Port, wait_for};
use tempfile::TempDir;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// An operator at a shell: a configuration, and what the command said about it.
struct Operator {
    folder: TempDir,
    environment: BTreeMap<&'static str, String>,
    prefix: String,
}

/// What the command said, and what it ended with.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    lines: Vec<String>,
    error: String,
}

impl Operator {
    /// With topics that no other test has, on a cluster of one broker.
    fn new(kafka: &Kafka) -> Self {
        let prefix = format!("t{}-", uuid::Uuid::new_v4().simple());
        let environment = [
            ("DOCKET_KAFKA__BROKERS", kafka.address().to_string()),
            ("DOCKET_KAFKA__USER", kafka.user().to_owned()),
            ("DOCKET_KAFKA__PASSWORD", kafka.password().to_owned()),
            ("DOCKET_KAFKA__REPLICATION_FACTOR", "1".to_owned()),
            ("DOCKET_KAFKA__MIN_INSYNC_REPLICAS", "1".to_owned()),
            ("DOCKET_KAFKA__UPDATES_TOPIC", format!("{prefix}task-updates")),
            ("DOCKET_REMINDERS__TOPIC", format!("{prefix}reminders")),
            ("DOCKET_TASKS__TOPIC", format!("{prefix}task-events")),
        ];
        Self { folder: tempfile::tempdir().unwrap(), environment: environment.into(), prefix }
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.environment.insert(name, value.into());
    }

    fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Runs `docket topics`.
    async fn says(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(DOCKET);
        command.arg("topics").args(arguments).current_dir(self.folder.path());
        command.env_clear().envs(&self.environment);
        let output = tokio::process::Command::from(command).output().await.unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        Said {
            code: output.status.code(),
            // Short names, so that the lines below can be read.
            lines: lines.lines().map(|line| line.replace(&self.prefix, "")).collect(),
            error: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs `docket topics check` until the broker knows what the controller has decided.
    async fn checks(&self, expect: &[&str]) {
        let code = if expect.iter().all(|line| line.ends_with("as it should be")) { 0 } else { 1 };
        wait_for("the check", PATIENCE, async || {
            let said = self.says(&["check"]).await;
            let same = said.lines == expect && said.code == Some(code) && said.error.is_empty();
            if same { Ok(()) } else { Err(format!("{said:?}")) }
        })
        .await;
    }
}

async fn topic(kafka: &Kafka, name: &str) -> Topic {
    kafka.client().await.topics(&[name]).await.unwrap().remove(name).unwrap()
}

/// What `check` says when all is well.
const WELL: [&str; 5] = [
    "task-events: as it should be",
    "task-updates: as it should be",
    "reminders: as it should be",
    "task-events-dlq: as it should be",
    "reminders-dlq: as it should be",
];

#[tokio::test]
async fn topics_are_made_as_they_should_be_and_only_once() {
    let kafka = Kafka::shared().await;
    let operator = Operator::new(kafka);
    let said = operator.says(&[]).await;
    let missing = WELL.map(|line| line.replace("as it should be", "missing"));
    assert_eq!((said.code, &said.lines[..]), (Some(1), &missing[..]), "a check is the default: {said:?}");
    assert!(kafka.client().await.topics(&[&operator.topic("reminders")]).await.unwrap().is_empty());

    let said = operator.says(&["create"]).await;
    let made = |name, partitions| format!("{name}: made, with {partitions} partitions on 1 brokers each");
    let expect = [
        made("task-events", 3),
        made("task-updates", 3),
        made("reminders", 1),
        made("task-events-dlq", 1),
        made("reminders-dlq", 1),
    ];
    assert_eq!((said.code, &said.lines[..]), (Some(0), &expect[..]), "{said:?}");
    operator.checks(&WELL).await;

    let days = [("task-events", 3, 7), ("task-updates", 3, 1), ("reminders", 1, 1)];
    for (name, partitions, days) in
        days.into_iter().chain([("task-events-dlq", 1, 14), ("reminders-dlq", 1, 14)])
    {
        let found = topic(kafka, &operator.topic(name)).await;
        assert_eq!((found.partitions, found.replication_factor), (partitions, 1), "{name}");
        assert_eq!(found.configs["retention.ms"], (days * 86_400_000_i64).to_string(), "{name}");
        assert_eq!(found.configs["cleanup.policy"], "delete", "{name}");
        assert_eq!(found.configs["min.insync.replicas"], "1", "{name}");
        // What the callbacks of the server take; a letter holds a message.
        let bytes = if name.ends_with("-dlq") { "4456448" } else { "1114112" };
        assert_eq!(found.configs["max.message.bytes"], bytes, "{name}");
    }

    let again = operator.says(&["create"]).await;
    assert_eq!((again.code, &again.lines[..]), (Some(0), &WELL.map(str::to_owned)[..]), "{again:?}");
}

#[tokio::test]
async fn what_differs_is_named_and_put_right() {
    let kafka = Kafka::shared().await;
    let operator = Operator::new(kafka);
    let mut client = kafka.client().await;
    assert_eq!(operator.says(&["create"]).await.code, Some(0));
    operator.checks(&WELL).await;
    let changes = [("retention.ms", "60000"), ("max.message.bytes", "2000")];
    let changes = changes.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    client.alter_configs(&operator.topic("task-events"), &changes).await.unwrap();
    let compact = BTreeMap::from([
        ("cleanup.policy".to_owned(), "compact".to_owned()),
        // Nobody asked for this one, so it is left alone.
        ("segment.ms".to_owned(), "3600000".to_owned()),
    ]);
    client.alter_configs(&operator.topic("reminders-dlq"), &compact).await.unwrap();

    let mut drift = vec![
        "task-events: max.message.bytes is 2000, should be 1114112",
        "task-events: retention.ms is 60000, should be 604800000",
    ];
    drift.extend(&WELL[1..4]);
    drift.push("reminders-dlq: cleanup.policy is compact, should be delete");
    operator.checks(&drift).await;

    let said = operator.says(&["create"]).await;
    let mut put_right = vec![
        "task-events: max.message.bytes was 2000, is 1114112",
        "task-events: retention.ms was 60000, is 604800000",
    ];
    put_right.extend(&WELL[1..4]);
    put_right.push("reminders-dlq: cleanup.policy was compact, is delete");
    assert_eq!(said.lines, put_right);
    assert_eq!(said.code, Some(0));
    operator.checks(&WELL).await;
    assert_eq!(topic(kafka, &operator.topic("reminders-dlq")).await.configs["segment.ms"], "3600000");
}

#[tokio::test]
async fn partitions_are_never_added_in_silence() {
    let kafka = Kafka::shared().await;
    let mut operator = Operator::new(kafka);
    operator.set("DOCKET_KAFKA__PARTITIONS", "2");
    assert_eq!(operator.says(&["create"]).await.code, Some(0));
    operator.checks(&WELL).await;
    operator.set("DOCKET_KAFKA__PARTITIONS", "3");
    let mut fewer =
        vec!["task-events: has 2 partitions, should have 3", "task-updates: has 2 partitions, should have 3"];
    fewer.extend(&WELL[2..]);
    operator.checks(&fewer).await;

    let said = operator.says(&["create"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let why = &said.lines[0];
    assert!(why.contains("another order") && why.contains("--allow-more-partitions"), "{why}");
    operator.checks(&fewer).await;

    let said = operator.says(&["create", "--allow-more-partitions"]).await;
    assert_eq!(said.lines[0], "task-events: had 2 partitions, has 3");
    assert_eq!(said.code, Some(0), "{said:?}");
    operator.checks(&WELL).await;

    // Nobody can say of this one that it has more.
    kafka.client().await.create_partitions(&operator.topic("reminders"), 2).await.unwrap();
    let mut more = WELL;
    more[2] = "reminders: has 2 partitions, should have 1";
    operator.checks(&more).await;
    let said = operator.says(&["create", "--allow-more-partitions"]).await;
    let why = &said.lines[2];
    assert!(why.starts_with(more[2]) && why.contains("delete it"), "{said:?}");
    assert!(!why.contains("kafka.partitions"), "{why}");
    assert_eq!(said.code, Some(1), "{said:?}");

    operator.set("DOCKET_KAFKA__PARTITIONS", "1");
    let said = operator.says(&["create", "--allow-more-partitions"]).await;
    assert!(said.lines[0].contains("has 3 partitions, should have 1; a topic can not lose"), "{said:?}");
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[tokio::test]
async fn a_topic_with_too_few_replicas_can_still_be_written() {
    let kafka = Kafka::shared().await;
    let mut operator = Operator::new(kafka);
    assert_eq!(operator.says(&["create"]).await.code, Some(0));
    operator.checks(&WELL).await;
    operator.set("DOCKET_KAFKA__REPLICATION_FACTOR", "3");
    operator.set("DOCKET_KAFKA__MIN_INSYNC_REPLICAS", "2");
    let topics = WELL.map(|line| line.replace(": as it should be", ""));
    let lines = |topic: &String| {
        [
            format!("{topic}: is kept on 1 brokers, should be on 3"),
            format!("{topic}: min.insync.replicas is 1, should be 2"),
        ]
    };
    let different: Vec<String> = topics.iter().flat_map(lines).collect();
    operator.checks(&different.iter().map(String::as_str).collect::<Vec<_>>()).await;

    let changes = BTreeMap::from([("retention.ms".to_owned(), "60000".to_owned())]);
    kafka.client().await.alter_configs(&operator.topic("task-events"), &changes).await.unwrap();
    let said = wait_for("the change", PATIENCE, async || {
        let said = operator.says(&["create"]).await;
        if said.lines.len() > different.len() { Ok(said) } else { Err(format!("{said:?}")) }
    })
    .await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.lines.contains(&"task-events: retention.ms was 60000, is 604800000".to_owned()), "{said:?}");
    for line in &different {
        let told = said.lines.iter().find_map(|said| said.strip_prefix(line.as_str()));
        assert!(told.is_some_and(|why| why.contains("replicas")), "{line}: {said:?}");
    }
    let mut client = kafka.client().await;
    let now = SystemClock.now().timestamp_millis();
    for name in &topics {
        let name = operator.topic(name);
        assert_eq!(topic(kafka, &name).await.configs["min.insync.replicas"], "1", "{name}");
        // With acknowledgements of all replicas, as the sidecar wants them.
        let record = Record { key: None, value: Some("{}".into()), headers: Vec::new(), timestamp: now };
        client.produce(&name, 0, &[record]).await.unwrap();
    }
}

/// Writes a file into the operator's folder.
fn file(operator: &Operator, name: &str, text: &str) -> String {
    let path: &Path = &operator.folder.path().join(name);
    std::fs::write(path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn tls_wants_the_right_authority() {
    let kafka = Kafka::shared().await;
    let mut operator = Operator::new(kafka);
    operator.set("DOCKET_KAFKA__BROKERS", kafka.tls_address().to_string());
    let authority = file(&operator, "ca.pem", kafka.authority());
    operator.set("DOCKET_KAFKA__CA_FILE", authority);
    let said = operator.says(&["create"]).await;
    assert_eq!((said.code, said.lines.len()), (Some(0), 5), "{said:?}");
    operator.checks(&WELL).await;

    operator.set("DOCKET_KAFKA__MECHANISM", "SCRAM-SHA-512");
    operator.checks(&WELL).await;

    let stranger = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let stranger = file(&operator, "other.pem", &stranger.cert.pem());
    operator.set("DOCKET_KAFKA__CA_FILE", stranger);
    let said = operator.says(&[]).await;
    assert!(said.code == Some(1) && said.error.contains("UnknownIssuer"), "{said:?}");
    let empty = file(&operator, "empty.pem", "");
    operator.set("DOCKET_KAFKA__CA_FILE", empty);
    let said = operator.says(&[]).await;
    assert!(
        said.code == Some(1) && said.error.contains("kafka.ca_file") && said.error.contains("empty.pem"),
        "{said:?}"
    );
    operator.set("DOCKET_KAFKA__CA_FILE", "missing.pem");
    let said = operator.says(&[]).await;
    assert!(said.code == Some(1) && said.error.contains("missing.pem"), "{said:?}");
}

#[tokio::test]
async fn who_cannot_reach_the_cluster_is_told_why() {
    let kafka = Kafka::shared().await;
    let operator = || Operator::new(kafka);
    let secret = "not-the-password";
    let mut wrong = operator();
    wrong.set("DOCKET_KAFKA__PASSWORD", secret);
    let said = wrong.says(&[]).await;
    assert!(said.code == Some(1) && said.error.contains("the login of \"docket\" was refused"), "{said:?}");
    assert!(said.error.starts_with("docket: kafka.user, kafka.password, kafka.mechanism: "), "{said:?}");
    assert!(!format!("{said:?}").contains(secret), "{said:?}");

    let mut away = operator();
    let mut port = Port::reserve();
    port.release();
    away.set("DOCKET_KAFKA__BROKERS", port.address().to_string());
    let said = away.says(&["create"]).await;
    assert!(said.code == Some(1) && said.error.contains(&port.address().to_string()), "{said:?}");
    assert!(said.error.contains("can not be reached"), "{said:?}");
    assert!(said.error.starts_with("docket: kafka.brokers: ") && said.error.lines().count() == 1, "{said:?}");

    let mut many = operator();
    many.set("DOCKET_KAFKA__REPLICATION_FACTOR", "3");
    let said = many.says(&["create"]).await;
    assert!(said.code == Some(1) && said.error.contains("replication factor of 3"), "{said:?}");
    assert!(said.error.contains(&many.topic("task-events")), "{said:?}");

    // What is wrong with the configuration itself ends with its own code.
    let mut none = operator();
    none.set("DOCKET_KAFKA__BROKERS", "");
    let said = none.says(&[]).await;
    assert!(said.code == Some(64) && said.error.contains("kafka.brokers"), "{said:?}");
    let mut alone = operator();
    alone.environment.remove("DOCKET_KAFKA__USER");
    alone.set("DOCKET_KAFKA__MIN_INSYNC_REPLICAS", "2");
    let said = alone.says(&[]).await;
    assert!(said.code == Some(64) && said.error.contains("kafka.user and kafka.password"), "{said:?}");
    assert!(said.error.contains("kafka.min_insync_replicas must be at most"), "all at once: {said:?}");
    let mut unknown = operator();
    unknown.set("DOCKET_KAFKA__MECHANISM", "PLAIN");
    let said = unknown.says(&[]).await;
    assert!(said.code == Some(64) && said.error.contains("kafka.mechanism"), "{said:?}");
    let mut misspelt = operator();
    misspelt.set("DOCKET_KAFKA__BROKER", "localhost:9092");
    let said = misspelt.says(&[]).await;
    assert!(said.code == Some(64) && said.error.contains("broker"), "{said:?}");
}
