//! Entry point of `docket`: reads arguments and configuration, then does one thing.

use std::process::ExitCode;

use clap::Parser as _;
use docket_server::app::App;
use docket_server::args::{Args, AuditAction, Command};
use docket_server::config::{Config, Error, Flags};
use docket_server::{commands, dlq, health, remind, telling, topics};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// What a process that was started wrongly ends with (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    // Failpoints of `FAILPOINTS` in binaries that are built with them, for tests.
    #[cfg(feature = "failpoints")]
    let _scenario = fail::FailScenario::setup();

    let Args { config, command } = Args::parse();
    let (command, flags) = match command {
        Command::Serve(serve) => (None, serve.into_flags()),
        other => (Some(other), Flags::default()),
    };
    let load = move || Config::load(config.as_deref(), flags.clone());
    let config = match load() {
        Ok(config) => config,
        Err(error) => return fail(&anyhow::Error::new(error), USAGE),
    };
    match run(config, command, load) {
        Ok(code) => code,
        Err(error) if error.is::<Error>() => fail(&error, USAGE),
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    use std::io::Write as _;
    // When standard error is gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "docket: {}", line(error));
    ExitCode::from(code)
}

/// An error and its causes on one line: the last one of the log, by which an orchestrator says why a process ended. An error
/// that repeats its causes has said them.
fn line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| match line {
        line if line.is_empty() => cause,
        line if line.ends_with(&cause) => line,
        line => format!("{line}: {cause}"),
    })
}

#[tokio::main]
async fn run(
    config: Config,
    command: Option<Command>,
    again: impl Fn() -> Result<Config, Error>,
) -> anyhow::Result<ExitCode> {
    let done = match command {
        None | Some(Command::Serve(_)) => serve(config, again).await,
        Some(Command::Migrate { way }) => commands::migrate(&config, way.unwrap_or_default()).await,
        Some(Command::Dlq(asked)) => dlq::run(&config, *asked).await,
        Some(Command::Token(token)) => commands::token(&config, &token),
        Some(Command::Config { action }) => commands::config(&config, action),
        Some(Command::Audit { action: AuditAction::Verify(verify) }) => {
            return commands::verify_audit(&config, &verify).await.map(verdict);
        }
        Some(Command::Remind(asked)) => return remind::run(&config, *asked).await.map(verdict),
        Some(Command::Health(asked)) => return health::run(&config, *asked).await.map(verdict),
        Some(Command::Topics { action }) => {
            return topics::run(&config, action.unwrap_or_default()).await.map(verdict);
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// What a command ends with that looked whether all is well.
fn verdict(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Serves, with a configuration that may be read again.
async fn serve(config: Config, again: impl Fn() -> Result<Config, Error>) -> anyhow::Result<()> {
    config.check_to_serve()?;
    // First of all: before it is listened to, it ends the process.
    let mut hangups = signal(SignalKind::hangup())?;
    let telemetry = telling::start(&config)?;
    let handle = telemetry.handle();
    let stop = CancellationToken::new();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut told = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let told_twice = async {
        told().await;
        stop.cancel();
        told().await;
    };
    let levels = handle.levels.clone();
    let listening = async {
        while hangups.recv().await.is_some() {
            telling::read_again(levels.as_ref(), &again);
        }
        std::future::pending().await
    };
    let main = tracing::info_span!(target: docket_telemetry::BACKGROUND, "background", task = "main");
    let serving = async { App::build(config, handle).await?.run(stop.clone()).await };
    let ended = tokio::select! {
        ended = serving.instrument(main.clone()) => ended,
        never = listening.instrument(main.clone()) => never,
        // What is under way is dropped, which rolls its transactions back, as a crash would.
        () = told_twice => Err(anyhow::anyhow!("told to stop twice: calls under way were given up")),
    };
    telemetry.end().await;
    ended
}
