//! The suite of reminders: how fast and how late they are given that are all due in one second, beside a bare app with the
//! same scheduler, and what they cost while none is due.

mod bare;
mod firing;
mod ground;
mod idle;
mod lateness;
mod meter;
mod report;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{print, readme, usage};
use bare::CALLS;
use firing::{Alarms, USERS};
use ground::Ground;
use idle::Pending;
use report::{Results, Round};

/// How often progress is asked for.
const EVERY: Duration = Duration::from_millis(200);

/// How long nothing may happen.
const STALLED: Duration = Duration::from_secs(60);

/// The least number of jobs that any machine schedules in a second.
const SLOWEST: u64 = 150;

/// What the suite of reminders can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The binary that is measured; the one beside this program when absent.
    #[arg(long, value_name = "FILE")]
    docket: Option<PathBuf>,
    /// Reminders that are due in one second, in steps of 200.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2_000..=200_000))]
    reminders: u64,
    /// Reminders that are still to come while nothing is due; one of a hundred has an alarm.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pending: u64,
    /// For how many seconds nothing is due.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    idle: u64,
    /// Seconds from the first call to the moment of the reminders; by the number of reminders when absent.
    #[arg(long, value_name = "SECONDS")]
    lead: Option<u64>,
    /// Rounds; the figures are medians of them.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=99))]
    rounds: u64,
    /// Fewer reminders, in one round, whoever else uses the machine: to see whether everything works.
    #[arg(long)]
    quick: bool,
    /// Writes the figures into the README.
    #[arg(long)]
    write: bool,
    /// Shows which statements of Docket's were sent most often in each cell.
    #[arg(long)]
    statements: bool,
    /// Sets a variable of Docket's environment: to try other settings.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = crate::pair)]
    environment: Vec<(String, String)>,
}

/// Measures, and prints or writes the figures.
pub(crate) async fn run(mut args: Args) -> Result<()> {
    if args.quick {
        (args.reminders, args.pending, args.idle, args.rounds) = (2_000, 10_000, 10, 1);
    }
    args.reminders -= args.reminders % USERS as u64;
    let docket = crate::program(args.docket.as_deref())?;
    eprintln!("==> PostgreSQL and Kafka");
    let ground = Ground::start(&docket, &args.environment).await?;
    let mut results = Results::default();
    for round in 0..args.rounds {
        eprintln!("==> round {} of {}", round + 1, args.rounds);
        results.0.push(measure(&ground, &args).await?);
    }
    let (cores, memory) = usage::machine_size()?;
    let text = format!(
        "{}, {} reminders of {USERS} users in one second, on {cores} cores with {memory} GiB, shared by all; PostgreSQL {}. While nothing is due, \
         {} reminders are still to come. The bare app's jobs were scheduled at {}/s, {CALLS} calls at a time. A star: others used the machine, \
         too.\n\n{}",
        if args.rounds == 1 { "One round".to_owned() } else { format!("{} rounds", args.rounds) },
        args.reminders,
        ground.postgres_version().await?,
        args.pending,
        results.0.iter().map(|round| format!("{:.0}", round.bare.scheduled)).collect::<Vec<_>>().join(", "),
        results.tables(args.reminders)?
    );
    print(&text)?;
    if args.write {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let replaced = readme::replaced(&std::fs::read_to_string(&readme)?, readme::REMINDERS, &text)?;
        std::fs::write(&readme, replaced)?;
    }
    Ok(())
}

async fn measure(ground: &Ground, args: &Args) -> Result<Round> {
    let patience = Duration::from_secs(if args.quick { 2 } else { 60 });
    let lead = Duration::from_secs(args.lead.unwrap_or(10 + args.reminders / SLOWEST));
    let mut quiet = usage::quiet(patience).await?;
    let mut bare = bare::measure(ground, args.reminders, lead).await.context("the bare app")?;
    bare.used.noisy |= !quiet;
    eprintln!("    {bare:?}");
    let mut docket = Vec::new();
    for alarms in Alarms::ALL {
        quiet = usage::quiet(patience).await?;
        // Tasks are to be made before they get their alarms.
        let figures = firing::measure(ground, alarms, args.reminders, 2 * lead, args.statements).await;
        let mut figures = figures.context(alarms.name())?;
        figures.used.noisy |= !quiet;
        eprintln!("    {}: {figures:?}", alarms.name());
        docket.push(figures);
    }
    let pending = Pending { all: args.pending, near: args.pending / 100 };
    usage::quiet(patience).await?;
    let length = Duration::from_secs(args.idle);
    let idle = idle::measure(ground, pending, length, args.statements).await.context("nothing is due")?;
    eprintln!("    nothing is due: {idle:?}");
    let [of_second, of_each] = docket[..] else { bail!("{} cells of Docket", docket.len()) };
    Ok(Round { bare, docket: [of_second, of_each], idle })
}

/// Waits until there are so many, as long as they become more.
async fn follow(count: u64, mut progress: impl AsyncFnMut() -> Result<u64>) -> Result<()> {
    let (mut seen, mut moved) = (0, Instant::now());
    loop {
        let done = progress().await?;
        if done >= count {
            return Ok(());
        }
        if done > seen {
            (seen, moved) = (done, Instant::now());
        }
        if moved.elapsed() > STALLED {
            bail!("{done} of {count} after {STALLED:?} without progress");
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Shows statements to whoever watches.
fn show(statements: &[(String, i64, f64, String)]) {
    for (role, calls, milliseconds, text) in statements {
        eprintln!("      {role:<22} {calls:>7} x {milliseconds:>8.0} ms {text:.140}");
    }
}
