//! What all users share: Docket, and how often what happened.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::sync::mpsc;

use crate::model::host::Host;
use crate::model::model::Model;

/// What all users share.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) seed: u64,
    /// Every task's id.
    pub(crate) ids: Mutex<Vec<String>>,
    /// Mutations, redeliveries and restarts so far.
    pub(crate) steps: AtomicU64,
    /// At which step Docket ends, and whether it crashes; the next one last.
    restarts: Mutex<Vec<(u64, bool)>>,
    /// Who is told when it is time.
    due: mpsc::UnboundedSender<bool>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl World {
    pub(crate) fn new(
        host: Host,
        seed: u64,
        restarts: Vec<(u64, bool)>,
        due: mpsc::UnboundedSender<bool>,
    ) -> Self {
        let (ids, steps, restarts, counts) =
            (Mutex::default(), AtomicU64::new(0), Mutex::new(restarts), Mutex::default());
        Self { host, seed, ids, steps, restarts, due, counts }
    }

    pub(crate) fn count(&self, what: &str) {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts.lock().unwrap().clone()
    }

    /// Counts a step, and says so if it is time for Docket to end.
    pub(crate) fn step(&self, what: &str) {
        self.count(what);
        let steps = self.steps.fetch_add(1, Ordering::SeqCst);
        let due = self.restarts.lock().unwrap().pop_if(|(at, _)| *at <= steps);
        if let Some((_, crash)) = due {
            self.due.send(crash).unwrap();
        }
    }

    /// Ends Docket, and starts it again.
    pub(crate) async fn restart(&self, crash: bool) {
        self.host.restart(crash).await;
        self.step(if crash { "restart after a crash" } else { "restart in order" });
    }

    /// A task of somebody else's.
    pub(crate) fn stranger(&self, rng: &mut StdRng, own: &Model) -> Option<String> {
        let id = self.ids.lock().unwrap().choose(rng).cloned()?;
        (!own.tasks.contains_key(&id)).then_some(id)
    }
}
