//! What `docket dlq` takes.

use chrono::{DateTime, FixedOffset};
use clap::{Args, Subcommand};
use docket_domain::{DeadLetterId, LetterState};
use docket_proto::v1;
use docket_wire::answer::letter_state_to_proto;
use docket_wire::timestamp;

use crate::args::Format;
use crate::client::Server;

/// Looks after what could not be handled: a client of `DeadLetterService`.
#[derive(Args, Debug)]
pub struct Dlq {
    /// Where the server is, and who asks: the token needs the scope `deadletters:admin`.
    #[command(flatten)]
    pub server: Server,
    /// How the answer looks.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub format: Format,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Lists letters, the oldest first failure first.
    List {
        /// Which letters.
        #[command(flatten)]
        filter: Filter,
        /// The most letters to list.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
    },
    /// Shows one letter with its headers, its bytes, and what was done about it.
    Show {
        /// Names it.
        id: DeadLetterId,
    },
    /// Sends letters to the topics that they came from once more.
    Replay {
        /// Which letters.
        #[command(flatten)]
        which: Which,
        /// Sends them to the handler alone that had failed.
        #[arg(long)]
        only_failed_handler: bool,
    },
    /// Gives letters up.
    Discard {
        /// Which letters.
        #[command(flatten)]
        which: Which,
        /// Why: 1 to 500 characters.
        #[arg(long)]
        reason: String,
    },
}

/// The letters that a command is about.
#[derive(Args, Debug)]
pub struct Which {
    /// Names letters.
    #[arg(required_unless_present_any = ["all", "dry_run"], conflicts_with_all = ["all", "filter"])]
    pub ids: Vec<DeadLetterId>,
    /// Does it to all letters that the filter chooses; open ones, unless it says otherwise.
    #[arg(long)]
    pub all: bool,
    /// Says what would be done, and does nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Which letters, where none are named.
    #[command(flatten)]
    pub filter: Filter,
}

/// Which letters: those for which all of it holds.
#[derive(Args, Clone, Debug)]
#[group(id = "filter", multiple = true)]
pub struct Filter {
    /// In this state: OPEN, REPLAYED or DISCARDED; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub states: Vec<LetterState>,
    /// Of this topic.
    #[arg(long)]
    pub topic: Option<String>,
    /// Given up by this handler.
    #[arg(long)]
    pub handler: Option<String>,
    /// Of this type, for example `com.todo.task.completed`.
    #[arg(long)]
    pub event_type: Option<String>,
    /// With this partition key: for task events, the task's id.
    #[arg(long)]
    pub key: Option<String>,
    /// That failed last at this instant or later, for example `2027-01-31T09:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = DateTime::parse_from_rfc3339)]
    pub since: Option<DateTime<FixedOffset>>,
    /// That failed last before this instant.
    #[arg(long, value_name = "TIME", value_parser = DateTime::parse_from_rfc3339)]
    pub until: Option<DateTime<FixedOffset>>,
}

fn state(name: &str) -> Result<LetterState, docket_domain::letter::UnknownLetterState> {
    name.to_ascii_uppercase().parse()
}

impl Filter {
    /// The filter as the service is asked; these states, where none are named.
    pub fn to_proto(&self, states: &[LetterState]) -> v1::DeadLetterFilter {
        let states = if self.states.is_empty() { states } else { &self.states };
        let time = |time: &DateTime<FixedOffset>| timestamp(time.to_utc());
        v1::DeadLetterFilter {
            states: states.iter().map(|state| letter_state_to_proto(*state).into()).collect(),
            topic: self.topic.clone().unwrap_or_default(),
            handler: self.handler.clone().unwrap_or_default(),
            event_type: self.event_type.clone().unwrap_or_default(),
            key: self.key.clone().unwrap_or_default(),
            start_time: self.since.as_ref().map(time),
            end_time: self.until.as_ref().map(time),
        }
    }
}
