//! How the callbacks end: first nothing new begins, then what is under way ends, then the sidecar is told.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Leads the callbacks to their end, step by step. Cheap to clone; all clones are the same one.
///
/// The health check is last: a sidecar that was told to end too goes on taking what the app publishes until the app says
/// that it is not well (`dapr-block-shutdown-duration`).
#[derive(Clone, Debug, Default)]
pub struct Drain {
    paused: CancellationToken,
    ended: CancellationToken,
    under_way: TaskTracker,
}

impl Drain {
    /// Callbacks are answered.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on events come again later, and bindings and jobs are told so.
    pub fn pause(&self) {
        self.paused.cancel();
        self.under_way.close();
    }

    /// Waits until what began before the pause has ended.
    pub async fn idle(&self) {
        self.under_way.wait().await;
    }

    /// From now on the health check fails.
    pub fn fail_health(&self) {
        self.ended.cancel();
    }

    /// Counts a call as under way; none when nothing may begin any more.
    pub(crate) fn begin(&self) -> Option<TaskTrackerToken> {
        // Counted before it is looked whether it may be: so a call is waited for, or sees the pause.
        let under_way = self.under_way.token();
        (!self.paused.is_cancelled()).then_some(under_way)
    }

    pub(crate) fn is_healthy(&self) -> bool {
        !self.ended.is_cancelled()
    }
}
