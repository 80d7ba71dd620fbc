//! Reminders as the API answers them.

use docket_domain::{Instant, ReminderState, TaskReminder};
use docket_proto::v1;

use crate::value::{self, timestamp};

/// Writes a reminder of a task that is called `title`; `due_time` is the moment that its reminders are counted from.
pub fn task_reminder(row: &TaskReminder, title: &str, due_time: Option<Instant>) -> v1::TaskReminder {
    v1::TaskReminder {
        task_id: row.task_id.to_string(),
        number: row.number.get(),
        title: title.to_owned(),
        remind_time: Some(timestamp(row.remind_at)),
        due_time: due_time.map(timestamp),
        state: reminder_state_to_proto(row.state).into(),
        channels: row.channels.iter().map(|channel| value::channel_to(*channel).into()).collect(),
        snoozed: row.snoozed,
        fire_time: row.firing.map(|firing| timestamp(firing.time)),
        reminder_id: row.firing.map(|firing| firing.id.to_string()).unwrap_or_default(),
        update_time: Some(timestamp(row.update_time)),
    }
}

/// Writes how it stands with a reminder.
pub const fn reminder_state_to_proto(state: ReminderState) -> v1::task_reminder::State {
    value::reminder_state_to(state)
}
