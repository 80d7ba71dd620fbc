//! What operators see of the process: the admin port.

use docket_outbox::Relay;
use docket_telemetry::Handle;

use super::Shared;
use crate::admin::{self, Admin};
use crate::config::Config;

/// What the admin port tells of what was built.
pub(super) fn admin(config: &Config, shared: &Shared, telemetry: Handle, relays: &[Relay]) -> Admin {
    let databases: Vec<_> =
        config.schemas().into_iter().map(|schema| (schema, shared.stores.of(schema))).collect();
    let name = |relay: &Relay| match databases.iter().find(|(_, store)| store.is_same(relay.store())) {
        Some((schema, _)) if !shared.stores.is_embedded() => schema.name(),
        _ => "all",
    };
    let outboxes =
        relays.iter().map(|relay| admin::Outbox::new(name(relay), relay, shared.clock.clone())).collect();
    let Handle { meters, levels, .. } = telemetry;
    Admin::new(admin::Deps { config: config.admin.clone(), meters, levels, databases, outboxes })
}
