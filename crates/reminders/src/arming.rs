//! Sets alarms at the scheduler, and finds out when that has lost them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use docket_domain::TimeDelta;
use docket_sidecar::{Jitter, Job};
use docket_store::Store;
use docket_store::reminders::{Alarm, Due, Set};
use futures::stream::{self, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::jobs::{Scheduler, end_of, of_second, of_task, payload, second_of, witness};
use crate::shots::Shots;
use crate::trace::Way;
use crate::{Config, Deps, seconds};

/// How many alarms are being set at the same time.
const IN_FLIGHT: usize = 32;

/// When the witness is triggered, if it ever is.
const FAR: TimeDelta = TimeDelta::days(3_650);

/// The first pause after a failure, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Why alarms were not set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the scheduler can not be reached through the sidecar")]
    Sidecar(#[from] docket_sidecar::Error),
    #[error("the store failed")]
    Store(#[from] docket_store::Error),
}

/// Sets alarms.
pub(crate) struct Arming {
    scheduler: Arc<dyn Scheduler>,
    store: Store,
    shots: Arc<Shots>,
    jitter: Jitter,
    retry: Duration,
    bucket_from: usize,
    witness_every: Duration,
    /// Under which name alarms are set.
    app_id: Option<String>,
    /// When to look for the witness.
    witness_at: Instant,
    pause: Duration,
}

impl Arming {
    pub(crate) fn new(
        config: &Config,
        deps: &Deps,
        scheduler: Arc<dyn Scheduler>,
        shots: Arc<Shots>,
    ) -> Self {
        Self {
            scheduler,
            store: deps.store.clone(),
            shots,
            jitter: deps.jitter.clone(),
            retry: seconds(config.job_retry_seconds),
            bucket_from: config.bucket_from.max(2),
            witness_every: seconds(config.witness_seconds),
            app_id: None,
            witness_at: Instant::now(),
            pause: PAUSES.0,
        }
    }

    /// Works for ever. Says in `ready` when it can take alarms; what it is given while it can not is found again.
    pub(crate) async fn run(mut self, mut alarms: mpsc::Receiver<Vec<Alarm>>, ready: watch::Sender<bool>) {
        loop {
            let done = self.turn(&mut alarms, &ready).await;
            ready.send_replace(false);
            match done {
                Ok(()) => self.pause = PAUSES.0,
                Err(error) => self.rest(&error).await,
            }
        }
    }

    async fn turn(
        &mut self,
        alarms: &mut mpsc::Receiver<Vec<Alarm>>,
        ready: &watch::Sender<bool>,
    ) -> Result<(), Failed> {
        let app_id = self.greet().await?;
        ready.send_replace(true);
        // There may be some that nobody could take so far.
        self.store.reminders_changed();
        tokio::select! {
            Some(alarms) = alarms.recv() => self.arm(&app_id, alarms).await,
            () = sleep_until(self.witness_at) => Ok(()),
        }
    }

    async fn rest(&mut self, error: &Failed) {
        let pause = self.pause.mul_f64(1.0 - (self.jitter)().clamp(0.0, 1.0) / 2.0);
        let error = docket_sidecar::causes(error);
        tracing::warn!(error, ?pause, "alarms can not be set; reminders are given without them");
        sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        // It may be another scheduler that comes back.
        self.look_for_witness();
    }

    /// The next time that it is greeted.
    pub(crate) fn look_for_witness(&mut self) {
        self.witness_at = Instant::now();
    }

    /// Finds out who this is, and whether the scheduler still has what it was given. Answers the app id.
    pub(crate) async fn greet(&mut self) -> Result<String, Failed> {
        if let Some(app_id) = &self.app_id
            && Instant::now() < self.witness_at
        {
            return Ok(app_id.clone());
        }
        let app_id = self.scheduler.app_id().await?;
        if self.app_id.as_ref() != Some(&app_id) {
            // The scheduler keeps the jobs of each app apart, so nobody hears those of another one.
            self.store.reminders_disarm(Some(&app_id)).await?;
            self.app_id = Some(app_id.clone());
        }
        let name = witness(&app_id);
        if !self.scheduler.exists(&name).await? {
            // In this order: should this end in between, the witness is missed once more.
            let lost = self.store.reminders_disarm(None).await?;
            if lost > 0 {
                tracing::warn!(count = lost, "the scheduler has lost its jobs; alarms are set anew");
            }
            let due = self.shots.now() + FAR;
            self.scheduler.schedule(&Job { name, due, data: Vec::new(), retry: self.retry }).await?;
        }
        self.witness_at = Instant::now() + self.witness_every;
        Ok(app_id)
    }

    /// Sets these, and notes which have been. What is due already needs no alarm.
    pub(crate) async fn arm(&self, app_id: &str, alarms: Vec<Alarm>) -> Result<(), Failed> {
        let now = self.shots.now();
        let (due, ahead): (Vec<Alarm>, Vec<Alarm>) = alarms.into_iter().partition(|one| one.remind_at <= now);
        if !due.is_empty() {
            self.shots.fire(&Due::Named(due.iter().map(set_of).collect()), Way::Asked).await?;
        }
        let (mut armed, mut failed) = (Vec::with_capacity(ahead.len()), None);
        let jobs: Vec<_> = self.jobs(ahead).into_iter().map(|(job, sets)| self.schedule(job, sets)).collect();
        let mut ends = stream::iter(jobs).buffer_unordered(IN_FLIGHT);
        while let Some(end) = ends.next().await {
            match end {
                Ok(sets) => armed.extend(sets),
                // It is of no use to wait for the others one after the other.
                Err(error @ (docket_sidecar::Error::Unavailable(_) | docket_sidecar::Error::Deadline(_))) => {
                    failed = Some(error);
                    break;
                }
                Err(error) => failed = Some(error),
            }
        }
        drop(ends);
        if !armed.is_empty() {
            self.store.reminders_armed(&armed, app_id).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn schedule(&self, job: Job, sets: Vec<Set>) -> Result<Vec<Set>, docket_sidecar::Error> {
        self.scheduler.schedule(&job).await.map(|()| sets)
    }

    /// The jobs that stand for these: one for each, but one for all of a second that has many.
    fn jobs(&self, alarms: Vec<Alarm>) -> Vec<(Job, Vec<Set>)> {
        let mut seconds: BTreeMap<i64, Vec<Alarm>> = BTreeMap::new();
        for alarm in alarms {
            seconds.entry(second_of(alarm.remind_at)).or_default().push(alarm);
        }
        let mut jobs = Vec::new();
        for (second, alarms) in seconds {
            match end_of(second).filter(|_| alarms.len() >= self.bucket_from) {
                Some(due) => {
                    let job = Job { name: of_second(second), due, data: Vec::new(), retry: self.retry };
                    jobs.push((job, alarms.iter().map(set_of).collect()));
                }
                None => jobs.extend(alarms.iter().filter_map(|alarm| self.job(alarm))),
            }
        }
        jobs
    }

    fn job(&self, alarm: &Alarm) -> Option<(Job, Vec<Set>)> {
        let set = set_of(alarm);
        let data =
            payload(set).inspect_err(|error| tracing::error!(%error, "an alarm can not be written")).ok()?;
        let name = of_task(alarm.task_id, alarm.number);
        Some((Job { name, due: alarm.remind_at, data, retry: self.retry }, vec![set]))
    }
}

fn set_of(alarm: &Alarm) -> Set {
    (alarm.task_id, alarm.number, alarm.generation)
}
