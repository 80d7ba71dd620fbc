//! Target `deadletters`: keeps what could not be handled, and brings it back.
#![doc = include_str!("../README.md")]

mod answer;
mod depth;
mod error;
mod handler;
mod letter;
mod replay;
mod service;

use std::sync::Arc;

use docket_domain::TimeDelta;
use docket_domain::source::{Clock, Ids};
use docket_proto::v1::dead_letter_service_server::DeadLetterServiceServer;
use docket_store::Store;
use serde::{Deserialize, Serialize};

pub use depth::Watch;
pub use error::Error;
pub use handler::{Handler, NAME};
pub use letter::SIDECAR;
pub use service::Service;

/// What the target can be told.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The pub/sub component through which dead letters are published and read. One of their own keeps them from waiting
    /// behind events. Default: that of `dapr.pubsub`.
    pub pubsub: Option<String>,
}

/// A topic whose events may become dead letters, and where those go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// The pub/sub component that its events are read through.
    pub pubsub: String,
    /// The topic.
    pub topic: String,
    /// The topic of its dead letters.
    pub letters: String,
    /// The names of its handlers, in whatever process they are. None when they are not known: then a letter may go to any.
    pub handlers: Option<Vec<String>>,
}

/// What the target needs.
#[derive(Clone)]
pub struct Deps {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// The topics whose letters are kept and replayed.
    pub origins: Vec<Origin>,
    /// How long after its first failure a letter may be replayed to all handlers of its topic, because they remember that
    /// they are done with it; later it goes to the handler alone that had failed. None for ever.
    pub replay_to_all: Option<TimeDelta>,
}

/// The service, to be added to a server.
pub fn service(deps: Deps) -> DeadLetterServiceServer<Service> {
    DeadLetterServiceServer::new(Service::new(deps))
}

/// The handler, to be subscribed to the topics of dead letters. It also keeps what can not be read there.
pub fn handler(deps: Deps) -> Handler {
    Handler::new(deps)
}
