//! Where time and fresh identifiers come from: traits, so that nothing in Docket reaches for a global.

use uuid::Uuid;

use crate::Instant;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, cut to the microsecond.
    fn now(&self) -> Instant;
}

/// Makes identifiers.
pub trait Ids: Send + Sync + 'static {
    /// A UUID that nobody has seen before; version 7, so that rows made one after the other lie side by side.
    fn uuid(&self) -> Uuid;
}
