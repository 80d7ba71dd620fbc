//! `docket topics`: compares the topics on Kafka with what they should be, and makes them so.

mod config;
#[cfg(test)]
mod strimzi;
mod wanted;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use docket_kafka::{Access, Client, Login, NewTopic, Topic};

use crate::config::{Config as All, Error as WrongConfig};
use crate::terminal::say;
pub(crate) use config::APP_ID;
pub use config::{Config, Groups, Mechanism, Password};
use wanted::{Difference, Wanted};

/// What to do with the topics.
#[derive(Clone, Copy, Debug, Default, Subcommand)]
pub enum Action {
    /// Says how the topics differ from what they should be. Ends with 1 when they do.
    #[default]
    Check,
    /// Makes topics that are missing, and changes settings that differ. Ends with 1 when something stays different.
    Create {
        /// Gives a topic more partitions when it has too few. Events of one task that come before and after it may be in
        /// different partitions, and be handled in another order.
        #[arg(long)]
        allow_more_partitions: bool,
    },
}

/// `docket topics`. Answers whether all topics are as they should be in the end.
pub async fn run(config: &All, action: Action) -> anyhow::Result<bool> {
    let mut client = Client::connect(&access(&config.kafka)?).await.map_err(named)?;
    let wanted = wanted::topics(config);
    let names: Vec<&str> = wanted.iter().map(|topic| topic.name.as_str()).collect();
    let found = client.topics(&names).await?;
    match action {
        Action::Check => check(&wanted, &found),
        Action::Create { allow_more_partitions } => {
            create(&mut client, &wanted, &found, allow_more_partitions).await
        }
    }
}

/// How to reach the cluster.
pub(crate) fn access(config: &Config) -> anyhow::Result<Access> {
    if config.brokers.is_empty() {
        return Err(WrongConfig::Wrong("kafka.brokers must name a broker as host:port".to_owned()).into());
    }
    let mut access = Access::new(&config.brokers);
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        access = access.login(Login::new(user, password.as_str()).by(config.mechanism.into()));
    }
    match &config.ca_file {
        Some(file) => Ok(access.tls(&authorities(file)?).with_context(|| unusable(file))?),
        None => Ok(access),
    }
}

fn authorities(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| unusable(file))
}

fn unusable(file: &Path) -> String {
    format!("kafka.ca_file: {} can not be used", file.display())
}

/// Why there is no connection, with the key that is most likely wrong.
fn named(error: docket_kafka::Error) -> anyhow::Error {
    use docket_kafka::Error as Kafka;
    let key = match &error {
        Kafka::Login { .. } => "kafka.user, kafka.password, kafka.mechanism",
        Kafka::Tls { .. } | Kafka::Authorities(_) => "kafka.ca_file",
        _ => "kafka.brokers",
    };
    anyhow::Error::new(error).context(key)
}

fn check(wanted: &[Wanted], found: &BTreeMap<String, Topic>) -> anyhow::Result<bool> {
    let mut right = true;
    for topic in wanted {
        let differences = topic.differences(found.get(&topic.name));
        right &= differences.is_empty();
        tell(topic, &differences)?;
    }
    Ok(right)
}

async fn create(
    client: &mut Client,
    wanted: &[Wanted],
    found: &BTreeMap<String, Topic>,
    more_partitions: bool,
) -> anyhow::Result<bool> {
    let mut right = true;
    for topic in wanted {
        let differences = topic.differences(found.get(&topic.name));
        if differences.is_empty() {
            tell(topic, &[])?;
        }
        let mut configs = BTreeMap::new();
        for difference in &differences {
            match difference {
                Difference::Missing => make(client, topic).await?,
                Difference::Config { key, should, .. } => {
                    configs.insert(key.clone(), should.clone());
                }
                Difference::Partitions { is, should } if is < should && more_partitions => {
                    client.create_partitions(&topic.name, *should).await?;
                    say(&format!("{}: had {is} partitions, has {should}", topic.name))?;
                }
                Difference::Partitions { .. }
                | Difference::Replication { .. }
                | Difference::Insync { .. } => {
                    right = false;
                    say(&format!("{}: {difference}; {}", topic.name, why_not(topic, difference)))?;
                }
            }
        }
        if !configs.is_empty() {
            client.alter_configs(&topic.name, &configs).await?;
            for difference in &differences {
                if let Difference::Config { key, is, should } = difference {
                    say(&format!("{}: {key} was {is}, is {should}", topic.name))?;
                }
            }
        }
    }
    Ok(right)
}

async fn make(client: &mut Client, topic: &Wanted) -> anyhow::Result<()> {
    let Wanted { name, partitions, replication_factor, configs, .. } = topic.clone();
    if !client.create_topic(&NewTopic { name, partitions, replication_factor, configs }).await? {
        bail!("topic {} was made by somebody else just now: run this again", topic.name);
    }
    say(&format!("{}: made, with {partitions} partitions on {replication_factor} brokers each", topic.name))
}

/// Why a difference stays.
fn why_not(topic: &Wanted, difference: &Difference) -> &'static str {
    match difference {
        Difference::Partitions { is, should } if is < should => {
            "more of them change which one a task's events go to, so that events from before and after it may be \
             handled in another order: --allow-more-partitions does it"
        }
        Difference::Partitions { .. } if topic.always_one => {
            "a topic can not lose partitions: once all of it was read, delete it with kafka-topics.sh, and run this again"
        }
        Difference::Partitions { .. } => {
            "a topic can not lose partitions: kafka.partitions may say that many"
        }
        Difference::Insync { .. } => {
            "the topic is kept on fewer brokers than that, so that nothing could be written any more: first give it more \
             replicas, then run this again"
        }
        _ => "Kafka's own tools move replicas: kafka-reassign-partitions.sh",
    }
}

fn tell(topic: &Wanted, differences: &[Difference]) -> anyhow::Result<()> {
    if differences.is_empty() {
        say(&format!("{}: as it should be", topic.name))?;
    }
    differences.iter().try_for_each(|difference| say(&format!("{}: {difference}", topic.name)))
}
