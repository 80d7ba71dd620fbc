//! What waits in an outbox, and why.

use std::sync::Arc;
use std::time::Duration;

use docket_domain::source::{Clock, seconds};
use docket_outbox::{Parked, Relay, Status};
use docket_store::Store;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::timeout;

/// How many events are counted at most: an outbox that is long already must not be gone through because somebody looks.
const MOST: u64 = 10_000;

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// An outbox, and how its relay is doing.
pub(crate) struct Outbox {
    pub(super) name: &'static str,
    store: Store,
    status: watch::Receiver<Status>,
    parked: watch::Receiver<Vec<Parked>>,
    clock: Arc<dyn Clock>,
}

/// What there is to be said of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    outbox: &'static str,
    /// Whether the sidecar takes events.
    connected: bool,
    /// How many of the outbox's shards this process carries; `all` where nobody else could.
    shards: Shards,
    /// How many times the relay has looked at it.
    passes: u64,
    #[serde(flatten)]
    waiting: Waiting,
    /// How many events keep others of their key back, because one attempt was not enough for them.
    parked_keys: usize,
    /// Those that have waited longest.
    parked: Vec<Waits>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
enum Shards {
    All(&'static str),
    Some(usize),
}

/// What the database says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Waiting {
    Told {
        /// How many events of all processes wait.
        pending: u64,
        /// Whether there are more, which were not counted.
        more: bool,
        oldest_age_seconds: Option<f64>,
    },
    Unknown {
        error: String,
    },
}

/// An event that waits.
#[derive(Debug, Serialize)]
struct Waits {
    event_id: String,
    attempts: u32,
    since_seconds: f64,
}

impl Outbox {
    pub(crate) fn new(name: &'static str, relay: &Relay, clock: Arc<dyn Clock>) -> Self {
        Self { name, store: relay.store().clone(), status: relay.status(), parked: relay.parked(), clock }
    }

    /// Whether the sidecar takes its events.
    pub(super) fn is_connected(&self) -> bool {
        self.status.borrow().connected
    }

    pub(super) async fn report(&self) -> Report {
        let waiting = self.waiting().await;
        let status = *self.status.borrow();
        let parked = self.parked.borrow().iter().map(Waits::of).collect();
        Report {
            outbox: self.name,
            connected: status.connected,
            shards: status.shards.map_or(Shards::All("all"), Shards::Some),
            passes: status.passes,
            waiting,
            parked_keys: status.parked,
            parked,
        }
    }

    async fn waiting(&self) -> Waiting {
        match timeout(PATIENCE, self.store.outbox_backlog(MOST)).await {
            Ok(Ok(backlog)) => Waiting::Told {
                pending: backlog.events.min(MOST),
                more: backlog.events > MOST,
                oldest_age_seconds: backlog.oldest.map(|time| seconds(self.clock.now() - time)),
            },
            Ok(Err(error)) => Waiting::Unknown { error: docket_sidecar::causes(&error) },
            Err(_elapsed) => Waiting::Unknown { error: format!("no answer within {PATIENCE:?}") },
        }
    }
}

impl Waits {
    fn of(parked: &Parked) -> Self {
        Self {
            event_id: parked.event.to_string(),
            attempts: parked.attempts,
            since_seconds: parked.since.elapsed().as_secs_f64(),
        }
    }
}
