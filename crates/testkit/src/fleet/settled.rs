//! Whether anything is still on its way in a deployment, wherever it runs.

use docket_domain::LetterState;
use docket_store::Schema;
use docket_store::dead_letters::{Filter, Listing};

use super::Role;
use crate::components::dead_letter_topic;
use crate::kafka::{Access, Client, Error};
use crate::storage::Opened;

/// Where something can be on its way: between a deployment of every target, its database and its broker.
#[derive(Clone, Debug)]
pub struct Underway {
    /// The database, as the login that serves.
    pub database: String,
    /// The broker.
    pub broker: Access,
    /// The groups in which the sidecars consume, each with its topic: see [`groups`].
    pub groups: Vec<(String, String)>,
}

/// The groups in which sidecars consume, each with its topic. A target without an app-id has none.
pub fn groups(
    app_id: impl Fn(Role) -> Option<String>,
    events: &str,
    reminders: &str,
) -> Vec<(String, String)> {
    let letters = || app_id(Role::DeadLetters).map(|app| format!("{app}-dead-letters"));
    let groups = [
        (app_id(Role::Audit), events.to_owned()),
        (app_id(Role::Recurrence), events.to_owned()),
        (app_id(Role::Reminders), events.to_owned()),
        (app_id(Role::Notification).map(|app| format!("{app}-reminders")), reminders.to_owned()),
        (letters(), dead_letter_topic(events)),
        (letters(), dead_letter_topic(reminders)),
    ];
    groups.into_iter().filter_map(|(group, topic)| Some((group?, topic))).collect()
}

impl Underway {
    /// Whether nothing is on its way, and so many dead letters are open; else an error that says what is: events in
    /// outboxes, records that a group has not consumed, or another number of open letters.
    pub async fn settled(&self, letters: u64) -> Result<(), String> {
        // Twice, because what is consumed may write to an outbox, and from there to a topic that was looked at before.
        for _ in 0..2 {
            self.outboxes(letters).await?;
            self.lag().await?;
        }
        self.outboxes(letters).await
    }

    /// How many dead letters are open.
    pub async fn letters(&self) -> Result<u64, String> {
        self.counts().await.map(|(_depth, open)| open)
    }

    async fn outboxes(&self, letters: u64) -> Result<(), String> {
        match self.counts().await? {
            (0, open) if open == letters => Ok(()),
            (0, open) => Err(format!("{open} open dead letters, not {letters}")),
            (depth, _) => Err(format!("{depth} events in outboxes")),
        }
    }

    /// How many events are in outboxes, and how many dead letters are open.
    async fn counts(&self) -> Result<(u64, u64), String> {
        let failed = |error: docket_store::Error| error.to_string();
        let database = Opened::at(self.database.clone()).await.map_err(failed)?;
        let counts = async {
            let depth = database.depth().await?;
            let filter = Filter { states: vec![LetterState::Open], ..Filter::default() };
            let open = Listing { filter, limit: u32::MAX, ..Listing::default() };
            let (open, _more) = database.of(Schema::DeadLetters).letter_list(&open).await?;
            Ok((depth, open.len() as u64))
        };
        let counts = counts.await.map_err(failed);
        database.close().await;
        counts
    }

    async fn lag(&self) -> Result<(), String> {
        let failed = |error: Error| error.to_string();
        let mut client = Client::connect(&self.broker).await.map_err(failed)?;
        for (group, topic) in &self.groups {
            let lag = client.lag(group, topic).await.map_err(failed)?;
            if lag.values().any(|lag| *lag != 0) {
                return Err(format!("group {group} is behind on {topic}: {lag:?} by partition"));
            }
        }
        Ok(())
    }
}
