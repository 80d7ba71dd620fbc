//! Consumer groups: which there are, and how far they are.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, GroupId, ListGroupsRequest, OffsetFetchRequest,
};

use crate::client::{address, text};
use crate::error::refused;
use crate::{Client, Error};

/// A consumer group.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it does, in Kafka's words: `Stable`, `PreparingRebalance`, `Empty`, …
    pub state: String,
}

impl Client {
    /// The groups of the cluster.
    pub async fn groups(&mut self) -> Result<BTreeSet<Group>, Error> {
        let mut groups = BTreeSet::new();
        // Each broker knows its own.
        for broker in self.brokers().await? {
            let answer =
                self.call_at(BrokerId(broker.id), &broker.address, &ListGroupsRequest::default()).await?;
            refused(|| "the groups can not be listed".to_owned(), answer.error_code, None)?;
            let found = answer.groups.into_iter();
            groups.extend(found.map(|group| Group {
                name: group.group_id.to_string(),
                state: group.group_state.to_string(),
            }));
        }
        Ok(groups)
    }

    /// What a group has committed, by topic and partition: the offset that it will read next.
    pub async fn committed(&mut self, group: &str) -> Result<BTreeMap<(String, i32), i64>, Error> {
        let find = FindCoordinatorRequest::default().with_key(text(group));
        let found = self.call(&find).await?;
        let what = || format!("the offsets of group {group}");
        refused(what, found.error_code, found.error_message.as_deref())?;
        let request = OffsetFetchRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_topics(None)
            .with_require_stable(false);
        let at = address(&found.host, found.port);
        let answer = self.call_at(found.node_id, &at, &request).await?;
        refused(what, answer.error_code, None)?;
        let mut committed = BTreeMap::new();
        for topic in answer.topics {
            for partition in topic.partitions {
                refused(what, partition.error_code, None)?;
                // Below zero: nothing yet.
                if partition.committed_offset >= 0 {
                    committed.insert(
                        (topic.name.to_string(), partition.partition_index),
                        partition.committed_offset,
                    );
                }
            }
        }
        Ok(committed)
    }

    /// How many records of each partition of a topic a group has not committed.
    pub async fn lag(&mut self, group: &str, topic: &str) -> Result<BTreeMap<i32, i64>, Error> {
        let committed = self.committed(group).await?;
        let offsets = self.offsets(topic).await?;
        let lag = offsets.into_iter().map(|(partition, kept)| {
            let next = committed.get(&(topic.to_owned(), partition)).copied().unwrap_or(kept.start);
            (partition, (kept.end - next.max(kept.start)).max(0))
        });
        Ok(lag.collect())
    }
}
