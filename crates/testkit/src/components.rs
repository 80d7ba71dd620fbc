//! The resources of `components/`, as the sidecar of a test gets them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::json;

use crate::daprd::DaprdBuilder;
use crate::kafka::Kafka;

/// The pub/sub component of dead letters in the production shape.
const DEAD_LETTERS: &str = "pubsub-dead-letters";

/// The pub/sub component of reminders in the production shape.
const REMINDERS: &str = "pubsub-reminders";

/// What the production shape calls the app of the task API, where a test has a name of its own.
const TASKS_APP: &str = "docket-tasks";

/// What it calls the app of the reminders.
const REMINDERS_APP: &str = "docket-reminders";

/// What a sidecar of the production shape is started with, as `components/kafka/README.md` says.
const FLAGS: [&str; 3] =
    ["--max-body-size=16Mi", "--dapr-block-shutdown-duration=30s", "--dapr-graceful-shutdown-seconds=40"];

/// The largest message of a topic, as Docket has it.
const MESSAGE_BYTES: u32 = (1 << 20) + (64 << 10);

/// How a sidecar talks to the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Connection {
    /// SASL alone: the bytes can be read on their way.
    Plain,
    /// SASL over TLS.
    Tls,
}

/// A folder of `components/`.
pub fn components(folder: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../components")).join(folder)
}

impl DaprdBuilder {
    /// Gives it `components/kafka` and the flags that belong to it, in place of the resources that it had. `tasks` is the
    /// app-id of the task API, and of the reminders unless [`DaprdBuilder::reminders_app`] says otherwise.
    pub fn kafka(self, kafka: &Kafka, connection: Connection, tasks: &str) -> Self {
        match connection {
            Connection::Plain => self.kafka_at(kafka, kafka.address(), connection, tasks),
            Connection::Tls => self.kafka_at(kafka, kafka.tls_address(), connection, tasks),
        }
    }

    /// Calls the app of the reminders so in its resources.
    pub(crate) fn reminders_app(self, app_id: &str) -> Self {
        self.rename(REMINDERS_APP, app_id)
    }

    /// The same, through a proxy of the broker's.
    pub(crate) fn kafka_through(self, kafka: &Kafka, proxy: usize, tasks: &str) -> Self {
        self.kafka_at(kafka, kafka.proxy(proxy).address(), Connection::Plain, tasks)
    }

    fn kafka_at(self, kafka: &Kafka, address: SocketAddr, connection: Connection, tasks: &str) -> Self {
        let (folder, file, authority) = match connection {
            Connection::Plain => ("kafka/plain", "kafka-plain.json", ""),
            Connection::Tls => ("kafka/tls", "kafka-tls.json", kafka.authority()),
        };
        let secret = json!({"docket-kafka": {
            "brokers": address.to_string(),
            "disableTls": (connection == Connection::Plain).to_string(),
            "caCert": authority,
            "saslUsername": kafka.user(),
            "saslPassword": kafka.password(),
        }});
        let daprd = self
            .without_resources()
            .resources_of(&components("kafka/common"))
            .resources_of(&components(folder))
            .rename(TASKS_APP, tasks)
            .rename(REMINDERS_APP, tasks)
            .file(file, &secret.to_string());
        FLAGS.iter().fold(daprd, |daprd, flag| daprd.flag(flag))
    }
}

/// The topic of what could not be handled of another one.
pub(crate) fn dead_letter_topic(topic: &str) -> String {
    format!("{topic}-dlq")
}

/// The topic of the reminders of a deployment whose events have this topic.
pub(crate) fn reminders_topic(topic: &str) -> String {
    format!("{topic}-reminders")
}

/// The topics of one deployment, as `docket topics` makes them: events, reminders, and what could not be handled of them.
pub(crate) async fn create_topics(kafka: &Kafka, topic: &str) {
    let bytes = |bytes: u32| BTreeMap::from([("max.message.bytes".to_owned(), bytes.to_string())]);
    for topic in [topic, &reminders_topic(topic)] {
        kafka.create_topic_of(topic, 3, bytes(MESSAGE_BYTES)).await;
        kafka.create_topic_of(&dead_letter_topic(topic), 1, bytes(4 * MESSAGE_BYTES)).await;
    }
}

/// What a Docket is told that has a broker.
pub(crate) fn broker_settings(topic: &str) -> [(&'static str, String); 5] {
    [
        ("DOCKET_TASKS__TOPIC", topic.to_owned()),
        ("DOCKET_OUTBOX__CONFIRM", "broker".to_owned()),
        ("DOCKET_DEADLETTERS__PUBSUB", DEAD_LETTERS.to_owned()),
        ("DOCKET_REMINDERS__TOPIC", reminders_topic(topic)),
        ("DOCKET_REMINDERS__PUBSUB", REMINDERS.to_owned()),
    ]
}
