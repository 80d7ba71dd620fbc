//! Target `notification`: reminders reach people, and a ledger proves it.
#![doc = include_str!("../README.md")]

mod channel;
mod clean;
mod config;
mod desk;
mod digest;
mod error;
mod events;
mod handler;
mod hold;
mod lane;
mod metrics;
mod news;
mod owner;
mod probe;
mod render;
mod sender;
mod service;
#[cfg(test)]
mod tests;
mod trace;
mod verdict;
mod words;

use std::sync::Arc;

use docket_domain::source::{Clock, Ids};
use docket_proto::v1::notification_service_server::NotificationServiceServer;
use docket_rpc::ServiceToken;
use docket_sidecar::{Client, InvalidAppId, Jitter};
use docket_store::Store;
use docket_telemetry::instruments::Meter;

pub use config::{Config, Email, EmailKind, Push, PushKind, Unknown, Webhook, WebhookKind};
pub use error::Error;
pub use handler::Handler;
pub use sender::Sender;
pub use service::Service;

use channel::Bindings;
use desk::Desk;
use digest::Digests;
use lane::Lane;
use metrics::Metrics;
use owner::Remote;
use render::Renderer;

/// Answers bytes that nobody can guess.
pub type Random = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// What the target needs.
pub struct Deps {
    /// The database.
    pub store: Store,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Arc<dyn Ids>,
    /// Answers random numbers from 0 to 1.
    pub jitter: Jitter,
    /// Makes secrets: of webhooks, and of the links in messages.
    pub random: Random,
    /// The sidecar.
    pub client: Client,
    /// What the service calls with; none where there is no sidecar to call through.
    pub token: Option<Arc<ServiceToken>>,
    /// The topic of task events, where it is told what became of reminders.
    pub events_topic: String,
    /// Makes the instruments of the target's figures.
    pub meter: Meter,
}

/// The parts of the target.
pub struct Notification {
    /// The handler, to be subscribed to the topic of reminders whose moment has come.
    pub handler: Arc<Handler>,
    /// The service, to be added to a server.
    pub service: NotificationServiceServer<Service>,
    /// Sends; to be run.
    pub sender: Sender,
}

/// Why the target can not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration is wrong; [`Config::check`] says so beforehand.
    #[error("notification.{0}")]
    Config(String),
    /// An app id can not be sent.
    #[error("notification: an app id is wrong")]
    AppId(#[from] InvalidAppId),
    /// A template is wrong.
    #[error("notification: a template is wrong")]
    Template(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Config {
    /// The parts of the target.
    pub fn build(self, deps: Deps) -> Result<Notification, BuildError> {
        self.check().map_err(BuildError::Config)?;
        let public_url = self.public_url.as_deref().map(config::page).transpose();
        let public_url = public_url.map_err(|rule| BuildError::Config(format!("public_url {rule}")))?;
        let Deps { store, clock, ids, jitter, random, client, token, events_topic, meter } = deps;
        let remote = Arc::new(Remote::new(
            client.channel_for(&self.reminders_app_id)?,
            client.channel_for(&self.tasks_app_id)?,
            token,
        ));
        let bindings: Arc<dyn Bindings> = Arc::new(client);
        let desk = Desk {
            channels: channel::channels(&self, &bindings),
            renderer: Renderer::new(public_url).map_err(|error| BuildError::Template(Box::new(error)))?,
            config: self,
            store: store.clone(),
            clock: clock.clone(),
            jitter,
            owner: remote.clone(),
            agendas: remote,
            hold: Default::default(),
            metrics: Metrics::new(&meter),
        };
        let lane = Lane {
            desk,
            ids: ids.clone(),
            events_topic: events_topic.clone(),
            missing: Default::default(),
            news: Default::default(),
        };
        Ok(assemble(Arc::new(lane), bindings, random))
    }
}

fn assemble(lane: Arc<Lane>, bindings: Arc<dyn Bindings>, random: Random) -> Notification {
    let (store, clock, ids) = (lane.desk.store.clone(), lane.desk.clock.clone(), lane.ids.clone());
    let handler = Handler::new(store.clone(), clock.clone(), ids.clone(), lane.events_topic.clone());
    let digests = Digests { store, clock, ids };
    Notification {
        handler: Arc::new(handler),
        service: NotificationServiceServer::new(Service::new(lane.clone(), random)),
        sender: Sender { lane, digests, bindings },
    }
}
