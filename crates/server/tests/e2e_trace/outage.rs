//! The collector, or the sidecar on the way to it, is away or hangs while clients work: no client hears of it, what is lost is counted, and what waits is little.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use docket_testkit::collector::Trace;
use docket_testkit::{Collector, Figures, PATIENCE, Stack, StackBuilder, User, once, wait_for};
use tokio::task::JoinSet;

use crate::DOCKET;
use crate::client::Client;

/// How many calls are under way.
const CALLS: usize = 8;

/// More than the queue takes, even if every call were a span of many kilobytes; less than what would wait after a minute if
/// it were kept.
const MORE_MEMORY: u64 = 64 << 20;

/// A stack whose users may have as many tasks as they like.
fn stack(collector: &Collector) -> StackBuilder {
    Stack::builder(Path::new(DOCKET)).observe(collector).env("DOCKET_TASKS__MAX_PER_USER", "0")
}

/// Clients who create tasks; an answer that is an error fails the test.
struct Work {
    workers: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    ends: AtomicBool,
    done: AtomicU64,
}

impl Work {
    fn start(user: &User) -> Self {
        let shared = Arc::<Shared>::default();
        let mut workers = JoinSet::new();
        for _ in 0..CALLS {
            let (user, shared) = (user.clone(), shared.clone());
            workers.spawn(async move {
                while !shared.ends.load(Ordering::Relaxed) {
                    user.create(once("Ask the neighbours for the ladder")).await;
                    shared.done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self { workers, shared }
    }

    /// Calls per second for so long.
    async fn rate(&self, length: Duration) -> f64 {
        let (start, before) = (Instant::now(), self.shared.done.load(Ordering::Relaxed));
        // Nothing is waited for: this is for how long calls are counted.
        tokio::time::sleep(length).await;
        (self.shared.done.load(Ordering::Relaxed) - before) as f64 / start.elapsed().as_secs_f64()
    }

    async fn end(mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        while let Some(ended) = self.workers.join_next().await {
            ended.expect("no call fails");
        }
    }
}

/// Spans that were lost so far: on the way, and because there was no more room for them.
async fn lost(stack: &Stack) -> f64 {
    let (status, page) = stack.docket.ask("/metrics").await.unwrap();
    assert_eq!(status, 200, "{page}");
    let figures = Figures::parse(&page).unwrap();
    let counters = ["otel_sdk_exporter_span_exported_total", "otel_sdk_processor_span_processed_total"];
    let all = counters.iter().flat_map(|name| figures.of(name, &[]));
    all.filter(|sample| sample.labels.contains_key("error_type")).map(|sample| sample.value).sum()
}

/// The memory of Docket in bytes.
fn memory(stack: &Stack) -> u64 {
    let id = stack.docket.id().expect("docket runs");
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// The collector gets the spans of calls again; the first ones after an outage may be lost with what waited before them.
async fn expect_told(collector: &Collector, user: &User) {
    const SOON: Duration = Duration::from_secs(2);
    let some = |trace: &Trace| if trace.spans().is_empty() { Err("no span".to_owned()) } else { Ok(()) };
    wait_for("a trace", PATIENCE, async || {
        let client = Client::new();
        client.create(user, once("Bring the ladder back")).await;
        let told = tokio::time::timeout(SOON, collector.wait_for_trace(&client.trace, some)).await;
        told.map(drop).map_err(|elapsed| elapsed.to_string())
    })
    .await;
}

/// Calls per second while the collector is there, away, and there again: for the first length, the second, the first.
async fn survives(
    collector: &mut Collector,
    stack: &mut Stack,
    away: Away,
    [there, length]: [Duration; 2],
) -> [f64; 3] {
    let user = stack.user("alice");
    let work = Work::start(&user);
    let before = work.rate(there).await;
    let (memory_before, lost_before) = (memory(stack), lost(stack).await);
    match away {
        Away::Killed => collector.kill(),
        Away::Hangs => collector.pause(),
        Away::WithTheSidecar => stack.daprd().kill(),
    }
    let during = work.rate(length).await;
    // What hangs is given up after some seconds, and the queue is full sooner or later.
    let lost_after = wait_for("a count of lost spans", PATIENCE, async || match lost(stack).await {
        now if now > lost_before => Ok(now),
        now => Err(format!("{now}, as before")),
    })
    .await;
    let memory_after = memory(stack);
    eprintln!(
        "{away:?} for {length:?}: {lost_before} spans lost before, {lost_after} after; {memory_before} bytes of memory before, \
         {memory_after} after"
    );
    match away {
        Away::Killed => collector.restart().await,
        Away::Hangs => collector.resume(),
        Away::WithTheSidecar => stack.daprd().restart().await,
    }
    let after = work.rate(there).await;
    work.end().await;
    assert!(memory_after < memory_before + MORE_MEMORY, "{memory_before} bytes became {memory_after}");
    expect_told(collector, &user).await;
    [before, during, after]
}

/// How it is away.
#[derive(Clone, Copy, Debug)]
enum Away {
    Killed,
    Hangs,
    /// Docket's own, through which the spans leave.
    WithTheSidecar,
}

#[tokio::test]
async fn a_collector_that_is_away_is_nobodys_burden() {
    let mut collector = Collector::start().await;
    let mut stack = stack(&collector).start().await;
    for away in [Away::Killed, Away::Hangs, Away::WithTheSidecar] {
        survives(&mut collector, &mut stack, away, [2, 5].map(Duration::from_secs)).await;
    }
}

#[tokio::test]
#[ignore = "release ring"]
async fn a_collector_that_is_away_for_a_minute_costs_no_throughput() {
    for away in [Away::Killed, Away::Hangs] {
        let mut collector = Collector::start().await;
        let mut stack = stack(&collector).start().await;
        let lengths = [60, 60].map(Duration::from_secs);
        let [before, during, after] = survives(&mut collector, &mut stack, away, lengths).await;
        let there = (before + after) / 2.0;
        eprintln!("{away:?}: {before:.0} calls/s before, {during:.0} while it is away, {after:.0} after");
        assert!(during >= 0.9 * there, "{during} calls/s are fewer than 0.9 of {there}");
    }
}
