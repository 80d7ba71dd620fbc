//! The ways to a user, and what becomes of a message on each of them.

mod answer;
pub(crate) mod email;
mod log;
pub(crate) mod push;
pub(crate) mod smtp;
pub(crate) mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use docket_domain::content::Channel as Way;
use docket_domain::{DeliveryId, Instant, Preferences, UserId};
use docket_sidecar::{BindingAnswer, BindingCall, Client, Error};
use docket_store::notification::StoredPreferences;

use crate::config::{Config, EmailKind, PushKind, WebhookKind};
use crate::render::Message;

/// A message on its way to a user.
#[derive(Clone, Copy)]
pub(crate) struct Parcel<'a> {
    /// The same however often it is sent.
    pub(crate) id: DeliveryId,
    pub(crate) user: &'a UserId,
    pub(crate) to: &'a Recipient,
    pub(crate) message: &'a Message,
    pub(crate) now: Instant,
    /// The last moment at which the call may begin.
    pub(crate) begin_by: tokio::time::Instant,
}

/// How a user wants to be told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recipient {
    pub(crate) preferences: Preferences,
    /// Signs the requests to the user's webhook.
    pub(crate) webhook_secret: Option<[u8; 32]>,
    /// Names the user in links; none for one who has said nothing yet.
    pub(crate) unsubscribe: Option<[u8; 16]>,
}

impl Recipient {
    /// A user with these preferences, or with none.
    pub(crate) fn of(stored: Option<StoredPreferences>) -> Self {
        stored.map_or_else(Self::default, |stored| Self {
            preferences: stored.preferences,
            webhook_secret: stored.webhook_secret,
            unsubscribe: Some(stored.unsubscribe),
        })
    }
}

/// What became of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The channel took it.
    Sent,
    /// The channel did not, and may take it later. Nothing went out.
    Later(String),
    /// The channel does not take what the server shows of itself: an operator's mistake, which is not the message's.
    Denied(String),
    /// The channel will not take it, however often it is tried.
    Refused(String),
    /// It may have gone out.
    Unknown(String),
    /// It was too late to begin. Nothing went out.
    NotBegun,
    /// The sidecar does not have the output binding: an operator's mistake, which is not the message's.
    Missing {
        /// The binding.
        binding: String,
    },
}

impl Outcome {
    /// What it is called in traces and figures, while the message waits for another attempt.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Later(_) => "again",
            Self::Denied(_) => "denied",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
            Self::NotBegun => "waits",
            Self::Missing { .. } => "missing",
        }
    }
}

/// A way to users.
#[async_trait]
pub(crate) trait Channel: Send + Sync + 'static {
    /// How many messages may be on their way at the same time.
    fn in_flight(&self) -> usize;

    /// Whether the user has said where messages go, as far as this way wants to know.
    fn has_address(&self, to: &Recipient) -> bool;

    /// Whether only the user reads what goes this way.
    fn is_private(&self) -> bool {
        true
    }

    /// Sends a message. Not cancelled once it has begun.
    async fn send(&self, parcel: Parcel<'_>) -> Outcome;
}

/// The output bindings of the sidecar.
#[async_trait]
pub(crate) trait Bindings: Send + Sync + 'static {
    /// Calls one.
    async fn call(&self, call: BindingCall<'_>) -> Result<BindingAnswer, Error>;

    /// The names of the components that the sidecar has loaded; an answer also means that it is not frozen.
    async fn components(&self) -> Result<Vec<String>, Error>;
}

#[async_trait]
impl Bindings for Client {
    async fn call(&self, call: BindingCall<'_>) -> Result<BindingAnswer, Error> {
        self.invoke_binding(call).await
    }

    async fn components(&self) -> Result<Vec<String>, Error> {
        Client::components(self).await
    }
}

/// A binding, and how long a call of it may take.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) bindings: Arc<dyn Bindings>,
    pub(crate) name: String,
    pub(crate) deadline: Duration,
}

/// The ways that are configured.
pub(crate) type Channels = BTreeMap<Way, Arc<dyn Channel>>;

/// The ways that the configuration offers.
pub(crate) fn channels(config: &Config, bindings: &Arc<dyn Bindings>) -> Channels {
    let in_flight = config.max_in_flight;
    let binding = |name: &str| Binding {
        bindings: bindings.clone(),
        name: name.to_owned(),
        deadline: config.send_time(),
    };
    let email: Arc<dyn Channel> = match config.email.kind {
        EmailKind::Log => Arc::new(log::Log::new(Way::Email)),
        EmailKind::Smtp => Arc::new(smtp::Smtp::new(binding(&config.email.binding), &config.email.from)),
        EmailKind::Sendgrid => {
            Arc::new(email::Sendgrid::new(binding(&config.email.binding), &config.email.from, in_flight))
        }
    };
    let push: Option<Arc<dyn Channel>> = match config.push_kind() {
        PushKind::Log => Some(Arc::new(log::Log::new(Way::Push))),
        PushKind::Fcm => Some(Arc::new(push::Fcm::new(binding(&config.push.binding), in_flight))),
        PushKind::Off => None,
    };
    let webhook: Option<Arc<dyn Channel>> = match config.webhook_kind() {
        WebhookKind::Log => Some(Arc::new(log::Log::new(Way::Webhook))),
        WebhookKind::Http => {
            let origins = config.webhook.origins();
            let origins = origins.into_iter().map(|(origin, name)| (origin, binding(&name))).collect();
            Some(Arc::new(webhook::Http::new(origins, in_flight)))
        }
        WebhookKind::Off => None,
    };
    let ways = [(Way::Email, Some(email)), (Way::Push, push), (Way::Webhook, webhook)];
    ways.into_iter().filter_map(|(way, channel)| Some((way, channel?))).collect()
}
