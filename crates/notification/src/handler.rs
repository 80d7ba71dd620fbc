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
use docket_store::inbox::Arrival;
use docket_store::notification::{Delivery as Known, NewDelivery, StoredPreferences};
use docket_store::outbox::{NewEvent, Trace};
use docket_store::{Store, Tx};
use docket_wire::reminder_event::{self, Outcome, ReminderNotice};
use serde_json::Value;

use crate::events::Events;
use crate::trace::Traces;

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

    /// Writes what is new of these, in one transaction of three statements however many there are; of two more when some go
    /// nowhere, or the ledger knows them.
    async fn write(&self, due: &[Read]) -> Result<(), HandlerError> {
        fail::fail_point!("notification-error", |_| Err(HandlerError::retry("failpoint")));
        let now = self.clock.now();
        let written: Result<bool, docket_store::Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let tells = self.write_in(tx, due, now).await?;
                    fail::fail_point!("in-handler-before-commit", |_| std::process::abort());
                    Ok(tells)
                })
            })
            .await;
        let tells = written.map_err(|error| HandlerError::of_database(error.is_refused(), error))?;
        self.store.deliveries_changed();
        if tells {
            self.store.outbox_appended();
        }
        Ok(())
    }

    /// Answers whether there are events to publish.
    async fn write_in(&self, tx: &Tx<'_>, due: &[Read], now: Instant) -> Result<bool, docket_store::Error> {
        let arrivals: Vec<Arrival> = due.iter().map(|due| due.arrival).collect();
        let begun = tx.inbox_begin_all(NAME, &arrivals, now).await?;
        let new: Vec<&Read> =
            due.iter().zip(&begun).filter(|(_, begun)| **begun).map(|(due, _)| due).collect();
        // A replay is looked at also when it begins nothing: what was told may have been lost.
        let again = due.iter().zip(&begun).filter(|(due, begun)| !**begun && due.arrival.replay.is_some());
        let again: Vec<String> = again.map(|(due, _)| due.subject()).collect();
        if new.is_empty() && again.is_empty() {
            return Ok(false);
        }
        let mut users: Vec<UserId> = new.iter().map(|due| due.notice.user_id.clone()).collect();
        users.sort();
        users.dedup();
        let preferences = tx.preferences_of(&users).await?;
        let Followed { rows, nowhere } = self.follow(&new, &preferences, now);
        // What was begun once is not begun again, whatever the user has said since then.
        let added: HashSet<String> = tx.deliveries_add(&rows).await?.into_iter().collect();
        let told = new.iter().map(|due| due.subject()).filter(|subject| !added.contains(subject));
        let known = tx.deliveries_about(told.chain(again).collect()).await?;
        let subjects: HashSet<&str> = known.iter().map(|row| row.subject.as_str()).collect();
        let nowhere = nowhere.into_iter().filter(|(due, _)| !subjects.contains(due.subject().as_str()));
        let to_tell = self.events(now);
        let mut events: Vec<NewEvent> = nowhere
            .map(|(due, outcomes)| to_tell.ended(due.notice.clone(), due.trace.clone(), outcomes))
            .collect();
        events.extend(to_tell.completed(&ended(&known), &Traces::new()));
        let tells = !events.is_empty();
        tx.outbox_append(events).await?;
        Ok(tells)
    }

    fn events(&self, now: Instant) -> Events<'_> {
        Events { topic: &self.events_topic, ids: self.ids.as_ref(), now }
    }

    /// The rows of reminders, and what is to be told of those that go nowhere.
    fn follow<'a>(
        &self,
        due: &[&'a Read],
        preferences: &HashMap<UserId, Option<StoredPreferences>>,
        now: Instant,
    ) -> Followed<'a> {
        let mut followed = Followed::default();
        let none = Preferences::default();
        for due in due {
            // While they can not be read, nothing is sent: see the desk.
            let preferences = preferences.get(&due.notice.user_id).and_then(Option::as_ref);
            let preferences = preferences.map_or(&none, |stored| &stored.preferences);
            let ways = preferences.ways(&due.notice.channels);
            if ways.is_empty() {
                followed.nowhere.push((due, nowhere(&due.notice, preferences, now)));
            }
            followed.rows.extend(ways.into_iter().map(|channel| self.row(due, channel, preferences, now)));
        }
        followed
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
        self.write(&HandlerError::read_all(deliveries, Read::of).await?).await
    }
}

/// What is to be done about reminders.
#[derive(Default)]
struct Followed<'a> {
    rows: Vec<NewDelivery>,
    nowhere: Vec<(&'a Read, Vec<Outcome>)>,
}

/// An event that was read.
struct Read {
    arrival: Arrival,
    notice: ReminderNotice,
    /// The event's data, as it came.
    content: Value,
    trace: Option<Trace>,
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
