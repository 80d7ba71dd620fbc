//! The suite of the API: Docket beside pgbench with the same statements on the same PostgreSQL.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::cell::{Bench, Cell, Figures, Side, Times};
use crate::method::Method;
use crate::report::{CLIENTS, IN_FLIGHT, Results};
use crate::world::World;
use crate::{plot, print, readme, record, usage};

/// What the suite of the API can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The binary that is measured; the one beside this program when absent.
    #[arg(long, value_name = "FILE")]
    docket: Option<PathBuf>,
    /// The program pgbench.
    #[arg(long, env = "TOOL_PGBENCH", value_name = "FILE")]
    pgbench: Option<PathBuf>,
    /// Only these calls.
    #[arg(long = "call", value_enum, value_name = "NAME")]
    calls: Vec<Method>,
    /// Only this many calls in flight.
    #[arg(long, value_name = "NUMBER")]
    in_flight: Vec<usize>,
    /// Seconds of each cell.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds; the figures are medians of them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// Cells of a second, in one round, whoever else uses the machine: to see whether everything works.
    #[arg(long)]
    quick: bool,
    /// Writes the figures into the README and draws the plot.
    #[arg(long)]
    write: bool,
    /// Prints what pgbench runs, and measures nothing.
    #[arg(long)]
    scripts: bool,
}

/// Measures, and prints or writes the figures.
pub(crate) async fn run(mut args: Args) -> Result<()> {
    if args.quick {
        (args.seconds, args.rounds) = (1, 1);
    }
    let (patience, warm) = if args.quick { (2, 1) } else { (60, 2) };
    let times = Times { patience: Duration::from_secs(patience), warm, seconds: args.seconds };
    let docket = crate::program(args.docket.as_deref())?;
    let pgbench = args.pgbench.clone().context("--pgbench, or TOOL_PGBENCH, must name pgbench")?;
    let methods = if args.calls.is_empty() { Method::ALL.to_vec() } else { args.calls.clone() };

    eprintln!("==> PostgreSQL, Docket, and the statements that it sends");
    let world = World::start(&docket).await?;
    let version = world.postgres_version().await?;
    let epoch: i64 = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros().try_into()?;
    let recorded = record::record(&world, &methods).await?;
    let mut bench = Bench::new(world, &recorded, pgbench, epoch, times)?;
    if args.scripts {
        for (method, script) in &bench.scripts {
            print(&format!("-- {}\n{}", method.name(), script.text))?;
        }
        return Ok(());
    }

    let mut results = Results::default();
    for round in 0..args.rounds as usize {
        eprintln!("==> round {} of {}", round + 1, args.rounds);
        for method in &methods {
            for cell in order(*method, round, &args.in_flight) {
                let figures = bench.measure(cell).await.with_context(|| format!("{cell:?}"))?;
                say(cell, &figures);
                results.0.push((round, cell, figures));
            }
        }
    }
    let (cores, memory) = usage::machine_size()?;
    let text = format!(
        "{} of {} s each, on {cores} cores with {memory} GiB, shared by all; PostgreSQL {version}. A star: others used the machine, too.\n\n{}",
        if args.rounds == 1 { "One round".to_owned() } else { format!("{} rounds", args.rounds) },
        args.seconds,
        results.tables()?
    );
    print(&text)?;
    if args.write {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = folder.join("README.md");
        let figures = format!("![Throughput of Docket over that of pgbench](bench.svg)\n\n{text}");
        std::fs::write(
            &readme,
            readme::replaced(&std::fs::read_to_string(&readme)?, readme::API, &figures)?,
        )?;
        std::fs::write(folder.join("bench.svg"), plot::svg(&results.lines())?)?;
    }
    Ok(())
}

/// The cells of a method, the two sides in turns; the other way round in every other round, so that neither always comes
/// first.
fn order(method: Method, round: usize, in_flight: &[usize]) -> Vec<Cell> {
    let wanted = |number: &usize| in_flight.is_empty() || in_flight.contains(number);
    let docket = IN_FLIGHT.into_iter().filter(wanted).map(|in_flight| (Side::Docket, in_flight));
    let needed = |clients: &usize| {
        in_flight.is_empty() || in_flight.contains(clients) || (*clients > 1 && in_flight.contains(&256))
    };
    let reference = CLIENTS.into_iter().filter(needed).map(|clients| (Side::Reference, clients));
    let (mut docket, mut reference) =
        (docket.collect::<Vec<_>>().into_iter(), reference.collect::<Vec<_>>().into_iter());
    let mut cells = Vec::new();
    while docket.len() + reference.len() > 0 {
        cells.extend(docket.next().into_iter().chain(reference.next()));
    }
    if round % 2 == 1 {
        cells.reverse();
    }
    cells.into_iter().map(|(side, in_flight)| Cell { method, side, in_flight }).collect()
}

/// A line of what came out, for whoever watches.
fn say(cell: Cell, figures: &Figures) {
    let Figures { per_second, p50, p99, statements, docket, postgres, client, .. } = figures;
    let p99 = if p99.is_nan() { String::new() } else { format!("{p99:.2}") };
    eprintln!(
        "    {:<12} {:<9} {:>3} {per_second:>8.0}/s {p50:>7.2} {p99:>7} ms {statements:>6.3} statements, CPU {docket:>4.0} {postgres:>4.0} {client:>4.0} us{}",
        cell.method.name(),
        if cell.side == Side::Docket { "docket" } else { "pgbench" },
        cell.in_flight,
        if figures.noisy { " noisy" } else { "" }
    );
}
