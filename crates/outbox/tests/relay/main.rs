//! The relay between an outbox in memory and a broker that does as it is told.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod figures;
mod flow;
mod letters;
mod replays;
mod traces;

use std::sync::Arc;

use docket_domain::source::{Clock, Ids};
use docket_domain::{EventId, Instant, TimeDelta};
use docket_outbox::{Config, Confirm, Deps, Handler, Status, Topic};
use docket_sidecar::Client;
use docket_store::outbox::NewEvent;
use docket_store::{Schema, Store, Stores, Tx};
use docket_telemetry::instruments::Meter;
use docket_testkit::{PATIENCE, wait_for};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

const TOPIC: &str = "task-events";

struct Random;

impl Ids for Random {
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// How long after the events everything is.
const LATER: TimeDelta = TimeDelta::seconds(90);

struct Later;

impl Clock for Later {
    fn now(&self) -> Instant {
        time() + LATER
    }
}

/// An outbox, and the relay that carries it.
struct World {
    store: Store,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
    relay: AbortOnDropHandle<()>,
    _stores: Stores,
}

/// Fast, and confirmed by the broker.
fn config() -> Config {
    Config { confirm: Confirm::Broker, poll_ms: 10, retry_min_ms: 20, retry_max_ms: 40, ..Config::default() }
}

impl World {
    /// Begins with what is in the outbox already.
    async fn start(config: Config, client: Client, fill: impl AsyncFnOnce(&Store)) -> Self {
        Self::measured(config, client, docket_telemetry::no_meter(), fill).await
    }

    /// The same, with figures.
    async fn measured(config: Config, client: Client, meter: Meter, fill: impl AsyncFnOnce(&Store)) -> Self {
        let stores = docket_store::Config { url: "sqlite::memory:".to_owned(), ..Default::default() };
        let stores = Stores::open(&stores, &[]).await.unwrap();
        stores.migrate_up(None).await.unwrap();
        let store = stores.of(Schema::Tasks);
        fill(&store).await;
        let handlers = vec![Handler { name: "audit", store: store.clone() }];
        let relay = config.build(Deps {
            store: store.clone(),
            client,
            pubsub: "pubsub".to_owned(),
            topics: vec![Topic { pubsub: "pubsub".to_owned(), name: TOPIC.to_owned(), handlers }],
            ids: Arc::new(Random),
            clock: Arc::new(Later),
            meter,
            jitter: Arc::new(|| 0.5),
        });
        let (status, stop) = (relay.status(), CancellationToken::new());
        let relay = AbortOnDropHandle::new(tokio::spawn(relay.run(stop.clone())));
        Self { store, status, stop, relay, _stores: stores }
    }

    /// Waits until nothing is left to publish.
    async fn empty(&self) {
        wait_for("an empty outbox", PATIENCE, async || match self.store.outbox_depth().await.unwrap() {
            0 => Ok(()),
            depth => Err(format!("{depth} events")),
        })
        .await;
    }

    /// Waits for so many passes more.
    async fn passes(&mut self, more: u64) {
        let goal = self.status.borrow().passes + more;
        self.status.wait_for(|status| status.passes >= goal).await.unwrap();
    }
}

fn id(number: u128) -> EventId {
    EventId::from_uuid(Uuid::from_u128(number))
}

fn time() -> Instant {
    "2026-11-21T04:00:00Z".parse().unwrap()
}

fn event(key: &str, number: u128) -> NewEvent {
    NewEvent {
        id: id(number),
        topic: TOPIC.to_owned(),
        key: key.to_owned(),
        event_type: "com.todo.task.created",
        source: "docket/tasks".to_owned(),
        payload: b"{}".to_vec(),
        trace: None,
        time: time(),
    }
}

/// Commits in one transaction, as a request does.
async fn append(store: &Store, events: Vec<NewEvent>) {
    let events = &events;
    let done: Result<(), docket_store::Error> =
        store.transaction(|tx: &Tx<'_>| Box::pin(tx.outbox_append(events.clone()))).await;
    done.unwrap();
    store.outbox_appended();
}
