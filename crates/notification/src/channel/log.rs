//! Into the log: what the embedded default does, so that reminders are seen in the terminal.

use async_trait::async_trait;
use docket_domain::content::Channel as Way;

use super::{Channel, Outcome, Parcel, Recipient};
use crate::clean::one_line;

/// Writes a message as one line.
pub(crate) struct Log {
    way: Way,
}

impl Log {
    pub(crate) fn new(way: Way) -> Self {
        Self { way }
    }
}

/// How many messages are written at a time: nothing is waited for.
const IN_FLIGHT: usize = 64;

#[async_trait]
impl Channel for Log {
    fn in_flight(&self) -> usize {
        IN_FLIGHT
    }

    fn has_address(&self, _: &Recipient) -> bool {
        true
    }

    /// Whoever reads the log could follow a link that is meant for the user.
    fn is_private(&self) -> bool {
        false
    }

    async fn send(&self, parcel: Parcel<'_>) -> Outcome {
        let (subject, text) = (&parcel.message.subject, one_line(&parcel.message.text));
        let (user, delivery, channel) = (parcel.user.as_str(), parcel.id.to_string(), self.way.name());
        tracing::info!(target: "docket::notice", user, delivery, channel, "{subject}: {text}");
        Outcome::Sent
    }
}
