//! What others are told: what became of a reminder, and that preferences have changed.

use docket_domain::event::PREFERENCES_UPDATED;
use docket_domain::source::Ids;
use docket_domain::{DeliveryState, EventId, Instant, ReminderEventKind, UserId};
use docket_store::notification::{Delivery, StoredPreferences};
use docket_store::outbox::{NewEvent, Trace};
use docket_wire::preferences_event::{self, PreferencesNotice};
use docket_wire::reminder_event::{self, Outcome, ReminderNotice};

use crate::trace::Traces;

/// The CloudEvents `source` of everything that this target publishes.
const SOURCE: &str = "docket/notification";

/// Why a message is not sent whose reminder does not stand any more, or whose task is over.
pub(crate) const CALLED_OFF: &str = "the reminder does not stand any more";

/// Makes events for the topic of task events.
pub(crate) struct Events<'a> {
    pub(crate) topic: &'a str,
    pub(crate) ids: &'a dyn Ids,
    pub(crate) now: Instant,
}

impl Events<'_> {
    /// One event for each firing whose messages have all come to their end: these are all messages of each of them, firing by
    /// firing. It goes on with the trace of one that has just ended, or else with that in which the messages were asked for.
    pub(crate) fn completed(&self, deliveries: &[Delivery], traces: &Traces) -> Vec<NewEvent> {
        let firings = deliveries.chunk_by(|one, next| one.reminder_id == next.reminder_id);
        firings.filter_map(|firing| self.completed_firing(firing, traces)).collect()
    }

    fn completed_firing(&self, firing: &[Delivery], traces: &Traces) -> Option<NewEvent> {
        let first = firing.first()?;
        // What was written here can be read here, unless somebody else wrote it.
        let notice = match reminder_event::decode(first.content.to_string().as_bytes()) {
            Ok(notice) => notice,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, delivery.id = %first.id, "a row of the ledger can not be told of");
                return None;
            }
        };
        let notice = ReminderNotice { called_off: firing.iter().any(is_called_off), ..notice };
        let trace = firing.iter().find_map(|row| traces.get(&row.id)).or(first.trace.as_ref());
        Some(self.ended(notice, trace.cloned(), firing.iter().filter_map(outcome).collect()))
    }

    /// A firing that has come to its end. What has reached somebody was not called off.
    pub(crate) fn ended(
        &self,
        due: ReminderNotice,
        trace: Option<Trace>,
        outcomes: Vec<Outcome>,
    ) -> NewEvent {
        let is_sent =
            outcomes.iter().any(|outcome| outcome.result == docket_domain::notice::DeliveryEnd::Sent);
        let kind = if is_sent { ReminderEventKind::Sent } else { ReminderEventKind::Failed };
        let id = self.id();
        let notice = ReminderNotice { id, outcomes, called_off: due.called_off && !is_sent, ..due };
        NewEvent {
            id,
            topic: self.topic.to_owned(),
            key: notice.task_id.to_string(),
            event_type: kind.event_type(),
            source: SOURCE.to_owned(),
            payload: reminder_event::encode(&notice),
            trace,
            time: self.now,
        }
    }

    /// Changed preferences.
    pub(crate) fn preferences(
        &self,
        user: &UserId,
        stored: &StoredPreferences,
        trace: Option<Trace>,
    ) -> NewEvent {
        let id = self.id();
        let notice = PreferencesNotice {
            id,
            user_id: user.clone(),
            sequence: stored.version,
            all_day_time: stored.preferences.all_day_time,
        };
        NewEvent {
            id,
            topic: self.topic.to_owned(),
            key: user.to_string(),
            event_type: PREFERENCES_UPDATED,
            source: SOURCE.to_owned(),
            payload: preferences_event::encode(&notice),
            trace,
            time: self.now,
        }
    }

    fn id(&self) -> EventId {
        EventId::from_uuid(self.ids.uuid())
    }
}

/// Whether a message was not sent because its reminder was over. The reason says so, and nothing else gives it.
fn is_called_off(delivery: &Delivery) -> bool {
    delivery.state == DeliveryState::Cancelled && delivery.reason.as_deref() == Some(CALLED_OFF)
}

fn outcome(delivery: &Delivery) -> Option<Outcome> {
    Some(Outcome {
        channel: delivery.channel,
        result: delivery.state.end()?,
        attempts: delivery.attempts,
        reason: match delivery.state {
            // What an earlier attempt was told is over.
            DeliveryState::Sent => String::new(),
            _ => delivery.reason.clone().unwrap_or_default(),
        },
        time: delivery.finish_time?,
    })
}
