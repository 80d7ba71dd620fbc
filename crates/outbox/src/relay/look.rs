//! Looks now and then how much waits, for the figures: none of the statements that carry events know it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Relay;

/// The pause between two looks.
const EVERY: Duration = Duration::from_secs(15);

/// The pause after which one look is followed by another, when what it saw has left meanwhile: otherwise it would seem to wait.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a look may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many events are counted. Whoever has more waiting has no use for the number, and the database has other things to do.
const MOST: u64 = 100_000;

/// When to look.
#[derive(Debug, Default)]
pub(super) struct Looks {
    last: Option<Instant>,
    /// Whether something waited then.
    saw: bool,
    /// Whether something happened since.
    stale: bool,
}

impl Looks {
    fn is_due(&mut self, is_empty: bool, now: Instant) -> bool {
        self.stale |= !is_empty;
        let Some(last) = self.last else { return true };
        let seems_to_wait = is_empty && self.stale && self.saw;
        now >= last + if seems_to_wait { AGAIN } else { EVERY }
    }
}

impl Relay {
    /// Looks how much waits, if it is time to; `is_empty` when the round has found nothing. Who has no part of the outbox looks
    /// at all of it: nobody may have any.
    pub(super) async fn look(&mut self, is_empty: bool, stop: &CancellationToken) {
        let now = Instant::now();
        if !self.looks.is_due(is_empty, now) {
            return;
        }
        self.looks = Looks { last: Some(now), saw: self.looks.saw, stale: false };
        let look = async {
            match self.membership.part() {
                Ok(part) => self.store.outbox_backlog_of(part, MOST - 1).await,
                Err(_) => self.store.outbox_backlog(MOST - 1).await,
            }
        };
        // It must not cost the lease: what waits is carried by who counts it.
        let look = tokio::time::timeout(PATIENCE, look);
        match stop.run_until_cancelled(look).await {
            Some(Ok(Ok(backlog))) => {
                self.looks.saw = backlog.events > 0;
                self.metrics.waits(backlog);
            }
            // What was seen before may still be there, and the relay itself says what is wrong with the database.
            Some(Ok(Err(error))) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "nobody knows what waits");
            }
            Some(Err(_elapsed)) => tracing::debug!("it takes too long to count what waits"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_followed_by_another_sooner_when_what_it_saw_has_left() {
        let now = Instant::now();
        let looked = |saw, stale| Looks { last: Some(now), saw, stale };
        assert!(Looks::default().is_due(true, now));
        let check = |mut looks: Looks, is_empty, pause: Duration| {
            assert!(!looks.is_due(is_empty, now + pause - Duration::from_millis(1)), "{looks:?} {is_empty}");
            assert!(looks.is_due(is_empty, now + pause), "{looks:?} {is_empty}");
        };
        check(looked(false, false), true, EVERY);
        check(looked(false, true), true, EVERY);
        check(looked(true, true), false, EVERY);
        check(looked(true, true), true, AGAIN);
        // Nothing has happened: it is still there, and the relay does not carry it.
        check(looked(true, false), true, EVERY);
    }
}
