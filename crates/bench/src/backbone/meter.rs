//! What a cell costs while it runs: CPU of each party, and statements.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::shape::Shape;
use crate::usage;

/// How often progress is asked for.
const EVERY: Duration = Duration::from_millis(100);

/// How long nothing may happen: a consumer that joins its group takes seconds.
const STALLED: Duration = Duration::from_secs(60);

/// More of the machine than this used by others makes a cell noisy. The kernel's own work counts as others'.
const OTHERS: f64 = 0.15;

/// What each event took; CPU in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Of Docket, or of the echo and its publisher.
    pub(crate) app: f64,
    /// Of all sidecars.
    pub(crate) daprd: f64,
    /// Of the broker.
    pub(crate) kafka: f64,
    /// Of all processes of PostgreSQL.
    pub(crate) postgres: f64,
    /// Statements, each of which is a round trip.
    pub(crate) statements: f64,
    /// Whether others were using the machine.
    pub(crate) noisy: bool,
}

impl Cost {
    /// CPU of all together.
    pub(crate) fn sum(&self) -> f64 {
        self.app + self.daprd + self.kafka + self.postgres
    }
}

/// Whose CPU counts, beside the broker's and PostgreSQL's.
pub(crate) struct Meter<'a> {
    pub(crate) shape: &'a Shape,
    /// Docket's processes, or this one.
    pub(crate) apps: Vec<u32>,
    pub(crate) sidecars: Vec<u32>,
}

struct Moment {
    events: u64,
    statements: f64,
    app: f64,
    daprd: f64,
    kafka: f64,
    postgres: f64,
    busy: f64,
    all: f64,
}

impl Meter<'_> {
    /// Follows the progress until all events are done; counts from the moment at which the first ones are seen.
    pub(crate) async fn follow(
        &self,
        events: u64,
        mut progress: impl AsyncFnMut() -> Result<u64>,
    ) -> Result<Cost> {
        let mut before = None;
        let (mut seen, mut moved) = (0, Instant::now());
        loop {
            let done = progress().await?;
            if done > seen {
                (seen, moved) = (done, Instant::now());
            }
            if done > 0 && before.is_none() {
                before = Some(self.moment(done).await?);
            }
            if done >= events {
                break;
            }
            if moved.elapsed() > STALLED {
                bail!("{done} of {events} events after {STALLED:?} without progress");
            }
            tokio::time::sleep(EVERY).await;
        }
        let after = self.moment(events).await?;
        Ok(match before {
            Some(before) if before.events < events => cost(&before, &after),
            _ => bail!("it was over before it could be measured: more events are needed"),
        })
    }

    async fn moment(&self, events: u64) -> Result<Moment> {
        let sql = "SELECT coalesce(sum(calls), 0)::float8 FROM pg_stat_statements
            JOIN pg_roles ON pg_roles.oid = userid WHERE rolname LIKE 'docket\\_%' AND NOT rolcanlogin";
        let statements = self.shape.counters.query_one(sql, &[]).await?.get(0);
        let sum = |ids: &[u32]| ids.iter().map(|id| usage::of_process(*id)).sum::<Result<f64>>();
        let machine = usage::of_machine()?;
        Ok(Moment {
            events,
            statements,
            app: sum(&self.apps)?,
            daprd: sum(&self.sidecars)?,
            kafka: self.shape.kafka_cpu()?,
            postgres: self.shape.postgres_cpu()?,
            busy: machine.busy,
            all: machine.busy + machine.idle,
        })
    }
}

fn cost(before: &Moment, after: &Moment) -> Cost {
    let events = (after.events - before.events) as f64;
    let cpu = |of: fn(&Moment) -> f64| (of(after) - of(before)) * 1e6 / events;
    let mut cost = Cost {
        app: cpu(|moment| moment.app),
        daprd: cpu(|moment| moment.daprd),
        kafka: cpu(|moment| moment.kafka),
        postgres: cpu(|moment| moment.postgres),
        statements: (after.statements - before.statements) / events,
        noisy: false,
    };
    let others = (after.busy - before.busy) - cost.sum() * events / 1e6;
    cost.noisy = others / (after.all - before.all) > OTHERS;
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(events: u64, each: f64, busy: f64, all: f64) -> Moment {
        let used = events as f64 * each;
        Moment { events, statements: used, app: used, daprd: used, kafka: used, postgres: used, busy, all }
    }

    #[test]
    fn costs_are_of_the_events_between_and_others_are_seen() {
        // Four parties of 10 us each: 40 ms for 1,000 events, on a machine that spends 50 ms in 100.
        let quiet = cost(&moment(500, 1e-5, 7.0, 9.0), &moment(1_500, 1e-5, 7.05, 9.1));
        assert!((quiet.app - 10.0).abs() < 1e-6 && (quiet.sum() - 40.0).abs() < 1e-6);
        assert!((quiet.statements - 1e-5).abs() < 1e-12 && !quiet.noisy);
        assert!(cost(&moment(500, 1e-5, 7.0, 9.0), &moment(1_500, 1e-5, 7.06, 9.1)).noisy);
    }
}
