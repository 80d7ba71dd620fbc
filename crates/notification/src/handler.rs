//! Writes reminders whose moment has come into the ledger, one row for each channel.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::notice::DeliveryEnd;
use docket_domain::source::{Clock, Ids};
use docket_domain::{
    Channel, DeliveryId, DeliveryKind, Heard, Instant, Preferences, ReminderEventKind, UserId,
};
use docket_sidecar::{Delivery, HandlerError, TopicHandler};
use docket_store::Store;
use docket_store::inbox::Arrival;
use docket_store::notification::{Delivery as Known, NewDelivery, StoredPreferences};
use docket_store::outbox::{NewEvent, Trace};
use docket_wire::reminder_event::{self, Outcome, ReminderNotice};
use serde_json::Value;

use crate::events::Events;

/// Names the handler in the inbox.
const NAME: &str = "notification";

/// The handler of reminders whose moment has come.
pub struct Handler {
    store: Store,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    events_topic: String,
}

impl Handler {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>, events_topic: String) -> Self {
        Self { store, clock, ids, events_topic }
    }

    /// Writes what is new of these, in one transaction of five statements however many there are.
    async fn write(&self, due: &[Read]) -> Result<(), HandlerError> {
        fail::fail_point!("notification-error", |_| Err(HandlerError::retry("failpoint")));
        let now = self.clock.now();
        let arrivals: Vec<Arrival> = due.iter().map(|due| due.arrival).collect();
        let arrivals = &arrivals;
        let mut users: Vec<UserId> = due.iter().map(|due| due.notice.user_id.clone()).collect();
        users.sort();
        users.dedup();
        let users = &users;
        let written: Result<(), docket_store::Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let begun = tx.inbox_begin_all(NAME, arrivals, now).await?;
                    let come: Vec<(&Read, bool)> = due.iter().zip(begun).collect();
                    let new: Vec<&Read> =
                        come.iter().filter(|(_, begun)| *begun).map(|(due, _)| *due).collect();
                    // A replay is looked at also when it begins nothing: what was told may have been lost.
                    let told = come.iter().filter(|(due, begun)| *begun || due.arrival.replay.is_some());
                    let subjects: Vec<String> = told.map(|(due, _)| due.subject()).collect();
                    if subjects.is_empty() {
                        return Ok(());
                    }
                    let preferences = tx.preferences_of(users).await?;
                    let known = tx.deliveries_about(subjects).await?;
                    let (rows, mut events) = self.follow(&without(&new, &known), &preferences, now);
                    events.extend(self.events(now).completed(&ended(&known)));
                    tx.deliveries_add(&rows).await?;
                    tx.outbox_append(events).await?;
                    fail::fail_point!("in-handler-before-commit", |_| std::process::abort());
                    Ok(())
                })
            })
            .await;
        written.map_err(|error| HandlerError::of_database(error.is_refused(), error))?;
        self.store.deliveries_changed();
        self.store.outbox_appended();
        Ok(())
    }

    fn events(&self, now: Instant) -> Events<'_> {
        Events { topic: &self.events_topic, ids: self.ids.as_ref(), now }
    }

    /// The rows of reminders, and what is told at once of those that go nowhere.
    fn follow(
        &self,
        due: &[&Read],
        preferences: &HashMap<UserId, Option<StoredPreferences>>,
        now: Instant,
    ) -> (Vec<NewDelivery>, Vec<NewEvent>) {
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        let none = Preferences::default();
        let to_tell = self.events(now);
        for due in due {
            // While they can not be read, nothing is sent: see the desk.
            let preferences = preferences.get(&due.notice.user_id).and_then(Option::as_ref);
            let preferences = preferences.map_or(&none, |stored| &stored.preferences);
            let ways = preferences.ways(&due.notice.channels);
            if ways.is_empty() {
                let outcomes = nowhere(&due.notice, preferences, now);
                events.push(to_tell.ended(due.notice.clone(), due.trace.clone(), outcomes));
            }
            rows.extend(ways.into_iter().map(|channel| self.row(due, channel, preferences, now)));
        }
        (rows, events)
    }

    fn row(&self, due: &Read, channel: Channel, preferences: &Preferences, now: Instant) -> NewDelivery {
        let quiet = preferences.quiet_hours.and_then(|hours| hours.until(now, preferences.time_zone));
        NewDelivery {
            id: DeliveryId::from_uuid(self.ids.uuid()),
            kind: DeliveryKind::Reminder,
            subject: due.subject(),
            channel,
            user_id: due.notice.user_id.clone(),
            task_id: Some(due.notice.task_id),
            reminder_id: Some(due.notice.reminder_id),
            title: due.notice.title.clone(),
            content: due.content.clone(),
            remind_time: due.notice.remind_at,
            next_attempt: quiet.unwrap_or(now),
            postponed: quiet.is_some(),
            trace: due.trace.clone(),
            create_time: now,
        }
    }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.write(&[Read::of(delivery)?]).await
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        self.write(&HandlerError::read_all(deliveries, Read::of)?).await
    }
}

/// An event that was read.
struct Read {
    arrival: Arrival,
    notice: ReminderNotice,
    /// The event's data, as it came.
    content: Value,
    trace: Option<Trace>,
}

/// Those of these that the ledger knows nothing of. What was begun once is neither begun again nor said to go nowhere,
/// whatever the user has said since then.
fn without<'a>(due: &[&'a Read], known: &[Known]) -> Vec<&'a Read> {
    let known: HashSet<&str> = known.iter().map(|row| row.subject.as_str()).collect();
    due.iter().filter(|due| !known.contains(due.subject().as_str())).copied().collect()
}

/// The rows of those firings that have come to their end. They are told of again: a replay is asked for when something was
/// lost, and that may be what was told of them.
fn ended(known: &[Known]) -> Vec<Known> {
    let firings = known.chunk_by(|one, next| one.subject == next.subject);
    let ended = firings.filter(|firing| firing.iter().all(|row| row.finish_time.is_some()));
    ended.flatten().cloned().collect()
}

impl Read {
    /// What its rows are about.
    fn subject(&self) -> String {
        self.notice.reminder_id.to_string()
    }

    fn of(delivery: &Delivery) -> Result<Self, HandlerError> {
        match Heard::from_event_type(&delivery.event_type) {
            Some(Heard::Reminder(ReminderEventKind::Due)) => {}
            _ => return Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type))),
        }
        let notice = reminder_event::decode(&delivery.data).map_err(|source| HandlerError::Hopeless {
            reason: "the event can not be read".to_owned(),
            source: Some(source.into()),
        })?;
        let content = serde_json::from_slice(&delivery.data).map_err(HandlerError::retry)?;
        let replay = delivery.metadata.replay().map(|replay| replay.id);
        let trace = delivery.trace.clone();
        Ok(Self {
            arrival: Arrival { event: delivery.event_id, replay },
            notice,
            content,
            trace: trace.map(|trace| Trace { parent: trace.parent, state: trace.state }),
        })
    }
}

/// What became of a reminder on channels that the user has all unsubscribed from.
fn nowhere(notice: &ReminderNotice, preferences: &Preferences, now: Instant) -> Vec<Outcome> {
    let asked = if notice.channels.is_empty() { &preferences.channels } else { &notice.channels };
    let outcome = |channel: &Channel| Outcome {
        channel: *channel,
        result: DeliveryEnd::Cancelled,
        attempts: 0,
        reason: UNSUBSCRIBED.to_owned(),
        time: now,
    };
    asked.iter().map(outcome).collect()
}

/// Why nothing is sent on a channel.
pub(crate) const UNSUBSCRIBED: &str = "the user has unsubscribed from the channel";
