//! Whether the databases of the targets answer: what the admin port and the health of each target say.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_store::{Schema, Store};
use futures::future::join_all;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long the database may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long its answer is good for: probes, however many, are one statement a second.
const FRESH: Duration = Duration::from_secs(1);

/// The databases of the targets that a process runs.
pub(crate) struct Databases {
    stores: Vec<(Schema, Store)>,
    /// Held while the databases are asked: who comes meanwhile gets the same answer.
    asked: Mutex<Option<(Instant, Answers)>>,
}

/// What each of them says.
pub(crate) type Answers = BTreeMap<Schema, Dependency>;

/// One thing that is needed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Dependency {
    pub(crate) ok: bool,
    /// Whether clients can not be served without it.
    pub(crate) required: bool,
    /// Why it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Dependency {
    pub(crate) fn new(required: bool, reason: Option<String>) -> Self {
        Self { ok: reason.is_none(), required, reason }
    }

    /// Whether clients can be served as far as it is concerned.
    pub(crate) fn is_ready(&self) -> bool {
        self.ok || !self.required
    }
}

impl Databases {
    pub(crate) fn new(stores: Vec<(Schema, Store)>) -> Self {
        Self { stores, asked: Mutex::new(None) }
    }

    /// The schema that a store works with; none that is not among them.
    pub(crate) fn schema_of(&self, store: &Store) -> Option<Schema> {
        self.stores.iter().find(|(_, known)| known.is_same(store)).map(|(schema, _)| *schema)
    }

    /// Whether clients of a target can be served as far as its database is concerned.
    pub(crate) async fn is_ready(&self, schema: Schema) -> bool {
        self.answers().await.get(&schema).is_some_and(Dependency::is_ready)
    }

    /// What each of them says, or said less than a second ago.
    pub(crate) async fn answers(&self) -> Answers {
        let mut asked = self.asked.lock().await;
        if let Some((when, known)) = &*asked
            && when.elapsed() < FRESH
        {
            return known.clone();
        }
        // Targets that share a file share what it says.
        let mut stores: Vec<&Store> = Vec::new();
        for (_, store) in &self.stores {
            if !stores.iter().any(|known| known.is_same(store)) {
                stores.push(store);
            }
        }
        let answers: Vec<Dependency> = join_all(stores.iter().map(|store| database(store))).await;
        let of = |store: &Store| stores.iter().position(|known| known.is_same(store));
        let told =
            self.stores.iter().filter_map(|(schema, store)| Some((*schema, answers[of(store)?].clone())));
        let told: Answers = told.collect();
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
