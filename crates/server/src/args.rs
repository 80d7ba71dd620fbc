//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

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
}

impl Serve {
    /// The flags as a layer of the configuration.
    pub fn into_flags(self) -> Flags {
        Flags {
            targets: self.targets,
            listen: ListenFlags { public: self.public_address, app: self.app_address },
        }
    }
}

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Way {
    /// Applies what is pending.
    Up,
    /// Takes back the newest steps.
    Down {
        /// How many.
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Lists the steps.
    Status,
}

/// What `token` takes.
#[derive(Arguments, Debug)]
pub struct Token {
    /// Whose token: the `sub`.
    #[arg(long)]
    pub user: docket_domain::UserId,
    /// How many minutes it is good for.
    #[arg(long, default_value_t = 720, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    pub minutes: u32,
}

/// What `config` does.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigAction {
    /// Prints the configuration with all layers applied, without secrets.
    Print,
    /// Says whether the configuration is right.
    Check,
}
