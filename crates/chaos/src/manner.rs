//! How a client goes on that has no clear answer.

use std::sync::Arc;
use std::time::Duration;

use docket_testkit::history::Outcome;
use tonic::Status;

use crate::tally::Tally;

/// How long a client waits before it tries again: twice as long every further time, up to a limit.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How a client goes on that has no clear answer.
#[derive(Clone)]
pub(crate) enum Manner {
    /// What changes something is tried as often as it is wished, at another replica each time; what only reads is not.
    AsWished,
    /// Everything is tried as the documentation tells clients to, and in no other way. What it took is counted.
    AsDocumented(Arc<Tally>),
}

impl Manner {
    /// Asks for what changes nothing. `once` asks, and is told how often that was done before.
    pub(crate) async fn read<A>(&self, once: impl AsyncFn(usize) -> Result<A, Status>) -> Option<A> {
        match self {
            Self::AsWished => once(0).await.ok(),
            Self::AsDocumented(tally) => tally.insist(once).await,
        }
    }

    /// Asks for a change.
    pub(crate) async fn change<A>(
        &self,
        retries: usize,
        once: impl AsyncFn(usize) -> Result<A, Status>,
    ) -> Option<A> {
        let Self::AsWished = self else { return self.read(once).await };
        let mut pauses = Pauses::default();
        for attempt in 0..=retries {
            match once(attempt).await {
                Ok(answer) => return Some(answer),
                Err(status) if matches!(Outcome::of(&status), Outcome::Fail(_)) => return None,
                Err(_unclear) => {}
            }
            tokio::time::sleep(pauses.next()).await;
        }
        None
    }
}

/// The pauses between attempts.
pub(crate) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSE)
    }
}

impl Pauses {
    /// The next one.
    pub(crate) fn next(&mut self) -> Duration {
        let pause = self.0;
        self.0 = LONGEST_PAUSE.min(2 * pause);
        pause
    }
}
