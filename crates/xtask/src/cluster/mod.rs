//! Docket on Kubernetes: brings up all that it stands on and itself, tries it, looks into it, and removes it again.
//!
//! The programs that do the work are kubectl, helm and kind; what they are told is in `deploy`. Here is the order, the
//! waiting, and what is said when something fails.

mod call;
mod docket;
mod doctor;
mod down;
mod forward;
mod guide;
mod helm;
mod inspect;
mod kind;
mod kubectl;
#[cfg(test)]
mod manifests;
mod plain;
mod platform;
mod pods;
mod secrets;
mod settings;
mod site;
mod smoke;
mod status;
mod steps;
mod trouble;
mod up;
mod versions;
mod watch;

use anyhow::{Result, ensure};

use settings::{Database, Settings};

pub(crate) use versions::Versions;

/// What the commands take that take settings alone.
#[derive(clap::Args, Debug)]
pub(crate) struct Words {
    /// CLUSTER=kind|existing, BROKER=strimzi|plain, DATABASE=cnpg|plain, DAPR_CHART=FOLDER, IMAGE=NAME:TAG, VALUES=FILE; those
    /// of the environment when absent.
    #[arg(value_name = "KEY=VALUE")]
    words: Vec<String>,
}

/// The commands.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Brings up a whole platform: a cluster in Docker (or the existing one), Dapr, Kafka, PostgreSQL, Jaeger, Docket.
    Up(Words),
    /// Removes all that `up` has made.
    Down(Words),
    /// Says what this machine lacks for `up`, all of it at once, and how to get it.
    Doctor(Words),
    /// Tries it: create, complete, next occurrence, audit, reminder, trace.
    Smoke(Words),
    /// Says how it is: pods, outboxes, how far handlers are behind, topics.
    Status(Words),
    /// Follows the log of a target, or of jaeger, kafka, postgres.
    Logs(inspect::Logs),
    /// Opens a shell on the database, or runs a statement.
    Psql(Words),
    /// Says how the topics differ from what they should be.
    Topics(Words),
    /// Brings Jaeger's pages to this machine until Ctrl-C.
    Trace(inspect::Trace),
    /// Leads ports of this machine to the API until Ctrl-C, where kind's node does not.
    Forward(Words),
}

/// Says what is missing for a platform with these settings that is to be tested.
pub(crate) fn require_for_tests(words: &[String]) -> Result<()> {
    let settings = Settings::read(words)?;
    ensure!(
        settings.database == Some(Database::Plain),
        "the tests need DATABASE=plain: they read the database of the platform without TLS, which CloudNativePG's refuses, and \
         bring a backup of it back by hand"
    );
    doctor::require(&settings, &Versions::read()?)
}

/// Brings a platform up, from nothing or from whatever is there, and tries it.
pub(crate) fn bring_up(words: &[String]) -> Result<()> {
    up::run(words)?;
    smoke::run(words)
}

/// Tries the platform that is there.
pub(crate) fn smoke(words: &[String]) -> Result<()> {
    smoke::run(words)
}

/// Does it.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Up(Words { words }) => up::run(&words),
        Command::Down(Words { words }) => down::run(&words),
        Command::Doctor(Words { words }) => doctor::run(&words),
        Command::Smoke(Words { words }) => smoke::run(&words),
        Command::Status(Words { words }) => status::run(&words),
        Command::Logs(args) => inspect::logs(&args),
        Command::Psql(Words { words }) => inspect::psql(&words),
        Command::Topics(Words { words }) => inspect::topics(&words),
        Command::Trace(args) => inspect::trace(&args),
        Command::Forward(Words { words }) => inspect::forward(&words),
    }
}
