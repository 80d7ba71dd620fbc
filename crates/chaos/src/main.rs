//! `docket-chaos`: one run, from the command line.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum as _};
use docket_chaos::{Kind, Options};

/// How long a run may take beyond its phases, before it ends in any case.
const GRACE: Duration = Duration::from_secs(420);

/// Breaks everything around Docket while clients work, and judges what is left.
#[derive(Debug, Parser)]
#[command(name = "docket-chaos")]
struct Args {
    /// Decides which faults strike, when and whom, and what clients want; a random one when absent.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many minutes faults strike.
    #[arg(long, default_value_t = 2.0, value_name = "MINUTES")]
    minutes: f64,
    /// How many clients work at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// As how many users.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=512))]
    users: u16,
    /// How many replicas each target has.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    replicas: u16,
    /// How long a client rests between two calls, on average, in milliseconds.
    #[arg(long, default_value_t = 40, value_name = "MILLISECONDS")]
    rest: u64,
    /// Only these faults; may be repeated.
    #[arg(long = "fault", value_enum, value_name = "NAME")]
    faults: Vec<Kind>,
    /// The binary, built with the feature `e2e`; the one beside this program when absent.
    #[arg(long, value_name = "FILE")]
    docket: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<bool> {
    let options = options(args)?;
    let told = serde_json::to_string(&options).context("options are JSON")?;
    eprintln!("seed {}, all options: {told}", options.seed);
    watch(2 * options.safety + 3 * options.liveness + GRACE);
    let report = Box::pin(docket_chaos::run(options)).await?;
    writeln!(std::io::stdout(), "{report}").context("cannot write to standard output")?;
    Ok(report.is_clean())
}

fn options(args: Args) -> Result<Options> {
    let docket = match args.docket {
        Some(file) => file,
        None => std::env::current_exe()?.with_file_name("docket"),
    };
    let docket = docket.canonicalize().with_context(|| format!("{}: no such program", docket.display()))?;
    let safety = Duration::try_from_secs_f64(60.0 * args.minutes).context("--minutes")?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let faults = if args.faults.is_empty() { Kind::value_variants().to_vec() } else { args.faults };
    Ok(Options {
        clients: args.clients.into(),
        users: args.users.into(),
        replicas: args.replicas.into(),
        rest: Duration::from_millis(args.rest),
        faults,
        ..Options::new(seed, safety, docket)
    })
}

/// Ends the program when the run does not: what it has started ends with it.
fn watch(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        eprintln!("\nerror: the run has not come to its end within {limit:?}");
        std::process::exit(2);
    });
}
