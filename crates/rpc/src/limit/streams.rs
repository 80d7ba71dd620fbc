//! How many streams are open that nobody had to prove anything for, and that end only with their client.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The open streams of a port, or of a connection. Clones count together.
#[derive(Clone)]
pub(crate) struct OpenStreams {
    limit: &'static str,
    most: usize,
    free: Arc<Semaphore>,
}

impl OpenStreams {
    pub(crate) fn new(limit: &'static str, most: Option<usize>) -> Self {
        let most = most.unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { limit, most, free: Arc::new(Semaphore::new(most)) }
    }

    /// The name of the limit.
    pub(crate) fn limit(&self) -> &'static str {
        self.limit
    }

    /// How many may be open.
    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// One more, if there may be.
    pub(crate) fn open(&self) -> Option<OpenStream> {
        self.free.clone().try_acquire_owned().ok().map(|permit| OpenStream { _permit: permit })
    }
}

/// An open stream; closed when dropped.
pub(crate) struct OpenStream {
    _permit: OwnedSemaphorePermit,
}
