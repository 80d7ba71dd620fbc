//! What `docket remind` takes.

use chrono::{DateTime, FixedOffset};
use clap::{Args, Subcommand};
use docket_domain::TaskId;
use docket_proto::v1;
use docket_proto::v1::reminder::Channel;
use docket_wire::timestamp;

use crate::args::Format;
use crate::client::Server;

/// Looks after one's own reminders: a client of `ReminderService` and `NotificationService`.
#[derive(Args, Debug)]
pub struct Remind {
    /// Where the server is, and whose reminders they are.
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
    /// Lists reminders, the earliest first.
    List {
        /// In this state: PENDING, FIRED, SENT, FAILED, MISSED, DISMISSED or CANCELLED; may be repeated.
        #[arg(long = "state", value_name = "STATE", value_parser = reminder_state)]
        states: Vec<v1::task_reminder::State>,
        /// Which of them.
        #[command(flatten)]
        which: Which,
    },
    /// Gives a reminder later, or once more.
    Snooze {
        /// Which reminder.
        #[command(flatten)]
        name: Name,
        /// Until when.
        #[command(flatten)]
        until: Until,
    },
    /// Does away with a reminder.
    Dismiss {
        /// Which reminder.
        #[command(flatten)]
        name: Name,
    },
    /// Shows or changes how one is told.
    Preferences {
        /// Which of the two; `show` when absent.
        #[command(subcommand)]
        action: Option<PreferencesAction>,
    },
    /// Lists what was sent, and what is to be sent, the newest first.
    Deliveries {
        /// In this state: PENDING, SENDING, SENT, FAILED, CANCELLED or UNKNOWN; may be repeated.
        #[arg(long = "state", value_name = "STATE", value_parser = delivery_state)]
        states: Vec<v1::delivery::State>,
        /// Which of them.
        #[command(flatten)]
        which: Which,
    },
    /// Sends a message that says that it is a test. Ends with 1 when the channel does not take it.
    Test {
        /// The way to use: email, push or webhook.
        #[arg(value_parser = channel)]
        channel: Channel,
    },
    /// Stops the messages of one channel. Needs nothing but the token of a message's link.
    Unsubscribe {
        /// The token.
        #[arg(value_name = "LINK_TOKEN")]
        link: String,
    },
    /// Gives everybody's tasks to the target `reminders` once more whose newest version it has missed. Opens the database
    /// itself, with the rights of the targets `tasks` and `reminders`, and asks no server. Ends with 1 when there are any.
    Refill(Refill),
}

/// What `refill` takes.
#[derive(Args, Clone, Copy, Debug)]
pub struct Refill {
    /// Only tells of them.
    #[arg(long)]
    pub dry_run: bool,
    /// How many seconds an event may be on its way before it counts as missed.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub grace_seconds: u32,
}

/// What to do with the preferences.
#[derive(Debug, Subcommand)]
pub enum PreferencesAction {
    /// Shows them.
    Show,
    /// Changes those that are named; an empty text takes a value away.
    Set(Box<Changes>),
}

/// The rows of a list: those for which all of it holds.
#[derive(Args, Clone, Debug)]
pub struct Which {
    /// Of this task.
    #[arg(long, value_name = "ID")]
    pub task: Option<TaskId>,
    /// At this instant or later, for example `2027-01-31T09:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = DateTime::parse_from_rfc3339)]
    pub since: Option<DateTime<FixedOffset>>,
    /// Before this instant.
    #[arg(long, value_name = "TIME", value_parser = DateTime::parse_from_rfc3339)]
    pub until: Option<DateTime<FixedOffset>>,
    /// The most to list.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

impl Which {
    /// The first page of reminders as the service is asked for it.
    pub fn reminders(&self, states: &[v1::task_reminder::State]) -> v1::ListRemindersRequest {
        v1::ListRemindersRequest {
            task_id: self.task_id(),
            states: states.iter().map(|state| (*state).into()).collect(),
            start_time: self.since.map(|time| timestamp(time.to_utc())),
            end_time: self.until.map(|time| timestamp(time.to_utc())),
            ..Default::default()
        }
    }

    /// The same of the ledger.
    pub fn deliveries(&self, states: &[v1::delivery::State]) -> v1::ListDeliveriesRequest {
        v1::ListDeliveriesRequest {
            task_id: self.task_id(),
            states: states.iter().map(|state| (*state).into()).collect(),
            start_time: self.since.map(|time| timestamp(time.to_utc())),
            end_time: self.until.map(|time| timestamp(time.to_utc())),
            ..Default::default()
        }
    }

    fn task_id(&self) -> String {
        self.task.map(|task| task.to_string()).unwrap_or_default()
    }
}

/// One reminder.
#[derive(Args, Clone, Copy, Debug)]
pub struct Name {
    /// Names the task.
    pub task: TaskId,
    /// Which of its reminders, from 1.
    #[arg(default_value_t = 1)]
    pub number: i32,
}

/// Until when a reminder is put off.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Until {
    /// For so long from now, for example `90m` or `1day 2h`.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub delay: Option<std::time::Duration>,
    /// Until this instant, for example `2027-01-31T09:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = DateTime::parse_from_rfc3339)]
    pub until: Option<DateTime<FixedOffset>>,
}

impl Until {
    /// It as the service is told.
    pub fn to_proto(&self) -> Option<v1::snooze_reminder_request::Until> {
        use v1::snooze_reminder_request::Until as Proto;
        let delay = self.delay.map(|delay| {
            // Longer than the server allows, and so refused there.
            let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
            Proto::Delay(pbjson_types::Duration { seconds, nanos: delay.subsec_nanos().cast_signed() })
        });
        delay.or_else(|| self.until.map(|time| Proto::RemindTime(timestamp(time.to_utc()))))
    }
}

/// The preferences to change.
#[derive(Args, Clone, Debug)]
#[group(id = "changes", required = true, multiple = true)]
pub struct Changes {
    /// The IANA name of the zone in which quiet hours and the digest are read.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// The time of day from which reminders of all-day tasks are counted: HH:MM.
    #[arg(long, value_name = "HH:MM")]
    pub all_day_time: Option<String>,
    /// A way to use where a reminder names none: email, push or webhook; may be repeated.
    #[arg(long = "channel", value_name = "CHANNEL", value_parser = channel)]
    pub channels: Vec<Channel>,
    /// Where mail goes.
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Where push messages go: the registration token of a device; may be repeated.
    #[arg(long = "push-token", value_name = "TOKEN")]
    pub push_tokens: Vec<String>,
    /// Where signed requests go.
    #[arg(long = "webhook", value_name = "URL")]
    pub webhook_url: Option<String>,
    /// When not to disturb, for example `22:00-07:00`.
    #[arg(long, value_name = "HH:MM-HH:MM", value_parser = quiet_hours)]
    pub quiet_hours: Option<Quiet>,
    /// At which time of day to sum up what is due: HH:MM.
    #[arg(long, value_name = "HH:MM")]
    pub digest: Option<String>,
    /// A way to use for that: email, push or webhook; may be repeated.
    #[arg(long = "digest-channel", value_name = "CHANNEL", value_parser = channel, requires = "digest")]
    pub digest_channels: Vec<Channel>,
    /// The language of messages: `en` or `de`.
    #[arg(long)]
    pub locale: Option<String>,
    /// Changes them only if nobody else was first: the `etag` that `show` tells.
    #[arg(long)]
    pub etag: Option<String>,
}

/// Quiet hours, or none.
#[derive(Clone, Debug)]
pub struct Quiet(pub Option<v1::preferences::QuietHours>);

fn quiet_hours(text: &str) -> Result<Quiet, &'static str> {
    if text.is_empty() {
        return Ok(Quiet(None));
    }
    let (start, end) = text.split_once('-').ok_or("must be two times with `-` between them")?;
    let [start, end] = [start, end].map(|time| time.trim().to_owned());
    Ok(Quiet(Some(v1::preferences::QuietHours { start, end })))
}

impl Changes {
    /// They as the service is told: what is not named is not in the mask.
    pub fn to_proto(&self) -> v1::UpdatePreferencesRequest {
        let mut paths = Vec::new();
        let mut path = |name: &str, named: bool| {
            if named {
                paths.push(name.to_owned());
            }
        };
        path("time_zone", self.time_zone.is_some());
        path("all_day_time", self.all_day_time.is_some());
        path("channels", !self.channels.is_empty());
        path("email", self.email.is_some());
        path("push_tokens", !self.push_tokens.is_empty());
        path("webhook_url", self.webhook_url.is_some());
        path("quiet_hours", self.quiet_hours.is_some());
        path("digest", self.digest.is_some());
        path("locale", self.locale.is_some());
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let numbers = |channels: &[Channel]| channels.iter().map(|channel| (*channel).into()).collect();
        let digest = self.digest.clone().filter(|time| !time.is_empty());
        let preferences = v1::Preferences {
            time_zone: text(&self.time_zone),
            all_day_time: text(&self.all_day_time),
            channels: numbers(&self.channels),
            email: text(&self.email),
            push_tokens: self.push_tokens.iter().filter(|token| !token.is_empty()).cloned().collect(),
            webhook_url: text(&self.webhook_url),
            quiet_hours: self.quiet_hours.clone().and_then(|Quiet(hours)| hours),
            digest: digest
                .map(|time| v1::preferences::Digest { time, channels: numbers(&self.digest_channels) }),
            locale: text(&self.locale),
            etag: text(&self.etag),
            ..Default::default()
        };
        v1::UpdatePreferencesRequest {
            preferences: Some(preferences),
            update_mask: Some(pbjson_types::FieldMask { paths }),
            ..Default::default()
        }
    }
}

fn channel(name: &str) -> Result<Channel, &'static str> {
    Channel::from_str_name(&format!("CHANNEL_{}", name.to_ascii_uppercase()))
        .filter(|channel| *channel != Channel::Unspecified)
        .ok_or("must be email, push or webhook")
}

fn reminder_state(name: &str) -> Result<v1::task_reminder::State, &'static str> {
    v1::task_reminder::State::from_str_name(&format!("STATE_{}", name.to_ascii_uppercase()))
        .filter(|state| *state != v1::task_reminder::State::Unspecified)
        .ok_or("must be PENDING, FIRED, SENT, FAILED, MISSED, DISMISSED or CANCELLED")
}

fn delivery_state(name: &str) -> Result<v1::delivery::State, &'static str> {
    v1::delivery::State::from_str_name(&format!("STATE_{}", name.to_ascii_uppercase()))
        .filter(|state| *state != v1::delivery::State::Unspecified)
        .ok_or("must be PENDING, SENDING, SENT, FAILED, CANCELLED or UNKNOWN")
}
