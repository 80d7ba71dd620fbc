//! Writes what is told of a reminder: events for the outbox.

use docket_domain::{EventId, Firing, Instant, ReminderEventKind, ReminderId, TaskReminder};
use docket_store::outbox::{NewEvent, Trace};
use docket_store::reminders::TaskSnapshot;
use docket_wire::reminder_event::{self, ReminderNotice};

/// The CloudEvents `source`.
const SOURCE: &str = "docket/reminders";

/// Says that the moment of a reminder has come. It is named by its firing, so it is the same one whenever it is written.
pub(crate) fn due(
    topic: &str,
    row: &TaskReminder,
    firing: Firing,
    task: &TaskSnapshot,
    trace: Option<Trace>,
) -> NewEvent {
    let id = EventId::from_uuid(firing.id.as_uuid());
    event(topic, ReminderEventKind::Due, firing.time, notice(id, row, Some(firing.time), task), trace)
}

/// Says that a reminder was found too late.
pub(crate) fn missed(
    topic: &str,
    row: &TaskReminder,
    id: ReminderId,
    now: Instant,
    task: &TaskSnapshot,
    trace: Option<Trace>,
) -> NewEvent {
    let id = EventId::from_uuid(id.as_uuid());
    event(topic, ReminderEventKind::Missed, now, notice(id, row, None, task), trace)
}

fn event(
    topic: &str,
    kind: ReminderEventKind,
    time: Instant,
    notice: ReminderNotice,
    trace: Option<Trace>,
) -> NewEvent {
    NewEvent {
        id: notice.id,
        topic: topic.to_owned(),
        key: notice.task_id.to_string(),
        event_type: kind.event_type(),
        source: SOURCE.to_owned(),
        payload: reminder_event::encode(&notice),
        trace,
        time,
    }
}

fn notice(
    id: EventId,
    row: &TaskReminder,
    fire_time: Option<Instant>,
    task: &TaskSnapshot,
) -> ReminderNotice {
    ReminderNotice {
        id,
        reminder_id: ReminderId::from_uuid(id.as_uuid()),
        task_id: row.task_id,
        user_id: row.user_id.clone(),
        task_version: task.version,
        number: row.number,
        title: task.title.as_str().to_owned(),
        priority: task.priority,
        due: task.due,
        time_zone: task.time_zone,
        remind_at: row.remind_at,
        fire_time,
        channels: row.channels.clone(),
        outcomes: Vec::new(),
        called_off: false,
    }
}
