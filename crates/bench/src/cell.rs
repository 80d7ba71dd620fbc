//! One measurement: a method, one of the two sides, so many in flight, for some seconds.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::load::{Caller, Load};
use crate::method::Method;
use crate::pgbench::{Pgbench, Run};
use crate::record::Statement;
use crate::report::MOST_CLIENTS;
use crate::script::{Script, script};
use crate::usage;
use crate::world::World;

/// How far the time of pgbench and that of the processes' counters may be apart, as a part of the cell.
const APART: f64 = 0.1;

/// Seconds that pgbench may run on. Its time begins before its clients have logged in, which is slow when there are many.
const fn slack(clients: usize) -> u64 {
    2 + clients as u64 / 32
}

/// Who is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// Docket, by calls over gRPC.
    Docket,
    /// pgbench.
    Reference,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) method: Method,
    pub(crate) side: Side,
    pub(crate) in_flight: usize,
}

/// What came out, each per call unless it says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Calls, or transactions, per second.
    pub(crate) per_second: f64,
    /// Median latency in milliseconds; the mean for pgbench.
    pub(crate) p50: f64,
    /// 99th percentile in milliseconds; unknown for pgbench.
    pub(crate) p99: f64,
    /// Statements, each of which is a round trip.
    pub(crate) statements: f64,
    /// Bytes of the write-ahead log.
    pub(crate) wal: f64,
    /// CPU microseconds of Docket.
    pub(crate) docket: f64,
    /// CPU microseconds of all processes of PostgreSQL.
    pub(crate) postgres: f64,
    /// CPU microseconds of the load generator, or of pgbench.
    pub(crate) client: f64,
    /// Whether others were using the machine.
    pub(crate) noisy: bool,
}

/// How long a cell takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long the machine may keep it waiting.
    pub(crate) patience: Duration,
    /// Seconds before anything is counted.
    pub(crate) warm: u64,
    /// Seconds that count.
    pub(crate) seconds: u64,
}

/// Everything that the cells share.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) caller: Caller,
    pub(crate) scripts: Vec<(Method, Script)>,
    pub(crate) pgbench: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) epoch: i64,
    pub(crate) times: Times,
    runs: u64,
}

/// All counters. Each group has the time at which it was read: on a machine that is full, reading all of them can take as
/// long as a part of the cell, so only what happened per second can be compared.
struct Moment {
    /// By the clock of PostgreSQL.
    counted: f64,
    statements: f64,
    wal: f64,
    /// By the clock of this process.
    spent: Instant,
    docket: f64,
    postgres: f64,
    client: f64,
    busy: f64,
    all: f64,
}

impl Bench {
    pub(crate) fn new(
        world: World,
        recorded: &[(Method, Vec<Statement>)],
        pgbench: PathBuf,
        epoch: i64,
        times: Times,
    ) -> Result<Self> {
        let scripts =
            recorded.iter().map(|(method, statements)| Ok((*method, script(*method, statements, epoch)?)));
        let caller = Caller::new(world.channels())?;
        Ok(Self {
            scripts: scripts.collect::<Result<_>>()?,
            caller,
            world,
            pgbench,
            folder: tempfile::tempdir()?,
            epoch,
            times,
            runs: 0,
        })
    }

    /// Measures a cell.
    pub(crate) async fn measure(&mut self, cell: Cell) -> Result<Figures> {
        let data = cell.method.data(self.times.warm + self.times.seconds + slack(MOST_CLIENTS));
        self.world.reset(data).await?;
        let quiet = usage::quiet(self.times.patience).await?;
        self.runs += 1;
        let (figures, calls) = match cell.side {
            Side::Docket => self.docket(cell, data.tasks()).await?,
            Side::Reference => self.reference(cell, data.tasks()).await?,
        };
        if cell.method.writes() {
            let events = self.world.count("tasks.outbox").await?;
            ensure!(events == calls, "{calls} calls have left {events} events");
        }
        if cell.method == Method::Complete {
            let completed = self.world.count("tasks.tasks WHERE state <> 'OPEN'").await?;
            ensure!(completed == calls, "{calls} calls have completed {completed} tasks");
        }
        Ok(Figures { noisy: figures.noisy || !quiet, ..figures })
    }

    async fn docket(&self, cell: Cell, tasks: u64) -> Result<(Figures, u64)> {
        let load = Load::start(&self.caller, cell.method, tasks, cell.in_flight);
        tokio::time::sleep(Duration::from_secs(self.times.warm)).await;
        let own = std::process::id();
        load.count(true);
        let before = self.moment(own).await?;
        let (start, done) = (Instant::now(), load.done());
        tokio::time::sleep(Duration::from_secs(self.times.seconds)).await;
        let (seconds, done) = (start.elapsed().as_secs_f64(), load.done() - done);
        let after = self.moment(own).await?;
        load.count(false);
        let (all, latencies) = load.stop().await?;
        let millis = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
        let figures = figures(&before, &after, done as f64 / seconds, (millis(0.5), millis(0.99)));
        Ok((figures, all))
    }

    async fn reference(&self, cell: Cell, tasks: u64) -> Result<(Figures, u64)> {
        let (_, script) =
            self.scripts.iter().find(|(method, _)| *method == cell.method).context("no script")?;
        let run = Run {
            tasks,
            clients: cell.in_flight,
            seconds: self.times.warm + self.times.seconds + slack(cell.in_flight),
            number: self.runs,
            epoch: self.epoch,
        };
        let file = self.folder.path().join("script.sql");
        let mut pgbench = Pgbench::start(&self.pgbench, &self.world, script, &file, run)?;
        // Its clock begins before its clients have logged in, and that is no warming up.
        let mut working = None;
        let start = loop {
            let progress = pgbench.progress().await?;
            if progress.tps > 0.0 {
                let since = *working.get_or_insert(progress.time);
                if progress.time - since >= self.times.warm as f64 - 0.5 {
                    break progress.time;
                }
            }
        };
        let before = self.moment(pgbench.id()?).await?;
        let (mut done, mut waited, mut time) = (0.0, 0.0, start);
        while time - start < self.times.seconds as f64 - 0.5 {
            let progress = pgbench.progress().await?;
            let transactions = progress.tps * (progress.time - time);
            done += transactions;
            waited += transactions * progress.latency;
            time = progress.time;
        }
        let after = self.moment(pgbench.id()?).await?;
        // What it said late is of another time than what was read of the processes then.
        let read = (after.spent - before.spent).as_secs_f64();
        ensure!(done > 0.0, "pgbench has done nothing while it was measured");
        let apart = (read / (time - start) - 1.0).abs() > APART;
        // By its own clock, so that it is right however late it was heard of.
        let figures = figures(&before, &after, done / (time - start), (waited / done, f64::NAN));
        // Known from the script: PostgreSQL counts a prepared BEGIN or COMMIT only the first time.
        let figures =
            Figures { statements: script.statements as f64, noisy: figures.noisy || apart, ..figures };
        Ok((figures, pgbench.end().await?))
    }

    async fn moment(&self, client: u32) -> Result<Moment> {
        let (counted, statements, wal) = self.world.counters().await?;
        let machine = usage::of_machine()?;
        Ok(Moment {
            counted,
            statements,
            wal,
            spent: Instant::now(),
            docket: self.world.docket_cpu()?,
            postgres: self.world.postgres_cpu()?,
            client: usage::of_process(client)?,
            busy: machine.busy,
            all: machine.busy + machine.idle,
        })
    }
}

fn figures(before: &Moment, after: &Moment, per_second: f64, (p50, p99): (f64, f64)) -> Figures {
    let counted = (after.counted - before.counted) * per_second;
    let spent = (after.spent - before.spent).as_secs_f64() * per_second;
    let cpu = |from: f64, to: f64| (to - from) * 1e6 / spent;
    let ours =
        (after.docket - before.docket) + (after.postgres - before.postgres) + (after.client - before.client);
    let others = (after.busy - before.busy - ours) / (after.all - before.all);
    Figures {
        per_second,
        p50,
        p99,
        statements: (after.statements - before.statements) / counted,
        wal: (after.wal - before.wal) / counted,
        docket: cpu(before.docket, after.docket),
        postgres: cpu(before.postgres, after.postgres),
        client: cpu(before.client, after.client),
        noisy: others > usage::OTHERS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_reading_changes_no_figure() {
        let start = Instant::now();
        // A process that takes half a core, two statements a millisecond, read so many seconds after the start.
        let at = |counted: f64, spent: f64| Moment {
            counted,
            statements: counted * 2_000.0,
            wal: counted * 300_000.0,
            spent: start + Duration::from_secs_f64(spent),
            docket: 0.0,
            postgres: spent * 0.5,
            client: 0.0,
            busy: spent * 0.5,
            all: spent * 2.0,
        };
        for (before, after) in
            [(at(1.0, 1.0), at(2.0, 2.0)), (at(1.0, 1.9), at(2.0, 2.1)), (at(1.5, 1.6), at(2.9, 3.5))]
        {
            let got = figures(&before, &after, 1_000.0, (1.0, 1.0));
            for (got, expect) in [(got.statements, 2.0), (got.wal, 300.0), (got.postgres, 500.0)] {
                assert!((got - expect).abs() < 1e-6, "{got} is not {expect}");
            }
            assert!(!got.noisy);
        }
    }
}
