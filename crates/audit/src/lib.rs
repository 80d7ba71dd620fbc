//! Target `audit`: keeps every event of every task, and answers for it.
#![doc = include_str!("../README.md")]

mod handler;
mod service;

use std::sync::Arc;

use docket_domain::source::Clock;
use docket_proto::v1::audit_service_server::AuditServiceServer;
use docket_store::Store;

pub use handler::Handler;
pub use service::{Error, Service};

/// What the target needs.
#[derive(Clone)]
pub struct Deps {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// The service, to be added to a server.
pub fn service(deps: &Deps) -> AuditServiceServer<Service> {
    AuditServiceServer::new(Service::new(deps.store.clone()))
}

/// The handler, to be subscribed to the topic of task events.
pub fn handler(deps: Deps) -> Handler {
    Handler::new(deps)
}
