//! Gathers alarms that ring at the same time, so that they are answered by one transaction.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use docket_domain::{Instant, TaskReminder};
use docket_store::Error;
use docket_store::reminders::{Due, Set};
use docket_telemetry::BACKGROUND;
use futures::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

use crate::shots::{BATCH, Shots};
use crate::trace::Way;

/// What an alarm is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ring {
    /// One reminder, as it was when its alarm was set.
    One(Set),
    /// All whose moment is before that one.
    Until(Instant),
}

/// Why an alarm has to ring again.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// By this clock its moment is still to come.
    #[error("the alarm rang before its time")]
    Early,
    /// The database did not do it.
    #[error("reminders could not be fired")]
    Store(#[source] Arc<Error>),
    /// Nobody knows.
    #[error("firing was interrupted")]
    Interrupted,
}

type Answer = oneshot::Sender<Result<(), Failed>>;

/// Answers alarms. Cheap to clone; all clones share one transaction at a time.
#[derive(Clone)]
pub(crate) struct Firing(mpsc::Sender<(Ring, Answer)>);

impl Firing {
    /// Begins; ends with the last clone.
    pub(crate) fn start(shots: Arc<Shots>) -> Self {
        let (rings, queue) = mpsc::channel(BATCH.into());
        let lines = tracing::info_span!(target: BACKGROUND, parent: None, "background", task = "firing");
        tokio::spawn(work(shots, queue).instrument(lines));
        Self(rings)
    }

    /// Answers when the transaction has been committed.
    pub(crate) async fn ring(&self, ring: Ring) -> Result<(), Failed> {
        let (answer, answered) = oneshot::channel();
        self.0.send((ring, answer)).await.map_err(|_closed| Failed::Interrupted)?;
        answered.await.unwrap_or(Err(Failed::Interrupted))
    }
}

/// Takes what has gathered while the transaction before was under way.
async fn work(shots: Arc<Shots>, mut queue: mpsc::Receiver<(Ring, Answer)>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, BATCH.into()).await > 0 {
        let batch = std::mem::take(&mut batch);
        // After a panic nobody is answered, which is an answer; and the next ones are not to suffer from it.
        if AssertUnwindSafe(answer(&shots, batch)).catch_unwind().await.is_err() {
            tracing::error!("firing reminders panicked");
        }
    }
}

async fn answer(shots: &Shots, batch: Vec<(Ring, Answer)>) {
    let latest = shots.now() + TaskReminder::SKEW;
    // Each once: the row of an alarm that rings twice must not be fired twice.
    let (mut named, mut until) = (BTreeSet::new(), None);
    for (ring, _) in &batch {
        match ring {
            Ring::One(set) => {
                named.insert(*set);
            }
            Ring::Until(moment) if *moment <= latest => until = until.max(Some(*moment)),
            Ring::Until(_) => {}
        }
    }
    let early = match named.is_empty() {
        true => Ok(Vec::new()),
        false => {
            shots.fire(&Due::Named(named.into_iter().collect()), Way::Job).await.map(|fired| fired.early)
        }
    };
    let early = early.map_err(|error| Failed::Store(Arc::new(error)));
    let all = match until {
        None => Ok(()),
        Some(until) => {
            shots.fire_until(until, Way::Job).await.map_err(|error| Failed::Store(Arc::new(error)))
        }
    };
    for (ring, answer) in batch {
        let outcome = match ring {
            Ring::One((task, number, _)) => match &early {
                Ok(early) if early.contains(&(task, number)) => Err(Failed::Early),
                outcome => outcome.clone().map(drop),
            },
            Ring::Until(moment) if moment > latest => Err(Failed::Early),
            Ring::Until(_) => all.clone(),
        };
        // Whoever asked may have given up.
        let _ = answer.send(outcome);
    }
}
