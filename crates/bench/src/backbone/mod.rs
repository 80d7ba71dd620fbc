//! The suite of the backbone: how fast events get out of the outbox and into their handlers, beside a bare echo that uses
//! the same sidecar and the same broker.

mod cell;
pub(crate) mod echo;
mod meter;
mod plot;
mod report;
mod settings;
pub(crate) mod shape;
pub(crate) mod span;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{print, readme, usage};
use cell::{Cell, Figures, Round};
use report::Results;
use settings::{CALLS, TASKS};
use shape::Shape;

/// How many events warm up everything.
const WARM: u64 = 10_000;

/// What the suite of the backbone can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The binary that is measured; the one beside this program when absent.
    #[arg(long, value_name = "FILE")]
    docket: Option<PathBuf>,
    /// Only these, with what they are compared with.
    #[arg(long = "cell", value_enum, value_name = "NAME")]
    cells: Vec<Cell>,
    /// Events of each cell.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(5_000..=1_000_000))]
    events: u64,
    /// Rounds; the figures are medians of them.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// Cells of 10,000 events, in one round, whoever else uses the machine: to see whether everything works.
    #[arg(long)]
    quick: bool,
    /// Writes the figures into the README and draws the plot.
    #[arg(long)]
    write: bool,
    /// Shows which statements of Docket's took the time of each cell.
    #[arg(long)]
    statements: bool,
    /// Sets a variable of Docket's environment: to try other settings.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::pair)]
    environment: Vec<(String, String)>,
}

/// Measures, and prints or writes the figures.
pub(crate) async fn run(mut args: Args) -> Result<()> {
    if args.quick {
        (args.events, args.rounds) = (10_000, 1);
    }
    let patience = Duration::from_secs(if args.quick { 2 } else { 60 });
    let docket = crate::program(args.docket.as_deref())?;
    eprintln!("==> PostgreSQL, Kafka, and events of {TASKS} tasks");
    let shape = Shape::start(&docket, &args.environment).await?;
    let message = warm(&shape).await?;

    let mut results = Results::default();
    for round in 0..args.rounds as usize {
        eprintln!("==> round {} of {}", round + 1, args.rounds);
        let round = (
            round,
            Round {
                shape: &shape,
                name: format!("round-{round}"),
                events: args.events,
                message: message.clone(),
                patience,
            },
        );
        for cell in Cell::round(round.0) {
            if !args.cells.is_empty() && !cell.is_needed(&args.cells) {
                continue;
            }
            let figures = round.1.measure(cell).await.with_context(|| cell.name())?;
            say(cell, &figures);
            if args.statements && cell.reference().is_some() {
                for (milliseconds, calls, text) in shape.statements().await? {
                    eprintln!("      {milliseconds:>8.0} ms {calls:>7} x {text:.160}");
                }
            }
            results.0.push((round.0, cell, figures));
        }
    }
    let (cores, memory) = usage::machine_size()?;
    let text = format!(
        "{}, {} events of {} bytes in each cell, on {cores} cores with {memory} GiB, shared by all; PostgreSQL {}; {CALLS} calls of the echo's \
         publisher at a time. A star: others used the machine, too.\n\n{}",
        if args.rounds == 1 { "One round".to_owned() } else { format!("{} rounds", args.rounds) },
        args.events,
        message.len(),
        shape.postgres_version().await?,
        results.tables()?
    );
    print(&text)?;
    if args.write {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = folder.join("README.md");
        let figures = format!("![Rates of Docket over those of the echo](backbone.svg)\n\n{text}");
        let replaced = readme::replaced(&std::fs::read_to_string(&readme)?, readme::BACKBONE, &figures)?;
        std::fs::write(&readme, replaced)?;
        std::fs::write(folder.join("backbone.svg"), plot::svg(&results.lines())?)?;
    }
    Ok(())
}

/// Lets everything run once; answers an event as the relay writes it.
async fn warm(shape: &Shape) -> Result<Vec<u8>> {
    let round =
        Round { shape, name: "warm".to_owned(), events: WARM, message: Vec::new(), patience: Duration::ZERO };
    for cell in [Cell::Relay, Cell::EchoSubscribe, Cell::Audit] {
        round.measure(cell).await.with_context(|| format!("warming up: {}", cell.name()))?;
    }
    let records = shape.kafka.read(&round.events_topic()).await;
    let message =
        records.into_iter().next().and_then(|record| record.value).context("no event has a value")?;
    ensure!(message.len() > 500, "an event has {} bytes only", message.len());
    Ok(message.to_vec())
}

/// A line of what came out, for whoever watches.
fn say(cell: Cell, figures: &Figures) {
    let Figures { per_second, batch, cost } = figures;
    eprintln!(
        "    {:<22} {per_second:>8.0}/s {batch:>5.0} at once {:>7.4} statements, CPU app {:>4.0} daprd {:>4.0} kafka {:>4.0} postgres {:>4.0} us{}",
        cell.name(),
        cost.statements,
        cost.app,
        cost.daprd,
        cost.kafka,
        cost.postgres,
        if cost.noisy { " noisy" } else { "" }
    );
}
