//! `docket-chaos`: one run, from the command line.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum as _};
use docket_chaos::cluster::{self, Fault};
use docket_chaos::{Kind, Options, Report};
use docket_testkit::Role;

/// How long a run may take beyond its phases, before it ends in any case.
const GRACE: Duration = Duration::from_secs(420);

/// How long a fault in a cluster may take with its recovery.
const LONGEST_FAULT: Duration = Duration::from_secs(1_800);

/// Breaks everything around Docket while clients work, and judges what is left. With `--cluster`: in the Kubernetes of
/// kubectl's current context, with other options (`--cluster --help`).
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

/// Lets pods of a Docket come and go in the Kubernetes of kubectl's current context while clients work, and judges what is
/// left. Changes the release, and changes it back.
#[derive(Debug, Parser)]
#[command(name = "docket-chaos --cluster")]
struct ClusterArgs {
    /// Decides in which order faults strike and whom, and what clients want; a random one when absent.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// How many minutes faults strike; each once when absent.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,
    /// How many clients work at the same time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    clients: u16,
    /// How long a client rests between two calls, on average, in milliseconds.
    #[arg(long, default_value_t = 80, value_name = "MILLISECONDS")]
    rest: u64,
    /// How many replicas each target has meanwhile; as many as it has when absent.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=8))]
    replicas: Option<u16>,
    /// Only these faults; may be repeated.
    #[arg(long = "fault", value_enum, value_name = "NAME")]
    faults: Vec<Fault>,
    /// Where a target is, in place of what the cluster says: `tasks=127.0.0.1:7600`; may be repeated.
    #[arg(long, value_name = "TARGET=HOST:PORT", value_parser = api)]
    api: Vec<(String, SocketAddr)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut words: Vec<_> = std::env::args_os().collect();
    let ran = if let Some(place) = words.iter().position(|word| word == "--cluster") {
        words.remove(place);
        run_in_cluster(ClusterArgs::parse_from(words)).await
    } else {
        run(Args::parse_from(words)).await
    };
    match ran {
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
    show(&docket_chaos::run(options).await?)
}

async fn run_in_cluster(args: ClusterArgs) -> Result<bool> {
    let options = cluster_options(args)?;
    let told = serde_json::to_string(&options).context("options are JSON")?;
    eprintln!("seed {}, all options: {told}", options.seed);
    let faults = u32::try_from(options.faults.len()).context("--fault")?;
    watch(options.safety.unwrap_or_default() + (faults + 1) * LONGEST_FAULT + GRACE);
    show(&cluster::run(options).await?)
}

fn show(report: &Report) -> Result<bool> {
    writeln!(std::io::stdout(), "{report}").context("cannot write to standard output")?;
    Ok(report.is_clean())
}

fn cluster_options(args: ClusterArgs) -> Result<cluster::Options> {
    let defaults = cluster::Options::new(args.seed.unwrap_or_else(rand::random));
    let safety = args.minutes.map(|minutes| Duration::try_from_secs_f64(60.0 * minutes));
    Ok(cluster::Options {
        safety: safety.transpose().context("--minutes")?,
        clients: args.clients.into(),
        rest: Duration::from_millis(args.rest),
        replicas: args.replicas.map(usize::from),
        faults: if args.faults.is_empty() { defaults.faults } else { args.faults },
        api: args.api.into_iter().collect(),
        helm: std::env::var_os("TOOL_HELM").map_or(defaults.helm, PathBuf::from),
        ..defaults
    })
}

/// `target=host:port`.
fn api(text: &str) -> Result<(String, SocketAddr), String> {
    let (target, address) = text.split_once('=').ok_or("it is TARGET=HOST:PORT")?;
    if !Role::ALL.iter().any(|role| role.name() == target) {
        return Err(format!("there is no target {target}"));
    }
    let mut addresses = address.to_socket_addrs().map_err(|error| format!("{address}: {error}"))?;
    let address = addresses.next().ok_or_else(|| format!("{address} is nowhere"))?;
    Ok((target.to_owned(), address))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_for_a_cluster_are_read() {
        let read = |words: &str| {
            let words = std::iter::once("docket-chaos").chain(words.split_whitespace());
            ClusterArgs::try_parse_from(words)
                .map_err(drop)
                .and_then(|args| cluster_options(args).map_err(drop))
        };
        let options = read("--seed 7").unwrap();
        assert_eq!((options.seed, options.safety, options.replicas), (7, None, None));
        assert_eq!(options.faults, Fault::value_variants());
        let words = "--minutes 2 --fault scale --fault switch-mode --replicas 2 --api tasks=127.0.0.1:7600";
        let options = read(words).unwrap();
        assert_eq!((options.safety, options.replicas), (Some(Duration::from_secs(120)), Some(2)));
        assert_eq!(options.faults, [Fault::Scale, Fault::SwitchMode]);
        assert_eq!(options.api["tasks"], ([127, 0, 0, 1], 7600).into());
        for wrong in
            ["--fault nope", "--api tasks", "--api nope=127.0.0.1:1", "--api tasks=x", "--minutes -1"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
