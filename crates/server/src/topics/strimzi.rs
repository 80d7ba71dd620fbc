//! Holds the KafkaTopics of `deploy/platform/strimzi` against what `docket topics` wants.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::wanted::topics;
use crate::config::Config;

#[derive(Deserialize)]
struct KafkaTopic {
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    partitions: i32,
    replicas: i16,
    config: BTreeMap<String, Setting>,
}

/// YAML has numbers where Kafka has texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Setting {
    Number(i64),
    Text(String),
}

impl Setting {
    fn text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[test]
fn topics_that_strimzi_makes_are_those_that_are_wanted() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/platform/strimzi/topics.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    let made: Vec<KafkaTopic> = serde_saphyr::from_multiple(&text).unwrap();

    let mut config = Config::default();
    // There is one broker.
    config.kafka.replication_factor = 1;
    config.kafka.min_insync_replicas = 1;
    let wanted = topics(&config);
    assert_eq!(made.len(), wanted.len());
    for (topic, wanted) in made.into_iter().zip(wanted) {
        assert_eq!((topic.kind.as_str(), topic.metadata.name.as_str()), ("KafkaTopic", wanted.name.as_str()));
        assert_eq!(
            (topic.spec.partitions, topic.spec.replicas),
            (wanted.partitions, wanted.replication_factor)
        );
        let configs: BTreeMap<String, String> =
            topic.spec.config.into_iter().map(|(key, setting)| (key, setting.text())).collect();
        assert_eq!(configs, wanted.configs, "{}", wanted.name);
    }
}
