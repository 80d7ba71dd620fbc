//! The topics of Docket, under names that no other test has.

use std::collections::BTreeMap;

use docket_kafka::NewTopic;

use super::{Kafka, arguments, java, write};
use crate::{PATIENCE, wait_for};

/// The names of topics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topics {
    /// What happened to tasks: three partitions.
    pub events: String,
    /// What clients want to see at once: three partitions.
    pub updates: String,
    /// What is due: one partition.
    pub reminders: String,
    /// What could not be handled of `events`: one partition.
    pub events_dlq: String,
    /// What could not be handled of `reminders`: one partition.
    pub reminders_dlq: String,
}

impl Kafka {
    /// Makes the topics of Docket, with this before each name, and waits until they can be used.
    ///
    /// # Panics
    /// When one can not be made, or is there already.
    pub async fn create_topics(&self, prefix: &str) -> Topics {
        let name = |name: &str| format!("{prefix}{name}");
        let topics = Topics {
            events: name("task-events"),
            updates: name("task-updates"),
            reminders: name("reminders"),
            events_dlq: name("task-events-dlq"),
            reminders_dlq: name("reminders-dlq"),
        };
        let wanted = [
            (&topics.events, 3),
            (&topics.updates, 3),
            (&topics.reminders, 1),
            (&topics.events_dlq, 1),
            (&topics.reminders_dlq, 1),
        ];
        for (name, partitions) in wanted {
            self.create_topic(name, partitions).await;
        }
        topics
    }

    /// Makes a topic, and waits until it can be used.
    ///
    /// # Panics
    /// When it can not be made, or is there already.
    pub async fn create_topic(&self, name: &str, partitions: i32) {
        self.create_topic_of(name, partitions, BTreeMap::new()).await;
    }

    /// The same, with properties that are not the broker's.
    ///
    /// # Panics
    /// When it can not be made, or is there already.
    pub async fn create_topic_of(&self, name: &str, partitions: i32, configs: BTreeMap<String, String>) {
        let mut client = self.client().await;
        let topic = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs };
        let new = client.create_topic(&topic).await.unwrap_or_else(|error| panic!("Kafka: {error}"));
        assert!(new, "topic {name} is there already");
        // The controller has it before the broker knows.
        wait_for(&format!("topic {name}"), PATIENCE, async || {
            client.offsets(name).await.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }
    /// Deletes a topic: Kafka's own tool.
    ///
    /// # Panics
    /// When it can not be deleted.
    pub async fn delete_topic(&self, topic: &str) {
        write(&self.process, "admin.properties", &self.client_properties());
        let mut command = self.process.command_of(&java());
        command.args(arguments("org.apache.kafka.tools.TopicCommand"));
        command.args([
            "--bootstrap-server",
            &self.address().to_string(),
            "--command-config",
            "admin.properties",
        ]);
        command.args(["--delete", "--topic", topic]);
        let output = tokio::process::Command::from(command).output().await.expect("Java can be run");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "Kafka's tool: {}: {said}", output.status);
    }
}
