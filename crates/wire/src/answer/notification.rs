//! Preferences and deliveries as the API answers them, and the token of the link that ends messages.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use docket_domain::content::Channel;
use docket_domain::notice::{Delivery, DeliveryKind, DeliveryState, Preferences};
use docket_domain::{Instant, WebhookUrl};
use docket_proto::v1;

use crate::value::{self, timestamp};

/// Names a version of a user's preferences (AIP-154), from 1; 0 stands for those that were never changed.
pub fn preferences_etag(version: i64) -> String {
    format!("p{version}")
}

/// Writes a user's preferences; `webhook_secret` only in the answer of the call that made it.
pub fn preferences(
    preferences: &Preferences,
    version: i64,
    update_time: Option<Instant>,
    webhook_secret: Option<&[u8; 32]>,
) -> v1::Preferences {
    v1::Preferences {
        time_zone: preferences.time_zone.name().to_owned(),
        all_day_time: preferences.all_day_time.to_string(),
        channels: channels(&preferences.channels),
        email: preferences.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default(),
        push_tokens: preferences.push_tokens.clone(),
        webhook_url: preferences.webhook.as_ref().map(WebhookUrl::as_str).unwrap_or_default().to_owned(),
        webhook_secret: webhook_secret.map(|secret| STANDARD.encode(secret)).unwrap_or_default(),
        quiet_hours: preferences.quiet_hours.map(|hours| v1::preferences::QuietHours {
            start: hours.start().to_string(),
            end: hours.end().to_string(),
        }),
        digest: preferences.digest.as_ref().map(|digest| v1::preferences::Digest {
            time: digest.time.to_string(),
            channels: channels(&digest.channels),
        }),
        locale: preferences.locale.name().to_owned(),
        unsubscribed_channels: channels(&preferences.unsubscribed),
        etag: preferences_etag(version),
        update_time: update_time.map(timestamp),
    }
}

/// Writes a row of the ledger.
pub fn delivery(delivery: &Delivery) -> v1::Delivery {
    v1::Delivery {
        delivery_id: delivery.id.to_string(),
        kind: kind(delivery.kind).into(),
        channel: value::channel_to(delivery.channel).into(),
        state: value::delivery_state_to(delivery.state).into(),
        reminder_id: delivery.reminder_id.map(|id| id.to_string()).unwrap_or_default(),
        task_id: delivery.task_id.map(|id| id.to_string()).unwrap_or_default(),
        title: delivery.title.clone(),
        remind_time: Some(timestamp(delivery.remind_time)),
        attempts: delivery.attempts,
        next_attempt_time: delivery.next_attempt.map(timestamp),
        postponed: delivery.postponed,
        reason: delivery.reason.clone().unwrap_or_default(),
        create_time: Some(timestamp(delivery.create_time)),
        finish_time: delivery.finish_time.map(timestamp),
    }
}

const fn kind(kind: DeliveryKind) -> v1::delivery::Kind {
    match kind {
        DeliveryKind::Reminder => v1::delivery::Kind::Reminder,
        DeliveryKind::Digest => v1::delivery::Kind::Digest,
        DeliveryKind::Test => v1::delivery::Kind::Test,
    }
}

/// Writes how it stands with a message.
pub const fn delivery_state_to_proto(state: DeliveryState) -> v1::delivery::State {
    value::delivery_state_to(state)
}

/// Writes a channel.
pub const fn channel_to_proto(channel: Channel) -> v1::reminder::Channel {
    value::channel_to(channel)
}

/// Writes the token of the link by which the user with this secret ends the messages of a channel: base64url of the secret
/// and the channel's number, without padding.
pub fn unsubscribe_token(secret: &[u8; 16], channel: Channel) -> String {
    // The numbers of the contract, of which there are a few.
    let channel = (value::channel_to(channel) as i32).to_le_bytes()[0];
    URL_SAFE_NO_PAD.encode([&secret[..], &[channel]].concat())
}

fn channels(channels: &[Channel]) -> Vec<i32> {
    channels.iter().map(|channel| value::channel_to(*channel).into()).collect()
}
