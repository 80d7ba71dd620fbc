//! How a user wants to be told, and how it stands with what was sent.

use chrono_tz::Tz;

use crate::{
    Channel, ClockTime, DeliveryId, EmailAddress, Instant, QuietHours, ReminderId, TaskId, WebhookUrl,
};

/// The language of messages.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Locale {
    /// English.
    #[default]
    En,
    /// German.
    De,
}

impl Locale {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::En, Self::De];

    /// The language's tag (BCP 47): `en` or `de`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The language with this tag.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.name() == name)
    }
}

/// A daily summary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    /// At which time of day, by the clock of the user's zone.
    pub time: ClockTime,
    /// The ways to use; empty for those that the user prefers.
    pub channels: Vec<Channel>,
}

/// How a user wants to be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Preferences {
    /// The zone of quiet hours and digest.
    pub time_zone: Tz,
    /// The time of day from which reminders of all-day tasks are counted, by the task's own clock.
    pub all_day_time: ClockTime,
    /// The ways to use where a reminder names none; at least one.
    pub channels: Vec<Channel>,
    /// Where mail goes.
    pub email: Option<EmailAddress>,
    /// Where push messages go.
    pub push_tokens: Vec<String>,
    /// Where signed requests go.
    pub webhook: Option<WebhookUrl>,
    /// When not to disturb.
    pub quiet_hours: Option<QuietHours>,
    /// The daily summary.
    pub digest: Option<Digest>,
    /// The language of messages.
    pub locale: Locale,
    /// Channels on which nothing is sent any more.
    pub unsubscribed: Vec<Channel>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            time_zone: Tz::UTC,
            all_day_time: ClockTime::NINE,
            channels: vec![Channel::Email],
            email: None,
            push_tokens: Vec::new(),
            webhook: None,
            quiet_hours: None,
            digest: None,
            locale: Locale::default(),
            unsubscribed: Vec::new(),
        }
    }
}

impl Preferences {
    /// The most push tokens.
    pub const MAX_PUSH_TOKENS: usize = 10;
    /// The most bytes of a push token.
    pub const MAX_PUSH_TOKEN_BYTES: usize = 4_096;

    /// The ways on which a message goes out that asks for `asked`, which is empty for the preferred ones: without those
    /// that the user has unsubscribed from.
    pub fn ways(&self, asked: &[Channel]) -> Vec<Channel> {
        let wanted = if asked.is_empty() { &self.channels } else { asked };
        Channel::ALL
            .into_iter()
            .filter(|channel| wanted.contains(channel) && !self.unsubscribed.contains(channel))
            .collect()
    }

    /// Whether the user has said where messages of this channel go.
    pub fn has_address(&self, channel: Channel) -> bool {
        match channel {
            Channel::Email => self.email.is_some(),
            Channel::Push => !self.push_tokens.is_empty(),
            Channel::Webhook => self.webhook.is_some(),
        }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DeliveryKind {
    /// A reminder.
    Reminder,
    /// A daily summary.
    Digest,
    /// Nothing: it says that it is a test.
    Test,
}

impl DeliveryKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Reminder, Self::Digest, Self::Test];

    /// Its name, as stored and as told: `REMINDER`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reminder => "REMINDER",
            Self::Digest => "DIGEST",
            Self::Test => "TEST",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How it stands with a message.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DeliveryState {
    /// To be sent, for the first time or again.
    Pending,
    /// Being sent.
    Sending,
    /// The channel took it.
    Sent,
    /// The channel refused it for good, or too often.
    Failed,
    /// Not to be sent any more.
    Cancelled,
    /// Nobody knows whether the channel took it, and it is not sent again.
    Unknown,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sending, Self::Sent, Self::Failed, Self::Cancelled, Self::Unknown];

    /// Its name, as stored and as told: `PENDING`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sending => "SENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// How it ended; `None` while something may come after it.
    pub const fn end(self) -> Option<DeliveryEnd> {
        match self {
            Self::Pending | Self::Sending => None,
            Self::Sent => Some(DeliveryEnd::Sent),
            Self::Failed => Some(DeliveryEnd::Failed),
            Self::Cancelled => Some(DeliveryEnd::Cancelled),
            Self::Unknown => Some(DeliveryEnd::Unknown),
        }
    }

    /// Whether nothing comes after it.
    pub const fn is_final(self) -> bool {
        self.end().is_some()
    }
}

/// How a message ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum DeliveryEnd {
    /// The channel took it.
    Sent,
    /// The channel refused it for good, or too often.
    Failed,
    /// It was not to be sent any more.
    Cancelled,
    /// Nobody knows whether the channel took it.
    Unknown,
}

/// One message to a user on one channel, as the user is told of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Names it.
    pub id: DeliveryId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// How it goes out.
    pub channel: Channel,
    /// How it stands.
    pub state: DeliveryState,
    /// The firing that it tells of.
    pub reminder_id: Option<ReminderId>,
    /// The task that it tells of.
    pub task_id: Option<TaskId>,
    /// Its title.
    pub title: String,
    /// The moment that it was asked for.
    pub remind_time: Instant,
    /// How often somebody set about sending it; also when it was put off, cancelled or cut short then.
    pub attempts: i32,
    /// When it is tried next.
    pub next_attempt: Option<Instant>,
    /// Whether quiet hours have put it off.
    pub postponed: bool,
    /// What the last attempt that failed was told, or why it was cancelled.
    pub reason: Option<String>,
    /// When it was written into the ledger.
    pub create_time: Instant,
    /// When it came to its end.
    pub finish_time: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again() {
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::from_name(state.name()), Some(state));
            assert_eq!(state.is_final(), !matches!(state, DeliveryState::Pending | DeliveryState::Sending));
        }
        for kind in DeliveryKind::ALL {
            assert_eq!(DeliveryKind::from_name(kind.name()), Some(kind));
        }
        for locale in Locale::ALL {
            assert_eq!(Locale::from_name(locale.name()), Some(locale));
        }
        for channel in Channel::ALL {
            assert_eq!(Channel::from_name(channel.name()), Some(channel));
        }
        assert_eq!((DeliveryState::from_name("sent"), Locale::from_name("EN")), (None, None));
    }

    #[test]
    fn a_message_goes_where_its_owner_still_wants_it() {
        use Channel::{Email, Push, Webhook};
        let preferences = Preferences {
            channels: vec![Push, Email],
            unsubscribed: vec![Push],
            push_tokens: vec!["t".to_owned()],
            ..Preferences::default()
        };
        assert_eq!(preferences.ways(&[]), [Email]);
        assert_eq!(preferences.ways(&[Webhook, Push, Email, Webhook]), [Email, Webhook], "each once");
        assert_eq!(preferences.ways(&[Push]), []);
        assert_eq!(Channel::ALL.map(|channel| preferences.has_address(channel)), [false, true, false]);
    }
}
