//! Counts statements, so that a test can hold a call to the round trips it is allowed.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use docket_migration::Schema;

type Listener = dyn Fn(Option<Schema>, &str) + Send + Sync;

/// How many statements have been sent to the database; `BEGIN` and `COMMIT` are not among them.
#[derive(Clone, Default)]
pub struct Statements {
    count: Arc<AtomicU64>,
    listener: Option<Arc<Listener>>,
}

impl Statements {
    /// Counts, and tells each statement to `listener`: its text, and on PostgreSQL whose it is.
    pub fn told(listener: impl Fn(Option<Schema>, &str) + Send + Sync + 'static) -> Self {
        Self { count: Arc::default(), listener: Some(Arc::new(listener)) }
    }

    /// The number so far.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, schema: Option<Schema>, sql: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if let Some(listener) = &self.listener {
            listener(schema, sql);
        }
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").field("count", &self.count()).finish_non_exhaustive()
    }
}
