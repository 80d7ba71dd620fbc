//! The targets that remind people: one knows when, the other tells them.

use std::sync::Arc;

use docket_notification::{Notification, Sender};
use docket_reminders::{Alarms, Reminders};
use docket_store::Schema;

use super::Shared;
use crate::config::Config;
use crate::target::Target;

/// Those of them that this process runs.
pub(super) struct Reminding {
    pub(super) reminders: Option<Reminders>,
    pub(super) notification: Option<Notification>,
}

/// What they do without being asked.
#[derive(Default)]
pub(super) struct Loops {
    pub(super) alarms: Option<Alarms>,
    pub(super) sender: Option<Sender>,
}

impl Reminding {
    pub(super) fn build(config: &Config, shared: &Shared) -> anyhow::Result<Self> {
        let reminders = config.runs(Target::Reminders).then(|| {
            let deps = docket_reminders::Deps {
                store: shared.stores.of(Schema::Reminders),
                clock: shared.clock.clone(),
                ids: shared.ids.clone(),
                jitter: shared.jitter.clone(),
                client: shared.client.clone(),
                events_topic: config.tasks.topic.clone(),
                meter: shared.meters.meter("docket-reminders"),
            };
            config.reminders.clone().build(deps)
        });
        let notification = config.runs(Target::Notification).then(|| {
            let deps = docket_notification::Deps {
                store: shared.stores.of(Schema::Notification),
                clock: shared.clock.clone(),
                ids: shared.ids.clone(),
                jitter: shared.jitter.clone(),
                client: shared.client.clone(),
                token: shared.identity.service_token.clone(),
                random: Arc::new(rand::random::<[u8; 32]>),
                events_topic: config.tasks.topic.clone(),
                meter: shared.meters.meter("docket-notification"),
            };
            config.notification.clone().build(deps)
        });
        Ok(Self { reminders, notification: notification.transpose()? })
    }

    pub(super) fn loops(self) -> Loops {
        Loops {
            alarms: self.reminders.map(|reminders| reminders.alarms),
            sender: self.notification.map(|notification| notification.sender),
        }
    }
}
