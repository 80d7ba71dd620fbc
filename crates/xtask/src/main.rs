//! The door to everything that a fresh checkout needs.
#![doc = include_str!("../README.md")]

mod bench;
mod chaos;
mod chart;
mod check;
mod cluster;
mod compose;
mod dev;
mod fuzz;
mod guard;
mod http;
mod image;
mod monitoring;
mod process;
mod progress;
mod random;
mod test;
mod tidy;
mod tools;
mod tour;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a fresh checkout of Docket needs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs Docket on this machine, with a real sidecar and scheduler, until Ctrl-C.
    Dev(dev::Args),
    /// Runs the tests: the unit ring, then the default ring against a real sidecar, PostgreSQL and Kafka.
    Test(test::Args),
    /// Measures Docket against pgbench with the same statements on the same PostgreSQL.
    Bench(bench::Args),
    /// Breaks everything around Docket while clients work, and judges what is left.
    Chaos(chaos::Args),
    /// Feeds random input to everything that reads input.
    Fuzz(fuzz::Args),
    /// Finds or builds the programs that the other commands use.
    Tools(tools::Args),
    /// Builds the container image of Docket; with `--archive` without an engine.
    Image(image::Args),
    /// Checks everything that needs no test: format, lints, dependencies, contract, layout, alert rules, chart; or some of it.
    Check(check::Args),
    #[command(flatten)]
    Cluster(cluster::Command),
    /// Ends the process groups named on standard input when that is closed.
    #[command(hide = true)]
    Guard,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Dev(args) => dev::run(args),
        Command::Test(args) => test::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Chaos(args) => chaos::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Tools(args) => tools::run(&args),
        Command::Image(args) => image::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Cluster(command) => cluster::run(command),
        Command::Guard => guard::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}
