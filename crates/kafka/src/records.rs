//! Records: written, and read from where one likes.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, ListOffsetsRequest, MetadataResponse, ProduceRequest,
};
use kafka_protocol::records as wire;

use crate::client::{address, text, topic_name};
use crate::error::refused;
use crate::{Client, Error};

/// How many bytes one fetch brings, unless its first batch alone is larger.
const FETCH_BYTES: i32 = 8 << 20;

/// How long a fetch waits where there is nothing, and how long the replicas may take for a write; in milliseconds.
const WAIT: i32 = 100;
const AGREEMENT: i32 = 8_000;

/// Every replica in sync has it.
const ALL: i16 = -1;

/// The moments that stand for the first offset of a partition, and for the next one that is written.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Where the number and the length of a batch end, and its length begins.
const BATCH_HEAD: usize = 12;
const BATCH_LENGTH: usize = 8;

/// A record to be written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// What orders and compacts; none when absent.
    pub key: Option<Bytes>,
    /// What it says; absent, it is a tombstone.
    pub value: Option<Bytes>,
    /// Names and values beside it.
    pub headers: Vec<(String, Bytes)>,
    /// When it came to be, in milliseconds since 1970. A topic's retention counts from it.
    pub timestamp: i64,
}

/// A record as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// In which partition.
    pub partition: i32,
    /// Where in it.
    pub offset: i64,
    /// When it came to be, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// What it says.
    pub value: Option<Bytes>,
    /// Names and values beside it; of those with one name the last.
    pub headers: BTreeMap<String, Bytes>,
}

impl Client {
    /// Writes records to a partition, and gives the offset of the first. Every replica in sync has them then.
    pub async fn produce(&mut self, topic: &str, partition: i32, records: &[Record]) -> Result<i64, Error> {
        let (leader, at) = self.leader(topic, partition).await?;
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(encode(records)?));
        let data = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
        let request =
            ProduceRequest::default().with_acks(ALL).with_timeout_ms(AGREEMENT).with_topic_data(vec![data]);
        let answer = self.call_at(leader, &at, &request).await?;
        let answers = answer.responses.into_iter().flat_map(|topic| topic.partition_responses);
        let Some(answer) = answers.into_iter().find(|answer| answer.index == partition) else {
            return Err(Error::NoPartition { topic: topic.to_owned(), partition });
        };
        let what = || format!("partition {partition} of {topic} can not be written");
        refused(what, answer.error_code, answer.error_message.as_deref())?;
        Ok(answer.base_offset)
    }

    /// The records of a partition from an offset on, as many as come at once; none at its end.
    pub async fn fetch(&mut self, topic: &str, partition: i32, from: i64) -> Result<Vec<Stored>, Error> {
        let (leader, at) = self.leader(topic, partition).await?;
        let wanted = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(from)
            .with_partition_max_bytes(FETCH_BYTES);
        let wanted = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
        let request = FetchRequest::default()
            // A client, and no broker.
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(WAIT)
            .with_min_bytes(1)
            .with_max_bytes(FETCH_BYTES)
            // Without a session, which would be for those who come again.
            .with_session_epoch(-1)
            .with_topics(vec![wanted]);
        let answer = self.call_at(leader, &at, &request).await?;
        let what = || format!("partition {partition} of {topic} can not be read from {from}");
        refused(what, answer.error_code, None)?;
        let mut records = Vec::new();
        for data in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            refused(what, data.error_code, None)?;
            records.extend(decode(partition, from, data.records.unwrap_or_default(), &at)?);
        }
        Ok(records)
    }

    /// The offsets that each partition has: from the first that is kept to the next that will be written.
    pub async fn offsets(&mut self, topic: &str) -> Result<BTreeMap<i32, Range<i64>>, Error> {
        let metadata = self.metadata(Some(&[topic])).await?;
        let mut offsets = BTreeMap::new();
        for partition in partitions(&metadata, topic)? {
            let (leader, at) = leader(&metadata, topic, partition)?;
            let start = self.offset(leader, &at, topic, partition, EARLIEST).await?;
            let end = self.offset(leader, &at, topic, partition, LATEST).await?;
            offsets.insert(partition, start..end);
        }
        Ok(offsets)
    }

    /// All records that a topic has at this moment, by partition and offset.
    pub async fn read(&mut self, topic: &str) -> Result<Vec<Stored>, Error> {
        let mut records = Vec::new();
        for (partition, Range { start, end }) in self.offsets(topic).await? {
            let mut next = start;
            while next < end {
                let fetched = self.fetch(topic, partition, next).await?;
                // Where only the marks of transactions are left, nothing comes.
                let Some(last) = fetched.last() else { break };
                next = last.offset + 1;
                records.extend(fetched.into_iter().filter(|record| record.offset < end));
            }
        }
        Ok(records)
    }

    async fn offset(
        &mut self,
        leader: BrokerId,
        at: &str,
        topic: &str,
        partition: i32,
        moment: i64,
    ) -> Result<i64, Error> {
        let wanted = ListOffsetsPartition::default().with_partition_index(partition).with_timestamp(moment);
        let wanted = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![wanted]);
        let answer = self.call_at(leader, at, &request).await?;
        let answers = answer.topics.into_iter().flat_map(|topic| topic.partitions);
        let Some(answer) = answers.into_iter().find(|answer| answer.partition_index == partition) else {
            return Err(Error::NoPartition { topic: topic.to_owned(), partition });
        };
        refused(|| format!("the offsets of partition {partition} of {topic}"), answer.error_code, None)?;
        Ok(answer.offset)
    }

    async fn leader(&mut self, topic: &str, partition: i32) -> Result<(BrokerId, String), Error> {
        let metadata = self.metadata(Some(&[topic])).await?;
        leader(&metadata, topic, partition)
    }
}

/// The partitions of a topic.
fn partitions(metadata: &MetadataResponse, topic: &str) -> Result<Vec<i32>, Error> {
    let mut partitions = Vec::new();
    for found in &metadata.topics {
        refused(|| format!("topic {topic}"), found.error_code, None)?;
        partitions.extend(found.partitions.iter().map(|partition| partition.partition_index));
    }
    partitions.sort_unstable();
    Ok(partitions)
}

/// Who leads a partition, and where it is.
fn leader(metadata: &MetadataResponse, topic: &str, partition: i32) -> Result<(BrokerId, String), Error> {
    let mut partitions = metadata.topics.iter().flat_map(|topic| &topic.partitions);
    let Some(found) = partitions.find(|found| found.partition_index == partition) else {
        return Err(Error::NoPartition { topic: topic.to_owned(), partition });
    };
    let broker = metadata.brokers.iter().find(|broker| broker.node_id == found.leader_id);
    let broker = broker.ok_or_else(|| Error::NoLeader { topic: topic.to_owned(), partition })?;
    Ok((broker.node_id, address(&broker.host, broker.port)))
}

fn encode(records: &[Record]) -> Result<Bytes, Error> {
    let records: Vec<wire::Record> =
        (0..).zip(records).map(|(offset, record)| encoded(offset, record)).collect();
    let options = wire::RecordEncodeOptions { version: 2, compression: wire::Compression::None };
    let mut batch = BytesMut::new();
    wire::RecordBatchEncoder::encode(&mut batch, &records, &options)
        .map_err(|error| Error::Request(error.to_string()))?;
    Ok(batch.freeze())
}

fn encoded(offset: i32, record: &Record) -> wire::Record {
    wire::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        // No producer that the brokers would know again.
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: wire::TimestampType::Creation,
        offset: offset.into(),
        // Counted on from none, so that all go into one batch.
        sequence: offset - 1,
        timestamp: record.timestamp,
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().map(|(name, value)| (text(name), Some(value.clone()))).collect(),
    }
}

fn decode(partition: i32, from: i64, batches: Bytes, broker: &str) -> Result<Vec<Stored>, Error> {
    let mut batches = batches.slice(..whole(&batches));
    let sets = wire::RecordBatchDecoder::decode_all(&mut batches)
        .map_err(|error| Error::Answer { broker: broker.to_owned(), what: error.to_string() })?;
    let records = sets.into_iter().flat_map(|set| set.records);
    // A batch comes whole, also when its first records were not asked for.
    let records = records.filter(|record| !record.control && record.offset >= from);
    Ok(records.map(|record| stored(partition, record)).collect())
}

fn stored(partition: i32, record: wire::Record) -> Stored {
    let headers = record.headers.into_iter();
    Stored {
        partition,
        offset: record.offset,
        timestamp: record.timestamp,
        key: record.key,
        value: record.value,
        headers: headers.map(|(name, value)| (name.to_string(), value.unwrap_or_default())).collect(),
    }
}

/// How many bytes the batches have that came whole: the last one may be cut off.
fn whole(batches: &[u8]) -> usize {
    let mut end = 0;
    while let Some(head) = batches.get(end..end + BATCH_HEAD) {
        let length: [u8; 4] = head[BATCH_LENGTH..].try_into().unwrap_or_default();
        let next = end + BATCH_HEAD + usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if next > batches.len() {
            break;
        }
        end = next;
    }
    end
}
