//! The suite of traces: what it costs a call to be recorded, beside the same call of the same Docket that records nothing.

mod ground;
mod receiver;
mod report;
mod share;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::load::Load;
use crate::method::Method;
use crate::{print, readme, usage};
use ground::Ground;
use report::{Figures, Results};
use share::Share;

/// Seconds of a cell before anything is counted.
const WARM: Duration = Duration::from_secs(2);

/// What the suite of traces can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The binary that is measured; the one beside this program when absent.
    #[arg(long, value_name = "FILE")]
    docket: Option<PathBuf>,
    /// Calls in flight.
    #[arg(long, default_value_t = 32, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,
    /// Seconds of each cell.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds; the figures are medians of them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// Cells of a second, in one round, whoever else uses the machine: to see whether everything works.
    #[arg(long)]
    quick: bool,
    /// Writes the figures into the README.
    #[arg(long)]
    write: bool,
    /// Sets a variable of every Docket's environment: to try other settings.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::pair)]
    environment: Vec<(String, String)>,
}

/// Measures, and prints or writes the figures.
pub(crate) async fn run(mut args: Args) -> Result<()> {
    if args.quick {
        (args.seconds, args.rounds) = (1, 1);
    }
    let docket = crate::program(args.docket.as_deref())?;
    eprintln!("==> PostgreSQL, a Docket for each share of traces, their sidecar, and the collector's");
    let ground = Ground::start(&docket, &args.environment).await?;
    let mut results = Results::default();
    for round in 0..args.rounds as usize {
        eprintln!("==> round {} of {}", round + 1, args.rounds);
        for share in Share::in_turns(round) {
            let figures = measure(&ground, share, &args).await?;
            say(share, &figures);
            results.0.push((round, share, figures));
        }
    }
    let (cores, memory) = usage::machine_size()?;
    let text = format!(
        "{} of {} s each, {} calls of CreateTask in flight, on {cores} cores with {memory} GiB, shared by all, the collector's sidecar among \
         them; PostgreSQL {}. A star: others used the machine, too.\n\n{}",
        if args.rounds == 1 { "One round".to_owned() } else { format!("{} rounds", args.rounds) },
        args.seconds,
        args.in_flight,
        ground.world.postgres_version().await?,
        results.tables()?
    );
    print(&text)?;
    if args.write {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let replaced = readme::replaced(&std::fs::read_to_string(&readme)?, readme::TRACES, &text)?;
        std::fs::write(&readme, replaced)?;
    }
    Ok(())
}

async fn measure(ground: &Ground, share: Share, args: &Args) -> Result<Figures> {
    let (seconds, patience) = (Duration::from_secs(args.seconds), if args.quick { 2 } else { 60 });
    let data = Method::Create.data(args.seconds);
    ground.world.reset(data).await?;
    let quiet = usage::quiet(Duration::from_secs(patience)).await?;
    let spans_before = ground.receiver.settled().await;
    let load = Load::start(ground.caller(share)?, Method::Create, data.tasks(), args.in_flight.into());
    tokio::time::sleep(WARM).await;
    load.count(true);
    let (machine, ours) = (usage::of_machine()?, ground.all_cpu(share)?);
    let ([docket, sidecar], start, done) = (ground.cpu(share)?, Instant::now(), load.done());
    tokio::time::sleep(seconds).await;
    let (elapsed, done) = (start.elapsed().as_secs_f64(), (load.done() - done) as f64);
    let after = ground.cpu(share)?;
    let others = usage::others(machine, usage::of_machine()?, ground.all_cpu(share)? - ours);
    load.count(false);
    let (calls, latencies) = load.stop().await?;
    let events = ground.world.count("tasks.outbox").await?;
    ensure!(events == calls, "{calls} calls have left {events} events");
    let spans = ground.receiver.settled().await - spans_before;
    ensure!((spans == 0) == (share == Share::None), "{}: {spans} spans", share.name());
    let millis = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Figures {
        per_second: done / elapsed,
        p50: millis(0.5),
        p99: millis(0.99),
        docket: (after[0] - docket) * 1e6 / done,
        sidecar: (after[1] - sidecar) * 1e6 / done,
        spans: spans as f64 / calls as f64,
        noisy: !quiet || others > usage::OTHERS,
    })
}

/// A line of what came out, for whoever watches.
fn say(share: Share, figures: &Figures) {
    let Figures { per_second, p50, p99, docket, sidecar, spans, noisy } = figures;
    eprintln!(
        "    {:<8} {per_second:>8.0}/s {p50:>7.2} {p99:>7.2} ms, CPU docket {docket:>4.0} sidecar {sidecar:>4.0} us, {spans:>6.3} spans{}",
        share.name(),
        if *noisy { " noisy" } else { "" }
    );
}
