//! What operators see of the process: the admin port.

use std::sync::Arc;

use docket_outbox::Relay;
use docket_telemetry::Handle;

use super::Shared;
use crate::admin::{self, Admin};
use crate::config::Config;
use crate::databases::Databases;

/// What the admin port tells of what was built.
pub(super) fn admin(
    config: &Config,
    shared: &Shared,
    databases: Arc<Databases>,
    telemetry: Handle,
    relays: &[Relay],
) -> Admin {
    let name = |relay: &Relay| match databases.schema_of(relay.store()) {
        Some(schema) if !shared.stores.is_embedded() => schema.name(),
        _ => "all",
    };
    let outboxes =
        relays.iter().map(|relay| admin::Outbox::new(name(relay), relay, shared.clock.clone())).collect();
    let Handle { meters, levels, .. } = telemetry;
    Admin::new(admin::Deps { config: config.admin.clone(), meters, levels, databases, outboxes })
}
