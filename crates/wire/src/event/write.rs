//! Changes as events.

use std::collections::BTreeSet;

use docket_domain::content::{Due, Moment, Reminder};
use docket_domain::recurrence::End;
use docket_domain::{Change, EventId, Series, State, Task};
use docket_proto::event;
use serde_json::{Map, Value};

use super::{SCHEMA_VERSION, mapping};
use crate::value::{self, duration, timestamp};

pub(super) fn event(change: &Change, event_id: EventId) -> Value {
    mapping::write(&message(change, event_id))
}

fn message(change: &Change, event_id: EventId) -> event::TaskEvent {
    let after = &change.after;
    let payload = payload(after);
    let difference = change.before.as_ref().map(|before| difference(&self::payload(before), &payload));
    let (previous, changed_fields) = difference.unzip();
    event::TaskEvent {
        schema_version: SCHEMA_VERSION,
        task_id: after.id.to_string(),
        user_id: after.user_id.to_string(),
        sequence: after.version,
        idempotency_key: event_id.to_string(),
        payload: Some(payload),
        previous,
        changed_fields: changed_fields.unwrap_or_default(),
    }
}

/// What `before` had in the fields in which `after` differs, and their names in alphabetical order. Compared as JSON, so
/// that a field which is added to the payload can not be forgotten here.
fn difference(before: &event::TaskPayload, after: &event::TaskPayload) -> (event::TaskPayload, Vec<String>) {
    let (mut before, after) = (fields(before), fields(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed: Vec<String> =
        names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect();
    before.retain(|name, _| changed.contains(name));
    let previous = serde_json::from_value(Value::Object(before));
    (previous.expect("some fields of a payload are a payload"), changed)
}

fn fields(payload: &event::TaskPayload) -> Map<String, Value> {
    match serde_json::to_value(payload) {
        Ok(Value::Object(fields)) => fields,
        // A message maps to an object, and domain values always have a mapping.
        _ => unreachable!("a payload made from domain values maps to a JSON object"),
    }
}

fn payload(task: &Task) -> event::TaskPayload {
    let content = &task.content;
    let (status, complete_time) = match task.state {
        State::Open => (event::TaskStatus::Open, None),
        State::Completed { time, .. } => (event::TaskStatus::Completed, Some(timestamp(time))),
    };
    let (due_time, due_date) = match content.due {
        None => (None, String::new()),
        Some(Due::At(instant)) => (Some(timestamp(instant)), String::new()),
        Some(Due::On(day)) => (None, day.to_string()),
    };
    let mut payload = event::TaskPayload {
        title: content.title.as_str().to_owned(),
        description: content.description.as_str().to_owned(),
        status: status.into(),
        priority: value::event_priority_to(content.priority).into(),
        tags: content.tags.as_slice().to_vec(),
        due_time,
        due_date,
        time_zone: content.time_zone.name().to_owned(),
        reminders: content.reminders.iter().map(reminder).collect(),
        series: task.series.as_ref().map(series),
        complete_time,
        delete_time: task.delete_time.map(timestamp),
        create_time: Some(timestamp(task.create_time)),
        update_time: Some(timestamp(task.update_time)),
        ..event::TaskPayload::default()
    };
    if let Some(rule) = &content.recurrence {
        payload.recurring_pattern = value::event_pattern_to(rule.pattern).into();
        payload.recurring_interval = rule.interval.cast_signed();
        payload.recurring_anchor = value::event_anchor_to(rule.anchor).into();
        payload.recurring_month_end = value::event_month_end_to(rule.month_end).into();
        payload.recurring_missed = value::event_missed_to(rule.missed).into();
        match rule.end {
            End::Never => {}
            End::Count(count) => payload.recurring_count = count.cast_signed(),
            End::Until(until) => payload.recurring_until = Some(timestamp(until)),
        }
    }
    payload
}

fn series(series: &Series) -> event::SeriesPosition {
    event::SeriesPosition {
        series_id: series.id.to_string(),
        occurrence_time: Some(timestamp(series.occurrence_time)),
        start: series.start.to_string(),
        start_index: series.start_index.cast_signed(),
        index: series.index.cast_signed(),
    }
}

fn reminder(reminder: &Reminder) -> event::TaskReminder {
    let (offset, remind_time) = match reminder.moment {
        Moment::Before(offset) => (Some(duration(offset)), None),
        Moment::At(instant) => (None, Some(timestamp(instant))),
    };
    let channels = reminder.channels.iter().map(|channel| value::event_channel_to(*channel).into()).collect();
    event::TaskReminder { offset, remind_time, channels }
}
