//! What the API answers: tasks, occurrences, reminders, preferences and deliveries as the contract writes them.

mod notification;
mod reminder;

use chrono::SecondsFormat;
use chrono_tz::Tz;
use docket_domain::content::{Content, Due, Moment, Reminder};
use docket_domain::recurrence::{End, Next, Recurrence};
use docket_domain::{LetterState, State, Task};
use docket_proto::v1::create_task_request::OccurrenceOf;
use docket_proto::v1::{self, preview_occurrences_response as preview};

use crate::value::{self, duration, timestamp};

pub use notification::{
    channel_to_proto, delivery, delivery_state_to_proto, preferences, preferences_etag, unsubscribe_token,
};
pub use reminder::{reminder_state_to_proto, task_reminder};

/// Names a version of a task (AIP-154). Clients may compare it, and nothing else.
pub fn etag(task: &Task) -> String {
    format!("v{}", task.version)
}

/// Writes a task.
pub fn task_to_proto(task: &Task) -> v1::Task {
    let (state, complete_time) = match task.state {
        State::Open => (v1::task::State::Open, None),
        State::Completed { time, .. } => (v1::task::State::Completed, Some(timestamp(time))),
    };
    // A series goes by its name only while the task repeats.
    let series = task.series.as_ref().filter(|_| task.content.recurrence.is_some());
    v1::Task {
        task_id: task.id.to_string(),
        user_id: task.user_id.to_string(),
        state: state.into(),
        series_id: series.map(|series| series.id.to_string()).unwrap_or_default(),
        occurrence_time: series.map(|series| timestamp(series.occurrence_time)),
        version: task.version,
        etag: etag(task),
        create_time: Some(timestamp(task.create_time)),
        update_time: Some(timestamp(task.update_time)),
        complete_time,
        delete_time: task.delete_time.map(timestamp),
        purge_time: task.purge_time().map(timestamp),
        ..content_to_proto(&task.content)
    }
}

/// Writes what a user says about a task: a `v1::Task` in which the fields that a client can not write are empty. This is
/// what `CreateTask` takes.
pub fn content_to_proto(content: &Content) -> v1::Task {
    v1::Task {
        title: content.title.as_str().to_owned(),
        description: content.description.as_str().to_owned(),
        priority: value::priority_to(content.priority).into(),
        tags: content.tags.as_slice().to_vec(),
        due: content.due.map(|due| match due {
            Due::At(instant) => v1::task::Due::DueTime(timestamp(instant)),
            Due::On(day) => v1::task::Due::DueDate(day.to_string()),
        }),
        time_zone: content.time_zone.name().to_owned(),
        recurrence: content.recurrence.as_ref().map(recurrence),
        reminders: content.reminders.iter().map(reminder).collect(),
        ..v1::Task::default()
    }
}

/// Writes the call that gives a completed task its next occurrence; `None` unless its rule goes on.
///
/// Without a request id: that could only refuse a repetition whose bytes another version of Docket wrote.
pub fn next_to_proto(task: &Task) -> Option<v1::CreateTaskRequest> {
    let State::Completed { version, .. } = task.state else { return None };
    let content = task.next_content(task.next()?.due);
    Some(v1::CreateTaskRequest {
        task: Some(content_to_proto(&content)),
        occurrence_of: Some(OccurrenceOf { task_id: task.id.to_string(), version }),
        ..v1::CreateTaskRequest::default()
    })
}

/// Writes one instant of a rule; `zone` is that of the task.
pub fn occurrence_to_proto(next: &Next, zone: Tz) -> preview::Occurrence {
    let (due, local_time) = match next.due {
        Due::At(instant) => {
            let local = instant.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::AutoSi, false);
            (preview::occurrence::Due::DueTime(timestamp(instant)), local)
        }
        Due::On(day) => (preview::occurrence::Due::DueDate(day.to_string()), day.to_string()),
    };
    preview::Occurrence { due: Some(due), local_time }
}

/// Writes how it stands with a dead letter.
pub const fn letter_state_to_proto(state: LetterState) -> v1::dead_letter::State {
    value::letter_state_to(state)
}

fn recurrence(rule: &Recurrence) -> v1::Recurrence {
    v1::Recurrence {
        rule: Some(v1::recurrence::Rule::Pattern(value::pattern_to(rule.pattern).into())),
        interval: rule.interval.cast_signed(),
        anchor: value::anchor_to(rule.anchor).into(),
        month_end: value::month_end_to(rule.month_end).into(),
        missed: value::missed_to(rule.missed).into(),
        end: match rule.end {
            End::Never => None,
            End::Count(count) => Some(v1::recurrence::End::Count(count.cast_signed())),
            End::Until(until) => Some(v1::recurrence::End::Until(timestamp(until))),
        },
    }
}

fn reminder(reminder: &Reminder) -> v1::Reminder {
    v1::Reminder {
        moment: Some(match reminder.moment {
            Moment::Before(offset) => v1::reminder::Moment::Offset(duration(offset)),
            Moment::At(instant) => v1::reminder::Moment::RemindTime(timestamp(instant)),
        }),
        channels: reminder.channels.iter().map(|channel| value::channel_to(*channel).into()).collect(),
    }
}
