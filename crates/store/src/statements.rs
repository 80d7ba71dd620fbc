//! Counts statements, so that a test can hold a call to the round trips it is allowed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many statements a store has sent to its database; `BEGIN` and `COMMIT` are not among them.
#[derive(Clone, Debug, Default)]
pub struct Statements(Arc<AtomicU64>);

impl Statements {
    /// The number so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
