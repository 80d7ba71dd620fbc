//! What can go wrong with a cluster.

use std::io;
use std::time::Duration;

use kafka_protocol::ResponseError;

/// What can go wrong with a cluster. Each text is whole, and none has a password in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No broker was named.
    #[error("no broker is named")]
    NoBroker,
    /// Each broker that was named failed, for its own reason.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    AllBrokers(Vec<Error>),
    /// An address is not `host:port`.
    #[error("{0}: an address of a broker is host:port")]
    Address(String),
    /// The authorities for TLS can not be used.
    #[error("the authorities for TLS can not be used: {0}")]
    Authorities(String),
    /// There is no connection to a broker.
    #[error("{broker} can not be reached: {why}")]
    Unreachable {
        /// Which broker, as `host:port`.
        broker: String,
        /// Why.
        why: io::Error,
    },
    /// The broker could not prove who it is, or does not speak TLS.
    #[error("{broker}: no TLS with it: {why}")]
    Tls {
        /// Which broker, as `host:port`.
        broker: String,
        /// Why.
        why: io::Error,
    },
    /// The broker does not know the user, or the password is another one.
    #[error("{broker}: the login of {user:?} was refused: {message}")]
    Login {
        /// Which broker, as `host:port`.
        broker: String,
        /// Who wanted to log in.
        user: String,
        /// What the broker said.
        message: String,
    },
    /// The broker did not answer in time.
    #[error("{broker}: no answer within {limit:?}")]
    Silent {
        /// Which broker, as `host:port`.
        broker: String,
        /// How long it had.
        limit: Duration,
    },
    /// The broker ended the connection instead of answering: it does so when it wants TLS or a login, and there is none.
    #[error("{broker}: no answer: {why} (does it want TLS, or a login?)")]
    Closed {
        /// Which broker, as `host:port`.
        broker: String,
        /// What the connection said.
        why: io::Error,
    },
    /// The answer is not of Kafka, or of a version that is not understood.
    #[error("{broker}: not an answer of Kafka: {what}")]
    Answer {
        /// Which broker, as `host:port`.
        broker: String,
        /// What is wrong with it.
        what: String,
    },
    /// The request can not be sent as it is.
    #[error("not a request to Kafka: {0}")]
    Request(String),
    /// A broker refused.
    #[error("{what}: {}", .message.clone().unwrap_or_else(|| .error.to_string()))]
    Refused {
        /// What was wanted.
        what: String,
        /// The kind of refusal.
        error: ResponseError,
        /// What the broker said beyond it.
        message: Option<String>,
    },
    /// There is no such topic, or it has no such partition.
    #[error("there is no partition {partition} of {topic}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A partition has no leader at the moment.
    #[error("partition {partition} of {topic} has no leader")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
}

/// The refusal that a code stands for, if it stands for one.
pub(crate) fn refused(what: impl FnOnce() -> String, code: i16, message: Option<&str>) -> Result<(), Error> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => Err(Error::Refused { what: what(), error, message: message.map(str::to_owned) }),
    }
}
