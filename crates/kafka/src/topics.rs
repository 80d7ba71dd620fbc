//! Topics, and their settings.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
};

use crate::client::{text, topic_name};
use crate::error::refused;
use crate::{Client, Error};

/// How long the cluster may take to agree, in milliseconds: less than this client waits for the answer.
const AGREEMENT: i32 = 8_000;

/// `TOPIC` among the kinds of things that have settings.
const TOPIC: i8 = 2;

/// `SET` among what can be done to a setting.
const SET: i8 = 0;

/// A topic to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// On how many brokers each partition is kept.
    pub replication_factor: i16,
    /// The settings that are not the cluster's own, by their Kafka names.
    pub configs: BTreeMap<String, String>,
}

/// A topic as it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topic {
    /// How many partitions.
    pub partitions: i32,
    /// On how many brokers each partition is kept; the fewest when they differ.
    pub replication_factor: i16,
    /// All its settings by their Kafka names, those that it has from the cluster too.
    pub configs: BTreeMap<String, String>,
}

impl Client {
    /// The topics with these names; those that are not there are left out.
    pub async fn topics(&mut self, names: &[&str]) -> Result<BTreeMap<String, Topic>, Error> {
        let metadata = self.metadata(Some(names)).await?;
        let mut topics = BTreeMap::new();
        for topic in metadata.topics {
            let name = topic.name.unwrap_or_default().to_string();
            match ResponseError::try_from_code(topic.error_code) {
                Some(ResponseError::UnknownTopicOrPartition) => continue,
                Some(_) => refused(|| format!("topic {name}"), topic.error_code, None)?,
                None => {}
            }
            let factors = topic.partitions.iter().map(|partition| partition.replica_nodes.len());
            let configs = self.configs(&name).await?;
            let topic = Topic {
                partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
                replication_factor: i16::try_from(factors.min().unwrap_or(0)).unwrap_or(i16::MAX),
                configs,
            };
            topics.insert(name, topic);
        }
        Ok(topics)
    }

    /// The settings of a topic by their Kafka names, those that it has from the cluster too.
    pub async fn configs(&mut self, topic: &str) -> Result<BTreeMap<String, String>, Error> {
        let resource =
            DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(topic));
        let resource = resource.with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let mut configs = BTreeMap::new();
        for result in self.call(&request).await?.results {
            let message = result.error_message.as_deref();
            refused(|| format!("the settings of topic {topic}"), result.error_code, message)?;
            let values = result.configs.into_iter();
            configs.extend(
                values.filter_map(|config| Some((config.name.to_string(), config.value?.to_string()))),
            );
        }
        Ok(configs)
    }

    /// Makes a topic; answers whether it was not there before.
    pub async fn create_topic(&mut self, topic: &NewTopic) -> Result<bool, Error> {
        let configs = topic.configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        });
        let wanted = CreatableTopic::default()
            .with_name(topic_name(&topic.name))
            .with_num_partitions(topic.partitions)
            .with_replication_factor(topic.replication_factor)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(AGREEMENT);
        for result in self.call(&request).await?.topics {
            if ResponseError::try_from_code(result.error_code) == Some(ResponseError::TopicAlreadyExists) {
                return Ok(false);
            }
            let message = result.error_message.as_deref();
            refused(|| format!("topic {} can not be made", topic.name), result.error_code, message)?;
        }
        Ok(true)
    }

    /// Gives a topic more partitions, so that it has `total`. Records of one key may go to another partition from then on.
    pub async fn create_partitions(&mut self, topic: &str, total: i32) -> Result<(), Error> {
        let wanted = CreatePartitionsTopic::default()
            .with_name(topic_name(topic))
            .with_count(total)
            .with_assignments(None);
        let request = CreatePartitionsRequest::default().with_topics(vec![wanted]).with_timeout_ms(AGREEMENT);
        for result in self.call(&request).await?.results {
            let what = || format!("topic {topic} can not have {total} partitions");
            refused(what, result.error_code, result.error_message.as_deref())?;
        }
        Ok(())
    }

    /// Changes these settings of a topic, and no others.
    pub async fn alter_configs(
        &mut self,
        topic: &str,
        configs: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let configs = configs.iter().map(|(name, value)| {
            AlterableConfig::default()
                .with_name(text(name))
                .with_config_operation(SET)
                .with_value(Some(text(value)))
        });
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text(topic))
            .with_configs(configs.collect());
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        for result in self.call(&request).await?.responses {
            let what = || format!("the settings of topic {topic} can not be changed");
            refused(what, result.error_code, result.error_message.as_deref())?;
        }
        Ok(())
    }
}
