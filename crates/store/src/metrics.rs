//! Figures about what is stored: events that came again, and connections.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use docket_telemetry::KeyValue;
use docket_telemetry::instruments::{Counter, Meter};
use sea_orm::{DatabaseConnection, DbBackend};

use crate::spans::count;

/// What is counted. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    duplicates: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let duplicates = meter
            .u64_counter("docket.inbox.duplicates")
            .with_unit("{event}")
            .with_description("Events that came to a handler which was done with them")
            .build();
        Self { duplicates }
    }

    /// A handler was given so many events that its inbox had.
    pub(crate) fn duplicates(&self, handler: &str, events: usize) {
        if events > 0 {
            self.duplicates.add(events as u64, &[KeyValue::new("docket.handler", handler.to_owned())]);
        }
    }
}

/// What a transaction has found that counts only when it is committed.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<Vec<(String, usize)>>);

impl Found {
    /// A handler was given so many events that its inbox has.
    pub(crate) fn duplicates(&self, handler: &str, events: usize) {
        if events > 0 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push((handler.to_owned(), events));
        }
    }

    /// The transaction is committed.
    pub(crate) fn count(self, metrics: &Metrics) {
        for (handler, events) in self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            metrics.duplicates(&handler, events);
        }
    }
}

/// Connections, under a name that tells them from others.
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) connections: DatabaseConnection,
}

/// All connections of a database's stores, which keep them: whoever counts them has no part in how long they last.
pub(crate) type Pools = Arc<Vec<Pool>>;

/// How a pool is doing.
pub(crate) struct Use {
    idle: i64,
    used: i64,
    max: i64,
}

impl Use {
    pub(crate) fn of(connections: &DatabaseConnection) -> Self {
        let (size, idle, max) = match connections.get_database_backend() {
            DbBackend::Postgres => {
                let pool = connections.get_postgres_connection_pool();
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
            _ => {
                let pool = connections.get_sqlite_connection_pool();
                (pool.size(), pool.num_idle(), pool.options().get_max_connections())
            }
        };
        let (size, idle) = (i64::from(size), count(idle));
        // They are read one after the other.
        Self { idle, used: (size - idle).max(0), max: i64::from(max) }
    }

    /// Whether whoever comes now has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.idle == 0 && self.used >= self.max
    }
}

/// Shows how many connections there are, as long as there are any.
pub(crate) fn observe(pools: &Pools, meter: &Meter) {
    let counted = Arc::downgrade(pools);
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Connections to the database")
        .with_callback(move |observer| {
            each(&counted, |name, Use { idle, used, .. }| {
                for (state, connections) in [("idle", idle), ("used", used)] {
                    let state = KeyValue::new("db.client.connection.state", state);
                    observer.observe(connections, &[name.clone(), state]);
                }
            });
        })
        .build();
    let counted = Arc::downgrade(pools);
    meter
        .i64_observable_up_down_counter("db.client.connection.max")
        .with_unit("{connection}")
        .with_description("The most connections to the database")
        .with_callback(move |observer| {
            each(&counted, |name, Use { max, .. }| observer.observe(max, std::slice::from_ref(name)));
        })
        .build();
}

fn each(pools: &Weak<Vec<Pool>>, tell: impl Fn(&KeyValue, Use)) {
    for pool in pools.upgrade().iter().flat_map(|pools| pools.iter()) {
        tell(&KeyValue::new("db.client.connection.pool.name", pool.name.clone()), Use::of(&pool.connections));
    }
}

#[cfg(test)]
mod tests {
    use docket_telemetry::{Handle, Identity};
    use docket_testkit::{PATIENCE, wait_for};

    use crate::{Config, Stores};

    #[tokio::test]
    async fn connections_are_shown_as_long_as_there_are_any() {
        let identity = Identity { service: "docket".to_owned(), version: "1", instance: uuid::Uuid::nil() };
        let meters = Handle::detached(&identity).unwrap().meters;
        let folder = tempfile::tempdir().unwrap();
        let url = crate::url_of(&folder.path().join("docket.db"));
        let config = Config { url, read_connections: 3, ..Config::default() };
        let stores = Stores::open(&config, &[]).await.unwrap().with_meter(&meters.meter("docket-store"));
        stores.migrate_up(None).await.unwrap();
        let shown = || {
            let text = meters.render().unwrap();
            let lines = text.lines().filter(|line| line.starts_with("db_client_connection"));
            let mut lines: Vec<String> =
                lines.map(|line| line.replace(",otel_scope_name=\"docket-store\"", "")).collect();
            lines.sort();
            lines
        };
        let pool = "db_client_connection_pool_name";
        let count = |name, state, count| {
            format!(
                "db_client_connection_count{{{pool}=\"{name}\",db_client_connection_state=\"{state}\"}} {count}"
            )
        };
        let max = |name, max| format!("db_client_connection_max{{{pool}=\"{name}\"}} {max}");
        let expect = |writing| {
            [
                count("read", "idle", 1),
                count("read", "used", 0),
                count("write", "idle", 1 - writing),
                count("write", "used", writing),
                max("read", 3),
                max("write", 1),
            ]
        };
        // The connection of the migration is given back in its own time.
        wait_for("idle connections", PATIENCE, async || match shown() {
            shown if shown == expect(0) => Ok(()),
            shown => Err(format!("{shown:?}")),
        })
        .await;
        let store = stores.of(docket_migration::Schema::Tasks);
        let written: Result<Vec<String>, crate::Error> =
            store.transaction(|_| Box::pin(async { Ok(shown()) })).await;
        assert_eq!(written.unwrap(), expect(1));

        drop((store, stores));
        assert_eq!(shown(), [""; 0], "and they do not last because they are counted");
    }
}
