//! What processes and the machine use, as the kernel counts it.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use docket_testkit::postgres::Client;

/// The kernel counts in hundredths of a second on every Linux that there is.
const TICK: f64 = 0.01;

/// More of the machine than this used by others makes a cell noisy.
pub(crate) const OTHERS: f64 = 0.15;

/// How much of the machine must be idle before a cell begins.
const QUIET: f64 = 0.93;

/// CPU seconds of a process that runs, all threads.
pub(crate) fn of_process(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("the process has ended")?;
    Ok(ticks(&stat, 2))
}

/// CPU seconds of a process and all the children that it has or had.
pub(crate) fn of_family(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("the process has ended")?;
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
    let children = children.split_whitespace().filter_map(|child| child.parse().ok());
    // One that ends meanwhile is in its parent's sum the next time.
    Ok(ticks(&stat, 4) + children.filter_map(|child| of_process(child).ok()).sum::<f64>())
}

/// The first process of the PostgreSQL that answers here.
pub(crate) async fn postmaster(postgres: &Client) -> Result<u32> {
    let file: String = postgres.query_one("SELECT pg_read_file('postmaster.pid')", &[]).await?.get(0);
    file.lines().next().and_then(|id| id.parse().ok()).context("PostgreSQL has no id")
}

/// The first fields of user, system, and then the same of children that have ended.
fn ticks(stat: &str, fields: usize) -> f64 {
    // The name before the last bracket may hold anything.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = rest.split_whitespace().skip(11).take(fields);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() * TICK
}

/// CPU seconds of the whole machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// Spent on anything.
    pub(crate) busy: f64,
    /// Not spent.
    pub(crate) idle: f64,
}

/// The part of the machine that others used between two moments, when so many seconds were ours. The kernel's own work
/// counts as others'.
pub(crate) fn others(before: Machine, after: Machine, ours: f64) -> f64 {
    let busy = after.busy - before.busy;
    (busy - ours) / (busy + after.idle - before.idle)
}

/// What the machine has spent since it started.
pub(crate) fn of_machine() -> Result<Machine> {
    let stat = fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().unwrap_or_default();
    let fields: Vec<f64> = first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal: a machine that waits for its disk does not compute.
    let idle: f64 = fields.iter().skip(3).take(2).sum();
    let all: f64 = fields.iter().take(8).sum();
    Ok(Machine { busy: (all - idle) * TICK, idle: idle * TICK })
}

/// Waits until nobody else uses the machine; false when that takes too long.
pub(crate) async fn quiet(patience: Duration) -> Result<bool> {
    let start = Instant::now();
    loop {
        let before = of_machine()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = of_machine()?;
        let (busy, idle) = (after.busy - before.busy, after.idle - before.idle);
        if idle / (busy + idle) >= QUIET {
            return Ok(true);
        }
        if start.elapsed() > patience {
            return Ok(false);
        }
    }
}

/// The number of cores, and the memory in GiB.
pub(crate) fn machine_size() -> Result<(usize, u64)> {
    let cores = std::thread::available_parallelism()?.get();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib = memory.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
    Ok((cores, kib.div_ceil(1 << 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 300 40 20 0 1 0";
        assert!((ticks(stat, 2) - 1.2).abs() < 1e-9);
        assert!((ticks(stat, 4) - 4.6).abs() < 1e-9);
    }
}
