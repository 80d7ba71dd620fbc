//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as Arguments, Parser, Subcommand, ValueEnum};

use crate::config::{Flags, ListenFlags};
use crate::target::Target;

/// Docket: the task platform that keeps its promises about time.
#[derive(Debug, Parser)]
#[command(name = "docket", version, about)]
pub struct Args {
    /// The configuration file (TOML).
    #[arg(long, global = true, env = "DOCKET_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves.
    Serve(Serve),
    /// Brings the database's schema up to date, or takes steps back. On PostgreSQL the login must own the database.
    Migrate {
        /// Which way; up when absent.
        #[command(subcommand)]
        way: Option<Way>,
    },
    /// Prints a token that the server accepts, signed with its own secret.
    Token(Token),
    /// Looks after what could not be handled: a client of the server's `DeadLetterService`.
    Dlq(Box<crate::dlq::Dlq>),
    /// Looks after one's own reminders, and how one is told: a client of the server. `refill` is an operator's.
    Remind(Box<crate::remind::Remind>),
    /// Asks a server whether it serves: a client of `grpc.health.v1`. Ends with 1 when it does not.
    Health(Box<crate::health::Health>),
    /// Compares the topics on Kafka with what they should be, or makes them so.
    Topics {
        /// Which of the two; `check` when absent.
        #[command(subcommand)]
        action: Option<crate::topics::Action>,
    },
    /// Looks after the audit log.
    Audit {
        /// What to do with it.
        #[command(subcommand)]
        action: AuditAction,
    },
    /// Shows or checks the configuration.
    Config {
        /// Which of the two.
        #[command(subcommand)]
        action: ConfigAction,
    },
}

/// What `serve` takes.
#[derive(Arguments, Debug)]
pub struct Serve {
    /// The roles to run, separated by commas; every role when absent.
    #[arg(long = "target", value_enum, value_delimiter = ',', value_name = "TARGET")]
    targets: Vec<Target>,
    /// Where clients call: IP address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    public_address: Option<SocketAddr>,
    /// Where the sidecar calls: IP address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    app_address: Option<SocketAddr>,
    /// Where operators ask the process itself, by HTTP: IP address and port; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    admin_address: Option<SocketAddr>,
}

impl Serve {
    /// The flags as a layer of the configuration.
    pub fn into_flags(self) -> Flags {
        Flags {
            targets: self.targets,
            listen: ListenFlags {
                public: self.public_address,
                app: self.app_address,
                admin: self.admin_address,
            },
        }
    }
}

/// Which way a migration goes.
#[derive(Clone, Debug, Subcommand)]
pub enum Way {
    /// Applies what is pending.
    Up {
        /// Lets this login of PostgreSQL serve the configured targets, all unless `targets` says otherwise; may be repeated, or
        /// be several with commas between them.
        #[arg(long, value_name = "LOGIN", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
        grant: Vec<String>,
    },
    /// Takes back the newest steps.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Lists the steps.
    Status,
}

impl Default for Way {
    fn default() -> Self {
        Self::Up { grant: Vec::new() }
    }
}

/// What `token` takes.
#[derive(Arguments, Debug)]
pub struct Token {
    /// Whose token: the `sub`.
    #[arg(long)]
    pub user: docket_domain::UserId,
    /// What it allows besides acting as the user, for example `deadletters:admin`; may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    pub scopes: Vec<String>,
    /// How many minutes it is good for.
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    pub minutes: u32,
}

/// A token has its scopes in one text, with spaces between them (RFC 8693 section 4.2).
fn scope(text: &str) -> Result<String, &'static str> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if text.is_empty() || !printable { Err("must be one scope, without spaces") } else { Ok(text.to_owned()) }
}

/// What `audit` does.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum AuditAction {
    /// Names the versions of tasks that the audit log lacks. Opens the database itself, with the rights of the targets
    /// `tasks` and `audit`. Ends with 1 when there are any.
    Verify(Verify),
}

/// What `audit verify` takes.
#[derive(Arguments, Clone, Copy, Debug)]
pub struct Verify {
    /// Looks at this task alone.
    #[arg(long, value_name = "ID")]
    pub task: Option<docket_domain::TaskId>,
    /// Publishes what is missing and still kept again, for the audit log alone; it leaves with a server that runs.
    #[arg(long)]
    pub refill: bool,
    /// How many seconds an event may be on its way before its absence is a gap.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub grace_seconds: u32,
    /// How the gaps are told: for people, or one JSON object a line, the last one with the totals.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How a command tells what it found.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// What `config` does.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigAction {
    /// Prints the configuration with all layers applied, without secrets.
    Print,
    /// Says whether the configuration is right.
    Check,
}
