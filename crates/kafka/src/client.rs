//! The client: which brokers there are, and a connection to each that was needed.

use std::collections::BTreeMap;
use std::fmt;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::call::Call;
use crate::connection::Connection;
use crate::{Access, Error};

/// A client of a cluster. Its calls take one turn after the other. When a connection fails, so does the call, and the
/// next one begins with new connections; no call is made twice.
pub struct Client {
    access: Access,
    /// The connection to the broker that was reached first; nobody knows its number yet.
    first: Option<Connection>,
    others: BTreeMap<BrokerId, Connection>,
}

/// A broker of a cluster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broker {
    /// Its number in the cluster.
    pub id: i32,
    /// Where it says that it is: `host:port`.
    pub address: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects to the first broker that can be reached, and logs in.
    pub async fn connect(access: &Access) -> Result<Self, Error> {
        let mut client = Self { access: access.clone(), first: None, others: BTreeMap::new() };
        client.first = Some(client.reach().await?);
        Ok(client)
    }

    /// The brokers that the cluster has at the moment.
    pub async fn brokers(&mut self) -> Result<Vec<Broker>, Error> {
        // No topics at all; `None` would be all of them.
        let metadata = self.metadata(Some(&[])).await?;
        let brokers = metadata.brokers.iter();
        Ok(brokers
            .map(|broker| Broker { id: *broker.node_id, address: address(&broker.host, broker.port) })
            .collect())
    }

    /// What the cluster says about topics; about all of them when there are no names.
    pub(crate) async fn metadata(&mut self, topics: Option<&[&str]>) -> Result<MetadataResponse, Error> {
        let topic = |name: &&str| MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let topics = topics.map(|names| names.iter().map(topic).collect());
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(false);
        self.call(&request).await
    }

    /// Calls any broker.
    pub(crate) async fn call<C: Call>(&mut self, call: &C) -> Result<C::Answer, Error> {
        // Out of its place until it has answered: whoever drops this call or fails leaves no half-read connection.
        let mut connection = match self.first.take() {
            Some(connection) => connection,
            None => self.reach().await?,
        };
        let answer = connection.call(call).await.inspect_err(|_| self.forget())?;
        self.first = Some(connection);
        Ok(answer)
    }

    /// Calls this broker.
    pub(crate) async fn call_at<C: Call>(
        &mut self,
        id: BrokerId,
        at: &str,
        call: &C,
    ) -> Result<C::Answer, Error> {
        let mut connection = match self.others.remove(&id).filter(|connection| connection.broker() == at) {
            Some(connection) => connection,
            None => Connection::open(at, &self.access).await?,
        };
        let answer = connection.call(call).await.inspect_err(|_| self.forget())?;
        self.others.insert(id, connection);
        Ok(answer)
    }

    /// What ended one connection has most likely ended the others too.
    fn forget(&mut self) {
        self.first = None;
        self.others.clear();
    }

    /// A connection to one of the brokers that were named.
    async fn reach(&self) -> Result<Connection, Error> {
        let mut failed = Vec::new();
        for broker in &self.access.brokers {
            match Connection::open(broker, &self.access).await {
                Ok(connection) => return Ok(connection),
                // All of them have the same users.
                Err(error @ Error::Login { .. }) => return Err(error),
                Err(error) => failed.push(error),
            }
        }
        match failed.len() {
            0 => Err(Error::NoBroker),
            1 => Err(failed.remove(0)),
            _ => Err(Error::AllBrokers(failed)),
        }
    }
}

/// `host:port`.
pub(crate) fn address(host: &str, port: i32) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    text(name).into()
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
