//! Events as tasks. Read strictly: Docket wrote them, so what no task can have is damage.

use docket_domain::content::{Channel, Invalid, Moment};
use docket_domain::recurrence::{End, Recurrence};
use docket_domain::{Content, Description, Due, Instant, Reminder, Series, State, Tags, Task, Title};
use docket_proto::event;
use pbjson_types::Timestamp;

use crate::{Violations, value};

pub(super) fn task(event: &event::TaskEvent, v: &mut Violations) -> Option<Task> {
    let id = v.check("task_id", event.task_id.parse());
    let user_id = v.check("user_id", event.user_id.parse());
    if event.sequence < 1 {
        v.add("sequence", "must be 1 or more");
    }
    let payload = v.check("payload", event.payload.as_ref().ok_or("is required"))?;
    let content = content(payload, v);
    let state = state(payload, event.sequence, v);
    let series = match &payload.series {
        None => Some(None),
        Some(position) => series(position, v).map(Some),
    };
    let create_time = required_instant("payload.create_time", payload.create_time, v);
    let update_time = required_instant("payload.update_time", payload.update_time, v);
    let delete_time = optional_instant("payload.delete_time", payload.delete_time, v);
    Some(Task {
        id: id?,
        user_id: user_id?,
        content: content?,
        state: state?,
        series: series?,
        version: event.sequence,
        create_time: create_time?,
        update_time: update_time?,
        delete_time: delete_time?,
    })
}

fn content(payload: &event::TaskPayload, v: &mut Violations) -> Option<Content> {
    let title = v.check("payload.title", Title::parse(&payload.title));
    let description = v.check("payload.description", Description::parse(&payload.description));
    let priority =
        value::event_priority(payload.priority).and_then(|priority| priority.ok_or_else(value::required));
    let priority = v.check("payload.priority", priority);
    let tags: Result<Vec<String>, Invalid> = payload.tags.iter().map(|tag| Tags::parse_one(tag)).collect();
    let tags = v.check("payload.tags", tags.and_then(Tags::collect));
    let due = due(payload, v);
    let time_zone = v.check("payload.time_zone", value::zone(&payload.time_zone));
    let recurrence = recurrence(payload, v);
    let parse =
        |(i, one): (usize, &event::TaskReminder)| reminder(&format!("payload.reminders[{i}]"), one, v);
    let reminders: Vec<Option<Reminder>> = payload.reminders.iter().enumerate().map(parse).collect();
    Some(Content {
        title: title?,
        description: description?,
        priority: priority?,
        tags: tags?,
        due: due?,
        time_zone: time_zone?,
        recurrence: recurrence?,
        reminders: reminders.into_iter().collect::<Option<_>>()?,
    })
}

fn state(payload: &event::TaskPayload, sequence: i64, v: &mut Violations) -> Option<State> {
    match event::TaskStatus::try_from(payload.status) {
        Ok(event::TaskStatus::Open) => Some(State::Open),
        Ok(event::TaskStatus::Completed) => {
            let time = required_instant("payload.complete_time", payload.complete_time, v);
            time.map(|time| State::Completed { time, version: sequence })
        }
        Ok(event::TaskStatus::Unspecified) | Err(_) => {
            v.add("payload.status", "must be TASK_STATUS_OPEN or TASK_STATUS_COMPLETED");
            None
        }
    }
}

fn due(payload: &event::TaskPayload, v: &mut Violations) -> Option<Option<Due>> {
    match (payload.due_time, payload.due_date.as_str()) {
        (None, "") => Some(None),
        (Some(time), "") => {
            v.check("payload.due_time", value::stored_instant(time)).map(|instant| Some(Due::At(instant)))
        }
        (None, day) => v.check("payload.due_date", value::date(day)).map(|day| Some(Due::On(day))),
        (Some(_), _) => {
            v.add("payload.due_date", "must not stand beside due_time");
            None
        }
    }
}

fn recurrence(payload: &event::TaskPayload, v: &mut Violations) -> Option<Option<Recurrence>> {
    let pattern = v.check("payload.recurring_pattern", value::event_pattern(payload.recurring_pattern))?;
    let Some(pattern) = pattern else { return Some(None) };
    let interval = payload.recurring_interval;
    let interval =
        v.check("payload.recurring_interval", value::count_up_to(interval, Recurrence::MAX_INTERVAL));
    let anchor = v.check("payload.recurring_anchor", value::event_anchor(payload.recurring_anchor));
    let month_end =
        v.check("payload.recurring_month_end", value::event_month_end(payload.recurring_month_end));
    let missed = v.check("payload.recurring_missed", value::event_missed(payload.recurring_missed));
    let end = match (payload.recurring_count, payload.recurring_until) {
        (0, None) => Some(End::Never),
        (0, Some(until)) => v.check("payload.recurring_until", value::stored_instant(until).map(End::Until)),
        (count, None) => v.check(
            "payload.recurring_count",
            value::count_up_to(count, Recurrence::MAX_COUNT).map(End::Count),
        ),
        (_, Some(_)) => {
            v.add("payload.recurring_until", "must not stand beside recurring_count");
            None
        }
    };
    Some(Some(Recurrence {
        pattern,
        interval: interval?,
        anchor: anchor?.unwrap_or_default(),
        month_end: month_end?.unwrap_or_default(),
        missed: missed?.unwrap_or_default(),
        end: end?,
    }))
}

fn reminder(path: &str, reminder: &event::TaskReminder, v: &mut Violations) -> Option<Reminder> {
    let moment = match (reminder.offset, reminder.remind_time) {
        (Some(offset), None) => v.check(format!("{path}.offset"), value::offset(offset).map(Moment::Before)),
        (None, Some(time)) => {
            v.check(format!("{path}.remind_time"), value::stored_instant(time).map(Moment::At))
        }
        _ => {
            v.add(path, "needs one of offset and remind_time");
            None
        }
    };
    let channel = |number: &i32| value::event_channel(*number)?.ok_or_else(value::required);
    let channels: Result<Vec<Channel>, Invalid> = reminder.channels.iter().map(channel).collect();
    let channels = v.check(format!("{path}.channels"), channels);
    Some(Reminder { moment: moment?, channels: channels? })
}

fn series(position: &event::SeriesPosition, v: &mut Violations) -> Option<Series> {
    let id = v.check("payload.series.series_id", position.series_id.parse());
    let occurrence_time = required_instant("payload.series.occurrence_time", position.occurrence_time, v);
    let start = v.check("payload.series.start", value::wall_clock(&position.start));
    // Unlike a rule's count, an index has no end: a series without one goes on.
    let start_index =
        v.check("payload.series.start_index", value::count_up_to(position.start_index, u32::MAX));
    let index = v.check("payload.series.index", value::count_up_to(position.index, u32::MAX));
    Some(Series {
        id: id?,
        occurrence_time: occurrence_time?,
        start: start?,
        start_index: start_index?,
        index: index?,
    })
}

fn required_instant(field: &str, time: Option<Timestamp>, v: &mut Violations) -> Option<Instant> {
    v.check(field, time.ok_or_else(value::required).and_then(value::stored_instant))
}

fn optional_instant(field: &str, time: Option<Timestamp>, v: &mut Violations) -> Option<Option<Instant>> {
    v.check(field, time.map(value::stored_instant).transpose())
}
