//! The loop: has alarms set for what is near, fires what no alarm was heard of, and tells again of what has no end.

use std::sync::Arc;
use std::time::Duration;

use docket_domain::{Instant, TimeDelta};
use docket_store::reminders::{Alarm, Due};
use docket_store::{Error, Store};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::arming::Arming;
use crate::metrics::MOST;
use crate::shots::{BATCH, Shots};
use crate::trace::Way;
use crate::{Config, seconds};

/// How long is waited after a change before it is looked at: what happens meanwhile is taken together.
const GATHER: Duration = Duration::from_millis(50);

/// How often reminders are counted.
const COUNT: Duration = Duration::from_secs(15);

/// How long that may take.
const COUNT_TIME: Duration = Duration::from_secs(1);

/// Watches over all reminders.
pub struct Alarms {
    pub(crate) watch: Watch,
    pub(crate) arming: Arming,
}

impl Alarms {
    pub(crate) fn new(config: &Config, store: Store, shots: Arc<Shots>, arming: Arming) -> Self {
        let watch = Watch {
            store,
            shots,
            poll: Duration::from_millis(config.poll_ms.into()),
            horizon: seconds(config.horizon_seconds),
            grace: seconds(config.grace_seconds),
            republish: seconds(config.republish_seconds),
        };
        Self { watch, arming }
    }

    /// Works until it is told to stop. What it leaves undone is found by whoever works next.
    pub async fn run(self, stop: CancellationToken) {
        let (alarms, given) = mpsc::channel(1);
        let (ready, is_ready) = watch::channel(false);
        // Apart from each other: while the scheduler is away, nothing waits for it but alarms.
        let both = async { tokio::join!(self.watch.run(alarms, is_ready), self.arming.run(given, ready)) };
        tokio::select! {
            () = stop.cancelled() => {}
            _ = both => {}
        }
    }
}

/// Looks into the database, again and again.
pub(crate) struct Watch {
    store: Store,
    pub(crate) shots: Arc<Shots>,
    poll: Duration,
    horizon: Duration,
    grace: Duration,
    republish: Duration,
}

impl Watch {
    async fn run(&self, alarms: mpsc::Sender<Vec<Alarm>>, ready: watch::Receiver<bool>) {
        let mut next_count = time::Instant::now();
        loop {
            if time::Instant::now() >= next_count {
                self.count().await;
                next_count = time::Instant::now() + COUNT;
            }
            let is_ready = *ready.borrow();
            if self.turn(&alarms, is_ready).await {
                continue;
            }
            tokio::select! {
                () = self.store.reminders_change() => sleep(GATHER).await,
                () = sleep(self.poll) => {}
            }
        }
    }

    /// Tells in figures how many there are. One statement.
    pub(crate) async fn count(&self) {
        let now = self.shots.now();
        // Nobody is reminded late because somebody counts.
        match timeout(COUNT_TIME, self.store.reminders_figures(now, MOST)).await {
            Ok(Ok(figures)) => self.shots.metrics.counted(&figures),
            Err(_elapsed) => tracing::debug!("it takes too long to count reminders"),
            // The turn that comes next tells of a database that is away.
            Ok(Err(error)) => {
                tracing::debug!(error = docket_sidecar::causes(&error), "reminders can not be counted");
            }
        }
    }

    /// Does what is to be done, and hands on what has no alarm. Answers whether there is more to do at once.
    pub(crate) async fn turn(&self, alarms: &mpsc::Sender<Vec<Alarm>>, is_ready: bool) -> bool {
        // What is found without an alarm is nobody else's for a while, so it is looked for only when it can be taken.
        let place = alarms.try_reserve().ok().filter(|_| is_ready);
        match self.look(place.is_some()).await {
            Ok(Seen { unarmed, more }) => {
                if let Some(place) = place
                    && !unarmed.is_empty()
                {
                    place.send(unarmed);
                }
                more
            }
            Err(error) => {
                tracing::warn!(error = docket_sidecar::causes(&error), "reminders can not be looked at");
                false
            }
        }
    }

    /// Does what is to be done, [`BATCH`] rows of each kind at most; one statement when there is nothing. Answers what has no
    /// alarm, when that is asked for.
    pub(crate) async fn look(&self, unarmed: bool) -> Result<Seen, Error> {
        let now = self.shots.now();
        let overdue = before(now, self.grace);
        let horizon = match unarmed {
            true => after(now, self.horizon),
            false => Instant::UNIX_EPOCH,
        };
        let again = before(now, self.republish);
        let tick = self.store.reminders_tick(now, overdue, horizon, again, BATCH.into()).await?;
        let mut unarmed = tick.unarmed;
        let fired = match tick.overdue {
            true => {
                unarmed.retain(|alarm| alarm.remind_at >= overdue);
                self.shots.fire(&Due::Until(overdue), Way::Sweep).await?.found
            }
            false => 0,
        };
        let told = match tick.unclosed {
            true => self.shots.tell_again(again).await?,
            false => 0,
        };
        Ok(Seen { more: fired.max(told) >= BATCH.into(), unarmed })
    }
}

/// What a look has found.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What has no alarm.
    pub(crate) unarmed: Vec<Alarm>,
    /// Whether there is more to do at once.
    pub(crate) more: bool,
}

fn before(now: Instant, length: Duration) -> Instant {
    TimeDelta::from_std(length).ok().and_then(|length| now.checked_sub_signed(length)).unwrap_or(now)
}

fn after(now: Instant, length: Duration) -> Instant {
    TimeDelta::from_std(length).ok().and_then(|length| now.checked_add_signed(length)).unwrap_or(now)
}
