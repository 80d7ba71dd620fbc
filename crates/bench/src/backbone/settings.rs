//! What both sides are set to.

/// The pub/sub component of the production shape.
pub(crate) const PUBSUB: &str = "pubsub";

/// The most events of one call to or from a sidecar.
pub(crate) const BATCH: u16 = 500;

/// How long a sidecar waits for a batch to fill, in milliseconds.
pub(crate) const AWAIT_MS: u16 = 5;

/// How many calls the echo's publisher has under way.
pub(crate) const CALLS: usize = 4;

/// Partitions of each topic, as `docket topics` makes them.
pub(crate) const PARTITIONS: i32 = 3;

/// How many tasks the events are of.
pub(crate) const TASKS: u64 = 2_000;

/// How Docket is set, beside where things are: as the echo.
pub(crate) fn docket() -> [(&'static str, String); 8] {
    [
        ("DOCKET_OUTBOX__CONFIRM", "broker".to_owned()),
        ("DOCKET_OUTBOX__BATCH", BATCH.to_string()),
        ("DOCKET_DAPR__BULK__MAX_MESSAGES", BATCH.to_string()),
        ("DOCKET_DAPR__BULK__MAX_AWAIT_MS", AWAIT_MS.to_string()),
        ("DOCKET_LOG", "warn".to_owned()),
        ("DOCKET_LIMITS__MAX_CONCURRENT_CALLS", "0".to_owned()),
        ("DOCKET_LIMITS__MAX_CONCURRENT_CALLS_PER_USER", "0".to_owned()),
        ("DOCKET_AUTH__SECRET", "the secret of servers that live as long as one measurement".to_owned()),
    ]
}
