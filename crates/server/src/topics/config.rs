//! Where Kafka is, and what its topics are like: the section `kafka` of the configuration.

use std::fmt;
use std::path::PathBuf;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How Kafka is reached, and what `docket topics` wants there. Events travel through the sidecar; a server only looks how far
/// its handlers are behind.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Brokers to begin at, as `host:port`: a list, or one text with commas. Default: none.
    #[serde(deserialize_with = "list")]
    pub brokers: Vec<String>,
    /// Who logs in. Default: nobody does.
    pub user: Option<String>,
    /// The password of `user`; not written out with the rest.
    #[serde(skip_serializing)]
    pub password: Option<Password>,
    /// By which mechanism `user` logs in. Default `SCRAM-SHA-256`.
    pub mechanism: Mechanism,
    /// The authorities (PEM) that vouch for the brokers. Default: none, and so no TLS.
    pub ca_file: Option<PathBuf>,
    /// How many partitions the topics have whose events are in order by task. Default 3.
    pub partitions: u32,
    /// On how many brokers each partition is kept. Default 3.
    pub replication_factor: u32,
    /// On how many of them an event must be before it counts as written. Default 2.
    pub min_insync_replicas: u32,
    /// The topic of what clients want to see at once. Default `task-updates`.
    pub updates_topic: String,
    /// The consumer groups of the sidecar, as the components have them.
    pub groups: Groups,
    /// How often a server looks how far its handlers are behind, in seconds; 0 never. Default 30.
    pub lag_seconds: u64,
}

/// The consumer groups in which the sidecar reads: `{appID}` stands for its app id, as in the components (`consumerGroup`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Groups {
    /// Of events of tasks. Default `{appID}`, which is that of a component that names none.
    pub events: String,
    /// Of due reminders. Default `{appID}-reminders`.
    pub reminders: String,
    /// Of dead letters. Default `{appID}-dead-letters`.
    pub dead_letters: String,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            events: APP_ID.to_owned(),
            reminders: format!("{APP_ID}-reminders"),
            dead_letters: format!("{APP_ID}-dead-letters"),
        }
    }
}

/// By which mechanism somebody logs in; it must be one for which the brokers know the user.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Mechanism {
    /// What a broker has unless somebody chose otherwise.
    #[default]
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// The one that Strimzi's `KafkaUser` has.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl From<Mechanism> for docket_kafka::Mechanism {
    fn from(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::ScramSha256 => Self::ScramSha256,
            Mechanism::ScramSha512 => Self::ScramSha512,
        }
    }
}

/// What stands for the app id in the names of groups.
pub(crate) const APP_ID: &str = "{appID}";

/// A password. Never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            user: None,
            password: None,
            mechanism: Mechanism::default(),
            ca_file: None,
            partitions: 3,
            replication_factor: 3,
            min_insync_replicas: 2,
            updates_topic: "task-updates".to_owned(),
            groups: Groups::default(),
            lag_seconds: 30,
        }
    }
}

impl Config {
    /// Everything that is wrong with it, with the keys' names.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let numbers = [
            ("partitions", self.partitions, 1..=1_000),
            ("replication_factor", self.replication_factor, 1..=100),
            ("min_insync_replicas", self.min_insync_replicas, 1..=100),
        ];
        for (key, number, range) in numbers {
            if !range.contains(&number) {
                faults.push(format!(
                    "kafka.{key} must be {} to {}, not {number}",
                    range.start(),
                    range.end()
                ));
            }
        }
        if self.min_insync_replicas > self.replication_factor {
            faults.push(format!(
                "kafka.min_insync_replicas must be at most kafka.replication_factor, but {} is more than {}",
                self.min_insync_replicas, self.replication_factor
            ));
        }
        if self.user.is_some() != self.password.is_some() {
            faults.push("kafka.user and kafka.password go together".to_owned());
        }
        if self.lag_seconds > 3_600 {
            faults.push(format!("kafka.lag_seconds must be 0 to 3600, not {}", self.lag_seconds));
        }
        let Groups { events, reminders, dead_letters } = &self.groups;
        let groups = [("events", events), ("reminders", reminders), ("dead_letters", dead_letters)];
        let empty = groups.into_iter().filter(|(_, name)| name.trim().is_empty());
        faults.extend(empty.map(|(key, _)| format!("kafka.groups.{key} must not be empty")));
        if self.updates_topic.trim().is_empty() {
            faults.push("kafka.updates_topic must not be empty".to_owned());
        }
        faults
    }
}

/// Reads brokers from a list, or from one text with commas, which is what a variable of the environment can hold.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of brokers, or their addresses with commas between them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            named(text).map_err(E::custom)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut addresses: A) -> Result<Self::Value, A::Error> {
            let mut brokers = Vec::new();
            while let Some(address) = addresses.next_element::<String>()? {
                brokers.extend(named(&address).map_err(A::Error::custom)?);
            }
            Ok(brokers)
        }
    }

    deserializer.deserialize_any(List)
}

fn named(text: &str) -> Result<Vec<String>, String> {
    let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
    addresses
        .map(|address| match address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(address.to_owned()),
            _ => Err(format!("{address:?} is not host:port")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_a_list_or_a_text() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.brokers);
        let both = ["a:9092".to_owned(), "b:9093".to_owned()];
        assert_eq!(read("brokers = ['a:9092', 'b:9093']").unwrap(), both);
        assert_eq!(read("brokers = 'a:9092, b:9093,'").unwrap(), both);
        assert_eq!(read("").unwrap(), [""; 0]);
        let error = read("brokers = 'a:9092, b'").unwrap_err().to_string();
        assert!(error.contains("\"b\" is not host:port"), "{error}");
    }

    #[test]
    fn all_faults_are_told_with_their_keys() {
        assert_eq!(Config::default().faults(), [""; 0]);
        let wrong = Config {
            user: Some("docket".to_owned()),
            partitions: 0,
            replication_factor: 1,
            updates_topic: " ".to_owned(),
            groups: Groups { events: String::new(), ..Groups::default() },
            lag_seconds: 3_601,
            ..Config::default()
        };
        let faults = wrong.faults();
        let expect = [
            "kafka.partitions",
            "kafka.min_insync_replicas",
            "kafka.user",
            "kafka.lag_seconds",
            "kafka.groups.events",
            "kafka.updates_topic",
        ];
        assert_eq!(faults.len(), expect.len(), "{faults:?}");
        assert!(faults.iter().zip(expect).all(|(fault, key)| fault.starts_with(key)), "{faults:?}");
    }

    #[test]
    fn mechanism_is_one_of_two() {
        let read = |text: &str| toml::from_str::<Config>(text).map(|config| config.mechanism);
        assert_eq!(read("").unwrap(), Mechanism::ScramSha256);
        assert_eq!(read("mechanism = 'SCRAM-SHA-256'").unwrap(), Mechanism::ScramSha256);
        assert_eq!(read("mechanism = 'SCRAM-SHA-512'").unwrap(), Mechanism::ScramSha512);
        for wrong in ["PLAIN", "scram-sha-512", "SHA-512", ""] {
            let error = read(&format!("mechanism = '{wrong}'")).unwrap_err().to_string();
            assert!(error.contains("`SCRAM-SHA-256` or `SCRAM-SHA-512`"), "{wrong}: {error}");
        }
        let config = Config { mechanism: Mechanism::ScramSha512, ..Config::default() };
        assert!(toml::to_string(&config).unwrap().contains("mechanism = \"SCRAM-SHA-512\""));
    }

    #[test]
    fn password_is_neither_shown_nor_written() {
        let config: Config = toml::from_str("user = 'docket'\npassword = 'open sesame'").unwrap();
        assert_eq!(config.password.as_ref().map(Password::as_str), Some("open sesame"));
        let written = toml::to_string(&config).unwrap();
        assert!(!format!("{config:?} {written}").contains("sesame"), "{config:?} {written}");
    }
}
