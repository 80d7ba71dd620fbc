//! Whether clients can be served, and what each thing that is needed for it says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docket_store::{Schema, Store};
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::outbox::Outbox;

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long its answer is good for: probes, however many, are one statement a second.
const FRESH: Duration = Duration::from_secs(1);

/// What there is to be asked.
pub(super) struct Readiness {
    databases: Vec<(Schema, Store)>,
    outboxes: Arc<[Outbox]>,
    draining: CancellationToken,
    /// Held while the databases are asked: who comes meanwhile gets the same answer.
    asked: Mutex<Option<(Instant, Dependencies)>>,
}

type Dependencies = BTreeMap<String, Dependency>;

/// What is needed, by name.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Whether clients can be served. A sidecar that is away does not stop that: events wait in the outbox.
    pub(super) ready: bool,
    dependencies: Dependencies,
}

/// One thing that is needed.
#[derive(Clone, Debug, Serialize)]
struct Dependency {
    ok: bool,
    /// Whether clients can not be served without it.
    required: bool,
    /// Why it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Dependency {
    fn new(required: bool, reason: Option<String>) -> Self {
        Self { ok: reason.is_none(), required, reason }
    }
}

impl Readiness {
    pub(super) fn new(
        databases: Vec<(Schema, Store)>,
        outboxes: Arc<[Outbox]>,
        draining: CancellationToken,
    ) -> Self {
        Self { databases, outboxes, draining, asked: Mutex::new(None) }
    }

    pub(super) async fn report(&self) -> Report {
        let draining = self.draining.is_cancelled();
        // Its connections may be closed at any moment; nobody needs to know any more.
        let mut dependencies = if draining { Dependencies::new() } else { self.databases().await };
        let draining = draining.then(|| "the process ends".to_owned());
        dependencies.insert("process".to_owned(), Dependency::new(true, draining));
        if !self.outboxes.is_empty() {
            dependencies.insert("sidecar".to_owned(), self.sidecar());
        }
        let ready = dependencies.values().all(|one| one.ok || !one.required);
        Report { ready, dependencies }
    }

    /// By the word of all relays.
    fn sidecar(&self) -> Dependency {
        let silent: Vec<&str> =
            self.outboxes.iter().filter(|outbox| !outbox.is_connected()).map(|outbox| outbox.name).collect();
        let reason = (!silent.is_empty()).then(|| format!("it takes no events of: {}", silent.join(", ")));
        Dependency::new(false, reason)
    }

    async fn databases(&self) -> Dependencies {
        let mut asked = self.asked.lock().await;
        if let Some((when, known)) = &*asked
            && when.elapsed() < FRESH
        {
            return known.clone();
        }
        // Targets that share a file share what it says.
        let mut stores: Vec<&Store> = Vec::new();
        for (_, store) in &self.databases {
            if !stores.iter().any(|known| known.is_same(store)) {
                stores.push(store);
            }
        }
        let answers: Vec<Dependency> = join_all(stores.iter().map(|store| database(store))).await;
        let of = |store: &Store| stores.iter().position(|known| known.is_same(store));
        let told = self.databases.iter().filter_map(|(schema, store)| {
            Some((format!("database.{}", schema.name()), answers[of(store)?].clone()))
        });
        let told: Dependencies = told.collect();
        *asked = Some((Instant::now(), told.clone()));
        told
    }
}

/// Whether a database answers. Where calls have all of its connections, they are being served, if slowly: a replica that went
/// out of service then would leave its calls to others that are no better off.
async fn database(store: &Store) -> Dependency {
    let reason = match timeout(PATIENCE, store.ping()).await {
        Ok(Ok(())) => return Dependency::new(true, None),
        _ if store.is_busy() => return Dependency::new(false, Some("all connections are in use".to_owned())),
        Ok(Err(error)) => docket_sidecar::causes(&error),
        Err(_elapsed) => format!("no answer within {PATIENCE:?}"),
    };
    Dependency::new(true, Some(reason))
}
