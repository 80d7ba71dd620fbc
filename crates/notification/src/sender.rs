//! Sends what the ledger holds: claims what is due, and gives each channel a lane of its own, so that none waits for another.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::Channel;
use docket_store::notification::Claimed;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::channel::Bindings;
use crate::config::Config;
use crate::desk::by_channel;
use crate::digest::Digests;
use crate::lane::Lane;

/// How often the ledger is looked at while there is something in it to be done.
const POLL: Duration = Duration::from_secs(1);

/// How often it is looked whether there is something when nobody has said so: other processes write into it, too.
const IDLE_POLL: Duration = Duration::from_secs(5);

/// How often it is looked whose summary is due.
const DIGEST_POLL: Duration = Duration::from_secs(5);

/// How long to wait after the database has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How long to wait before a sidecar that does not answer is asked again which bindings it has.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The most rows that are claimed together for a lane.
const MOST_CLAIMED: usize = 500;

/// How many rows are claimed for each one that may be on its way: enough that a lane does not wait for the database, and
/// few enough that a process that is killed leaves little behind that others wait for.
const CLAIMED_FOR_EACH: usize = 8;

/// Sends what the ledger holds.
pub struct Sender {
    pub(crate) lane: Arc<Lane>,
    pub(crate) digests: Digests,
    pub(crate) bindings: Arc<dyn Bindings>,
}

/// The lanes that have work.
#[derive(Default)]
pub(crate) struct Lanes {
    /// By the task that does it, so that a task that panics gives its channel back, too.
    busy: HashMap<Id, Channel>,
    work: JoinSet<()>,
}

impl Sender {
    /// Works until it is told to stop; what is being sent is finished first, and nothing new is begun.
    pub async fn run(self, stop: CancellationToken) {
        let looking = look_for_bindings(self.lane.desk.config.clone(), self.bindings.clone());
        let _looking = AbortOnDropHandle::new(tokio::spawn(looking.in_current_span()));
        let telling = self.lane.clone();
        let telling = async move { telling.news.pass_on(&telling.desk.store).await };
        let _telling = AbortOnDropHandle::new(tokio::spawn(telling.in_current_span()));
        let mut lanes = Lanes::default();
        let mut next_digests = Instant::now();
        let mut failures = 0_u32;
        // Whether everything was done when it was last looked, and nobody has said since then that there is more.
        let mut rests = false;
        while !stop.is_cancelled() {
            let turn = match rests {
                true => self.rest(next_digests).await,
                false => self.round(&mut lanes, &mut next_digests, &stop).await.map(|()| POLL),
            };
            if let Err(error) = &turn {
                report(error, failures);
            }
            failures = if turn.is_ok() { 0 } else { failures.saturating_add(1) };
            let pause = turn.unwrap_or(PAUSE);
            rests = failures == 0 && !pause.is_zero();
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(pause) => {}
                // After a failure the pause is kept.
                () = self.lane.desk.store.deliveries_change(), if failures == 0 => rests = false,
                Some(done) = lanes.work.join_next_with_id(), if failures == 0 => {
                    lanes.free(done);
                    rests = false;
                }
            }
        }
        // The relay has the rest of the drain for what was written down.
        self.lane.desk.store.outbox_appended();
        lanes.finish().await;
    }

    /// How long there is nothing to do, as far as that is known; nothing when there is. One statement, and all that is asked
    /// while nothing is to be sent.
    pub(crate) async fn rest(&self, next_digests: Instant) -> Result<Duration, docket_store::Error> {
        let desk = &self.lane.desk;
        let wake = desk.store.notification_wake().await?;
        let now = desk.clock.now();
        let until = |moment: docket_domain::Instant| (moment - now).to_std().unwrap_or_default();
        let digests = next_digests.saturating_duration_since(Instant::now());
        let delivery = wake.delivery.map(until);
        let digest = wake.digest.map(|digest| until(digest).max(digests));
        Ok([delivery, digest].into_iter().flatten().fold(IDLE_POLL, Duration::min))
    }

    /// Gives work to the lanes that have none.
    pub(crate) async fn round(
        &self,
        lanes: &mut Lanes,
        next_digests: &mut Instant,
        stop: &CancellationToken,
    ) -> Result<(), docket_store::Error> {
        while let Some(done) = lanes.work.try_join_next_with_id() {
            lanes.free(done);
        }
        if Instant::now() >= *next_digests {
            self.begin_digests().await;
            *next_digests = Instant::now() + DIGEST_POLL;
        }
        let desk = &self.lane.desk;
        if desk.hold.holds(desk.clock.now()) {
            return Ok(());
        }
        // Rows of channels that are not offered have to come to their end, too.
        let free: Vec<(Channel, u32)> = Channel::ALL
            .into_iter()
            .filter(|channel| !lanes.busy.values().any(|busy| busy == channel))
            .map(|channel| (channel, self.batch(channel)))
            .collect();
        if free.is_empty() {
            return Ok(());
        }
        let now = desk.clock.now();
        let begin_by = Instant::now() + desk.config.begin_time();
        let claimed = desk.store.deliveries_claim(&free, now, now + desk.config.claim_time()).await?;
        for (channel, rows) in by_channel(claimed) {
            lanes.begin(channel, self.lane.clone(), rows, begin_by, stop.clone());
        }
        Ok(())
    }

    /// What is wrong with summaries keeps nobody's reminders.
    async fn begin_digests(&self) {
        loop {
            match self.digests.begin().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "summaries can not be begun now"
                    );
                    return;
                }
            }
        }
    }

    fn batch(&self, channel: Channel) -> u32 {
        let in_flight =
            self.lane.desk.channels.get(&channel).map_or(MOST_CLAIMED, |channel| channel.in_flight());
        u32::try_from((in_flight * CLAIMED_FOR_EACH).min(MOST_CLAIMED)).unwrap_or(1)
    }
}

impl Lanes {
    fn begin(
        &mut self,
        channel: Channel,
        lane: Arc<Lane>,
        rows: Vec<Claimed>,
        begin_by: Instant,
        stop: CancellationToken,
    ) {
        let work = async move { lane.work(rows, begin_by, &stop).await };
        let task = self.work.spawn(work.in_current_span());
        self.busy.insert(task.id(), channel);
    }

    /// Waits until all lanes have done their work.
    pub(crate) async fn finish(&mut self) {
        while let Some(done) = self.work.join_next_with_id().await {
            self.free(done);
        }
    }

    fn free(&mut self, done: Result<(Id, ()), JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                // Its claims come to their end by themselves.
                tracing::error!(error = &error as &dyn std::error::Error, "a lane has failed");
                error.id()
            }
        };
        self.busy.remove(&id);
    }
}

/// Logs at the start what the sidecar lacks.
async fn look_for_bindings(config: Config, bindings: Arc<dyn Bindings>) {
    let wanted = config.bindings();
    if wanted.is_empty() {
        return;
    }
    let loaded = loop {
        match bindings.components().await {
            Ok(loaded) => break loaded,
            Err(_) => sleep(ASK_AGAIN).await,
        }
    };
    for (channel, binding) in wanted {
        if !loaded.iter().any(|one| one == binding) {
            tracing::error!(
                channel,
                binding,
                "the sidecar has no output binding {binding:?}: messages by {channel} wait until it has"
            );
        }
    }
}

/// Logs a failure once, not at every attempt.
fn report(error: &docket_store::Error, failures: u32) {
    if failures == 0 {
        tracing::warn!(
            error = error as &dyn std::error::Error,
            "the ledger can not be read; messages wait in it"
        );
    }
}
