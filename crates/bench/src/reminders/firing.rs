//! Docket's side: tasks with reminders that are all due in one second, until each has been given to its channel.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use docket_proto::v1;
use docket_testkit::{User, once};
use pbjson_types::Timestamp;

use super::ground::{Ground, Running};
use super::lateness::{Lateness, now, until};
use super::meter::{Meter, Used};
use crate::backbone::span::Span;

/// Whose tasks they are.
pub(crate) const USERS: usize = 200;

/// How many calls are under way that make them: more would only wait for each other.
const CALLS: usize = 32;

/// How long before the task is due its reminder is: no matter.
const OFFSET: i64 = 3_600;

/// When each was fired, in seconds, and how late that was, in milliseconds.
const FIRED: &str =
    "SELECT fire_time / 1e6::float8, (fire_time - remind_time) / 1e3::float8 FROM reminders.reminders";

/// How late each was sent, in milliseconds.
const SENT: &str = "SELECT (finish_time - remind_time) / 1e3::float8 FROM notification.deliveries";

/// How the scheduler is asked to ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Alarms {
    /// Once for all reminders of the second: what Docket does.
    OfSecond,
    /// Once for each reminder: what it would do if they were of seconds of their own.
    OfEach,
}

impl Alarms {
    pub(crate) const ALL: [Self; 2] = [Self::OfSecond, Self::OfEach];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OfSecond => "Docket, one job for the second",
            Self::OfEach => "Docket, one job for each",
        }
    }

    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OfSecond => &[],
            Self::OfEach => &[("DOCKET_REMINDERS__BUCKET_FROM", "501")],
        }
    }
}

/// What came out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// How long after the last task was created the last alarm was set, in seconds.
    pub(crate) armed: f64,
    /// Reminders of a transaction that fires.
    pub(crate) batch: f64,
    /// How late they were fired.
    pub(crate) fired: Lateness,
    /// How late they were given to their channel, by the ledger.
    pub(crate) sent: Lateness,
    /// For each reminder, from its moment until its firing is closed.
    pub(crate) used: Used,
}

/// Makes so many, due in `lead`, and waits until all have been sent.
pub(crate) async fn measure(
    ground: &Ground,
    alarms: Alarms,
    count: u64,
    lead: Duration,
    statements: bool,
) -> Result<Figures> {
    let mut running = ground.docket(alarms.settings()).await;
    let figures = give(ground, &mut running, count, lead, statements).await;
    if figures.is_err() {
        running.show_complaints();
    }
    let figures = figures?;
    running.stop().await?;
    Ok(figures)
}

async fn give(
    ground: &Ground,
    running: &mut Running,
    count: u64,
    lead: Duration,
    statements: bool,
) -> Result<Figures> {
    let due = (now() + lead.as_secs_f64()).ceil();
    create(running.users(USERS)?, count, due as i64).await?;
    let armed = arm(running, count, due).await?;
    running.tidy().await?;
    ensure!(now() < due - 1.0, "the reminders were due before everything was ready: more --lead");

    until(due - 0.5).await;
    let meter = Meter::start(ground, running.parties()?).await?;
    super::follow(count, async || running.count("notification.deliveries WHERE state = 'SENT'").await)
        .await?;
    super::follow(count, async || running.count("reminders.reminders WHERE state = 'SENT'").await).await?;
    let used = meter.used().await?.each(count);
    if statements {
        super::show(&meter.statements().await?);
    }
    figures(running, count, armed, used).await
}

async fn create(users: Vec<User>, count: u64, seconds: i64) -> Result<()> {
    let of_each = count / users.len() as u64;
    let mut work = tokio::task::JoinSet::new();
    for users in users.chunks(USERS.div_ceil(CALLS)).map(<[User]>::to_vec) {
        work.spawn(async move {
            for user in users {
                for number in 0..of_each {
                    user.create(task(number, seconds)).await;
                }
            }
        });
    }
    while let Some(ended) = work.join_next().await {
        ended.context("a user panicked")?;
    }
    Ok(())
}

/// A task whose reminder is at this second of Unix time.
pub(crate) fn task(number: u64, seconds: i64) -> v1::Task {
    let mut task = once(&format!("Ask the neighbours for the long ladder, {number}"));
    task.due = Some(v1::task::Due::DueTime(Timestamp { seconds: seconds + OFFSET, nanos: 0 }));
    task.time_zone = "Europe/Berlin".to_owned();
    let offset = pbjson_types::Duration { seconds: OFFSET, nanos: 0 };
    let moment = Some(v1::reminder::Moment::Offset(offset));
    task.reminders = vec![v1::Reminder { moment, ..v1::Reminder::default() }];
    task
}

/// Waits until all have their alarms; answers how long that took in seconds.
async fn arm(running: &Running, count: u64, due: f64) -> Result<f64> {
    let begun = Instant::now();
    loop {
        let armed = running.count("reminders.reminders WHERE armed_by IS NOT NULL").await?;
        if armed == count {
            return Ok(begun.elapsed().as_secs_f64());
        }
        ensure!(now() < due, "{armed} of {count} reminders had an alarm when they were due: more --lead");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn figures(running: &Running, count: u64, armed: f64, used: Used) -> Result<Figures> {
    let rows = running.database.query(FIRED, &[]).await?;
    let batches = Span::of(&by_moment(rows.iter().map(|row| row.get(0)).collect()))?;
    ensure!(batches.events == count, "{} of {count} reminders were fired", batches.events);
    let fired = Lateness::of(rows.iter().map(|row| row.get(1)).collect())?;
    let rows = running.database.query(SENT, &[]).await?;
    ensure!(rows.len() as u64 == count, "{} deliveries of {count} reminders", rows.len());
    let sent = Lateness::of(rows.iter().map(|row| row.get(0)).collect())?;
    Ok(Figures { armed, batch: batches.batch(), fired, sent, used })
}

/// What was fired in one transaction has one moment.
fn by_moment(mut moments: Vec<f64>) -> Vec<(f64, u64)> {
    moments.sort_by(f64::total_cmp);
    moments.chunk_by(|one, other| one == other).map(|same| (same[0], same.len() as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_what_has_one_moment() {
        assert_eq!(by_moment(vec![3.0, 1.0, 3.0, 2.5]), [(1.0, 1), (2.5, 1), (3.0, 2)]);
        assert_eq!(by_moment(Vec::new()), []);
    }
}
