//! Where time and fresh identifiers come from: traits, so that nothing in Docket reaches for a global.

use uuid::Uuid;

use crate::{Instant, TimeDelta};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, cut to the microsecond.
    fn now(&self) -> Instant;
}

/// How long it is in seconds, for figures. Clocks differ, and are set back: what has not come yet was just now.
pub fn seconds(length: TimeDelta) -> f64 {
    length.to_std().unwrap_or_default().as_secs_f64()
}

/// Makes identifiers.
pub trait Ids: Send + Sync + 'static {
    /// A UUID that nobody has seen before; version 7, so that rows made one after the other lie side by side.
    fn uuid(&self) -> Uuid;
}
