//! The other side: jobs that are all due in one second, and an app that does nothing when they are triggered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dapr::dapr::proto::common::v1 as common;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_testkit::{Daprd, Scheduler};
use pb::dapr_client::DaprClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::ground::Ground;
use super::lateness::{Lateness, now, until};
use super::meter::{Meter, Parties, Used};
use crate::backbone::echo::Echo;

/// How many calls that schedule are under way.
pub(crate) const CALLS: u64 = 50;

/// As much as comes with a job of Docket's.
const DATA: &[u8] = br#"{"task_id":"0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f","number":1,"generation":1}"#;

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Jobs scheduled in a second.
    pub(crate) scheduled: f64,
    /// Jobs triggered in a second, from their moment on.
    pub(crate) triggered: f64,
    pub(crate) lateness: Lateness,
    /// For each job.
    pub(crate) used: Used,
}

/// Schedules so many, due in `lead`, and waits until all were triggered.
pub(crate) async fn measure(ground: &Ground, count: u64, lead: Duration) -> Result<Figures> {
    let scheduler = Scheduler::builder().start().await;
    let echo = Echo::start(None).await?;
    let daprd = Daprd::builder("bare").scheduler(scheduler.port()).app(echo.port(), "").start().await;
    let due = (now() + lead.as_secs_f64()).ceil();
    let begun = Instant::now();
    schedule(daprd.channel(), count, due).await?;
    let scheduled = count as f64 / begun.elapsed().as_secs_f64();
    ensure!(now() < due, "the jobs were due before all were scheduled, at {scheduled:.0}/s: more --lead");
    ensure!(echo.tally().total() == 0, "jobs were triggered before they were due");

    until(due - 0.5).await;
    let parties = Parties {
        app: std::process::id(),
        daprd: daprd.id().context("the sidecar has ended")?,
        scheduler: scheduler.id().context("the scheduler has ended")?,
    };
    let meter = Meter::start(ground, parties).await?;
    super::follow(count, async || Ok(echo.tally().total())).await?;
    let used = meter.used().await?.each(count);
    let span = echo.tally().span()?;
    ensure!(span.events == count, "{} triggers of {count} jobs", span.events);
    let late: Vec<f64> = echo.tally().steps().iter().map(|(at, _)| (at - due) * 1e3).collect();
    let lateness = Lateness::of(late)?;
    Ok(Figures { scheduled, triggered: lateness.rate(count), lateness, used })
}

async fn schedule(sidecar: Channel, count: u64, due: f64) -> Result<()> {
    let (next, mut calls) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..CALLS {
        let (mut client, next) = (DaprClient::new(sidecar.clone()), next.clone());
        calls.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<_, anyhow::Error>(());
                }
                let request = pb::ScheduleJobRequest { job: Some(job(number, due)), overwrite: true };
                client.schedule_job(request).await?;
            }
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.context("a call panicked")??;
    }
    Ok(())
}

/// As Docket's.
fn job(number: u64, due: f64) -> pb::Job {
    let seconds = |seconds: i64| prost_types::Duration { seconds, nanos: 0 };
    let constant = common::JobFailurePolicyConstant { interval: Some(seconds(10)), max_retries: None };
    pb::Job {
        name: format!("job-{number:08}-0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f"),
        due_time: Some(prost_types::Timestamp { seconds: due as i64, nanos: 0 }.to_string()),
        data: Some(prost_types::Any { type_url: String::new(), value: DATA.to_vec() }),
        failure_policy: Some(common::JobFailurePolicy {
            policy: Some(common::job_failure_policy::Policy::Constant(constant)),
        }),
        ..pb::Job::default()
    }
}
