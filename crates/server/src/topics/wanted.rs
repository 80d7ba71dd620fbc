//! What each topic should be like, and how one differs from it.

use std::collections::BTreeMap;
use std::fmt;

use docket_kafka::Topic;
use docket_outbox::dead_letter_topic;

use crate::config::Config;

const DAY_MS: u64 = 86_400_000;

/// How many days events are kept: for those who look at once, what is due, what could not be handled. Those of tasks are
/// configured.
const UPDATES_DAYS: u32 = 1;
const REMINDERS_DAYS: u32 = 1;
const DEAD_LETTERS_DAYS: u32 = 14;

/// On how many of the brokers that keep a topic an event must be before it counts as written.
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// A topic as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) partitions: i32,
    /// Whether it has one partition, whatever the configuration says of the others.
    pub(super) always_one: bool,
    pub(super) replication_factor: i16,
    /// By their Kafka names.
    pub(super) configs: BTreeMap<String, String>,
}

/// What is not as it should be. `Insync` is a `Config` that would want an event on more replicas than there are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Difference {
    Missing,
    Partitions { is: i32, should: i32 },
    Replication { is: i16, should: i16 },
    Config { key: String, is: String, should: String },
    Insync { is: String, should: String },
}

/// The topics of Docket.
pub(super) fn topics(config: &Config) -> Vec<Wanted> {
    let (kafka, retention, events) = (&config.kafka, &config.retention, &config.tasks.topic);
    let (updates, reminders) = (&kafka.updates_topic, &config.reminders.topic);
    // Who reads dead letters has an inbox, too, and no letter may come again after it has forgotten it.
    let letters_days = match retention.inbox_days {
        0 => DEAD_LETTERS_DAYS,
        days => days.min(DEAD_LETTERS_DAYS),
    };
    let letters = |name: &str| {
        wanted(config, &dead_letter_topic(name), true, letters_days, config.dapr.max_letter_bytes())
    };
    let message = config.dapr.max_message_bytes;
    vec![
        wanted(config, events, false, retention.topic_days, message),
        wanted(config, updates, false, UPDATES_DAYS, message),
        wanted(config, reminders, true, REMINDERS_DAYS, message),
        letters(events),
        letters(reminders),
    ]
}

/// A topic with one partition, or as many as are configured; 0 days are for ever.
fn wanted(config: &Config, name: &str, always_one: bool, days: u32, message_bytes: usize) -> Wanted {
    let kafka = &config.kafka;
    let partitions = if always_one { 1 } else { kafka.partitions };
    let retention = match days {
        0 => "-1".to_owned(),
        days => (u64::from(days) * DAY_MS).to_string(),
    };
    let configs = [
        ("cleanup.policy", "delete".to_owned()),
        ("max.message.bytes", message_bytes.to_string()),
        (MIN_INSYNC_REPLICAS, kafka.min_insync_replicas.to_string()),
        ("retention.ms", retention),
    ];
    Wanted {
        name: name.to_owned(),
        // Both are checked to be small.
        partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        always_one,
        replication_factor: i16::try_from(kafka.replication_factor).unwrap_or(i16::MAX),
        configs: configs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

impl Wanted {
    /// How a topic differs from this; missing when there is none.
    pub(super) fn differences(&self, found: Option<&Topic>) -> Vec<Difference> {
        let Some(found) = found else { return vec![Difference::Missing] };
        let mut differences = Vec::new();
        if found.partitions != self.partitions {
            differences.push(Difference::Partitions { is: found.partitions, should: self.partitions });
        }
        if found.replication_factor != self.replication_factor {
            let (is, should) = (found.replication_factor, self.replication_factor);
            differences.push(Difference::Replication { is, should });
        }
        for (key, should) in &self.configs {
            let is = found.configs.get(key);
            // Every Kafka has this setting. Who has none keeps its topics in another way: Redpanda, which has a majority of
            // the replicas write an event that all are asked for, takes it without a word and never tells it.
            let is_none_of_its = is.is_none() && key == MIN_INSYNC_REPLICAS;
            if is == Some(should) || is_none_of_its {
                continue;
            }
            let (is, should) = (is.map_or("not set", String::as_str).to_owned(), should.clone());
            let too_many = should.parse::<i16>().is_ok_and(|should| should > found.replication_factor);
            differences.push(match key.as_str() {
                MIN_INSYNC_REPLICAS if too_many => Difference::Insync { is, should },
                key => Difference::Config { key: key.to_owned(), is, should },
            });
        }
        differences
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Partitions { is, should } => write!(f, "has {is} partitions, should have {should}"),
            Self::Replication { is, should } => {
                write!(f, "is kept on {is} brokers, should be on {should}")
            }
            Self::Config { key, is, should } => write!(f, "{key} is {is}, should be {should}"),
            Self::Insync { is, should } => write!(f, "{MIN_INSYNC_REPLICAS} is {is}, should be {should}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &Wanted) -> Topic {
        let mut configs = wanted.configs.clone();
        configs.insert("segment.ms".to_owned(), "604800000".to_owned());
        Topic { partitions: wanted.partitions, replication_factor: wanted.replication_factor, configs }
    }

    #[test]
    fn topics_are_named_and_kept_as_configured() {
        let mut config = Config::default();
        config.tasks.topic = "eu-events".to_owned();
        config.reminders.topic = "eu-reminders".to_owned();
        config.kafka.partitions = 6;
        config.dapr.max_message_bytes = 2_000_000;
        let topics = topics(&config);
        let all: Vec<_> = topics
            .iter()
            .map(|topic| (topic.name.as_str(), topic.partitions, topic.configs["retention.ms"].as_str()))
            .collect();
        let expect = [
            ("eu-events", 6, "604800000"),
            ("task-updates", 6, "86400000"),
            ("eu-reminders", 1, "86400000"),
            ("eu-events-dlq", 1, "1209600000"),
            ("eu-reminders-dlq", 1, "1209600000"),
        ];
        assert_eq!(all, expect);
        let same = |topic: &&Wanted| {
            let configs = &topic.configs;
            // A letter holds a message.
            let bytes = if topic.name.ends_with("-dlq") { "8000000" } else { "2000000" };
            topic.replication_factor == 3
                && configs["min.insync.replicas"] == "2"
                && configs["max.message.bytes"] == bytes
                && configs["cleanup.policy"] == "delete"
        };
        assert_eq!(topics.iter().filter(same).count(), topics.len(), "{topics:?}");
    }

    #[test]
    fn topics_are_kept_as_long_as_the_inboxes_are_told_that_they_are() {
        let mut config = Config::default();
        let kept = |config: &Config| -> Vec<String> {
            let days = |topic: &Wanted| match topic.configs["retention.ms"].parse::<i64>().unwrap() {
                -1 => "ever".to_owned(),
                ms => format!("{}d", ms / 86_400_000),
            };
            topics(config).iter().map(days).collect()
        };
        config.retention.topic_days = 10;
        config.retention.inbox_days = 34;
        assert_eq!(kept(&config), ["10d", "1d", "1d", "14d", "14d"]);
        config.retention.topic_days = 2;
        config.retention.inbox_days = 13;
        assert_eq!(kept(&config), ["2d", "1d", "1d", "13d", "13d"]);
        config.retention.topic_days = 0;
        config.retention.inbox_days = 0;
        assert_eq!(kept(&config), ["ever", "1d", "1d", "14d", "14d"]);
    }

    #[test]
    fn no_more_replicas_must_have_an_event_than_there_are() {
        let wanted = topics(&Config::default()).remove(0);
        let mut topic = found(&wanted);
        topic.configs.insert(MIN_INSYNC_REPLICAS.to_owned(), "1".to_owned());
        let config = |key: &str| {
            let (is, should) = ("1".to_owned(), "2".to_owned());
            Difference::Config { key: key.to_owned(), is, should }
        };
        topic.replication_factor = 2;
        let few = Difference::Replication { is: 2, should: 3 };
        assert_eq!(wanted.differences(Some(&topic)), [few, config(MIN_INSYNC_REPLICAS)]);
        topic.replication_factor = 1;
        let insync = Difference::Insync { is: "1".to_owned(), should: "2".to_owned() };
        let alone = Difference::Replication { is: 1, should: 3 };
        assert_eq!(wanted.differences(Some(&topic)), [alone, insync]);
    }

    #[test]
    fn broker_without_replicas_in_sync_is_not_asked_for_them() {
        let wanted = topics(&Config::default()).remove(0);
        let mut topic = found(&wanted);
        topic.configs.remove(MIN_INSYNC_REPLICAS);
        assert_eq!(wanted.differences(Some(&topic)), []);
    }

    #[test]
    fn every_difference_is_named() {
        let wanted = topics(&Config::default()).remove(0);
        let mut topic = found(&wanted);
        assert_eq!(wanted.differences(Some(&topic)), []);
        assert_eq!(wanted.differences(None), [Difference::Missing]);
        topic.partitions = 2;
        topic.replication_factor = 1;
        topic.configs.insert("retention.ms".to_owned(), "1000".to_owned());
        topic.configs.remove("max.message.bytes");
        let differences = wanted.differences(Some(&topic));
        let said: Vec<String> = differences.iter().map(ToString::to_string).collect();
        let expect = [
            "has 2 partitions, should have 3",
            "is kept on 1 brokers, should be on 3",
            "max.message.bytes is not set, should be 1114112",
            "retention.ms is 1000, should be 604800000",
        ];
        assert_eq!(said, expect);
    }
}
