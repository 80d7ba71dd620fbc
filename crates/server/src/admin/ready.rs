//! Whether clients can be served, and what each thing that is needed for it says.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;
use crate::databases::{Databases, Dependency};

/// What there is to be asked.
pub(super) struct Readiness {
    databases: Arc<Databases>,
    outboxes: Arc<[Outbox]>,
    draining: CancellationToken,
}

/// What is needed, by name.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether clients can be served. A sidecar that is away does not stop that: events wait in the outbox.
    pub(super) ready: bool,
    dependencies: BTreeMap<String, Dependency>,
}

impl Readiness {
    pub(super) fn new(
        databases: Arc<Databases>,
        outboxes: Arc<[Outbox]>,
        draining: CancellationToken,
    ) -> Self {
        Self { databases, outboxes, draining }
    }

    pub(super) async fn report(&self) -> Report {
        let draining = self.draining.is_cancelled();
        let mut dependencies = BTreeMap::new();
        // While the process ends, its connections may be closed at any moment; nobody needs to know any more.
        if !draining {
            let databases = self.databases.answers().await.into_iter();
            dependencies.extend(databases.map(|(schema, said)| (format!("database.{schema}"), said)));
        }
        let draining = draining.then(|| "the process ends".to_owned());
        dependencies.insert("process".to_owned(), Dependency::new(true, draining));
        if !self.outboxes.is_empty() {
            dependencies.insert("sidecar".to_owned(), self.sidecar());
        }
        let ready = dependencies.values().all(Dependency::is_ready);
        Report { ready, dependencies }
    }

    /// By the word of all relays.
    fn sidecar(&self) -> Dependency {
        let silent: Vec<&str> =
            self.outboxes.iter().filter(|outbox| !outbox.is_connected()).map(|outbox| outbox.name).collect();
        let reason = (!silent.is_empty()).then(|| format!("it takes no events of: {}", silent.join(", ")));
        Dependency::new(false, reason)
    }
}
