//! Between a row of `tasks` and a task: every conversion that a corrupt row could break is checked.

use std::str::FromStr;
use std::time::Duration;

use docket_domain::content::{Channel, Moment};
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern};
use docket_domain::series::WallClock;
use docket_domain::{
    Content, Description, Due, Priority, Recurrence, Reminder, Series, SeriesId, State, Tags, Task, TaskId,
    Title, UserId,
};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize};

use crate::entity::{outbox, tasks};
use crate::outbox::{NewEvent, shard};
use crate::text::{SEPARATOR, without_nul};
use crate::{Error, instant, micros};

/// A rule as its JSON column holds it.
#[derive(Deserialize, Serialize)]
struct RecurrenceColumn {
    pattern: String,
    interval: u32,
    anchor: String,
    month_end: String,
    missed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

/// A reminder as its JSON column holds it.
#[derive(Deserialize, Serialize)]
struct ReminderColumn {
    #[serde(skip_serializing_if = "Option::is_none")]
    before_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    channels: Vec<String>,
}

/// Pairs of a value and the text that stands for it in a column.
type Names<T, const N: usize> = [(T, &'static str); N];

const PATTERNS: Names<Pattern, 4> = [
    (Pattern::Daily, "DAILY"),
    (Pattern::Weekly, "WEEKLY"),
    (Pattern::Monthly, "MONTHLY"),
    (Pattern::Yearly, "YEARLY"),
];
const ANCHORS: Names<Anchor, 2> =
    [(Anchor::DueTime, "DUE_TIME"), (Anchor::CompletionTime, "COMPLETION_TIME")];
const MONTH_ENDS: Names<MonthEnd, 2> = [(MonthEnd::Clamp, "CLAMP"), (MonthEnd::Skip, "SKIP")];
const MISSED: Names<Missed, 2> = [(Missed::NextFuture, "NEXT_FUTURE"), (Missed::Each, "EACH")];
const PRIORITIES: [(Priority, i16); 4] =
    [(Priority::Low, 1), (Priority::Medium, 2), (Priority::High, 3), (Priority::Urgent, 4)];

fn name_of<T: Copy + PartialEq, K: Copy + Default>(pairs: &[(T, K)], value: T) -> K {
    // Every table above lists every value of its type; a test holds it to that.
    pairs.iter().find(|(known, _)| *known == value).map(|(_, name)| *name).unwrap_or_default()
}

fn value_of<T: Copy>(names: &[(T, &'static str)], what: &'static str, text: &str) -> Result<T, Error> {
    let found = names.iter().find(|(_, name)| *name == text).map(|(value, _)| *value);
    found.ok_or_else(|| Error::corrupt(what, text))
}

/// The number that stands for a priority in its column.
pub(crate) fn priority_column(priority: Priority) -> i16 {
    name_of(&PRIORITIES, priority)
}

/// The priority that the number in a column stands for.
pub(crate) fn priority_of(column: i16) -> Result<Priority, Error> {
    let found = PRIORITIES.iter().find(|(_, number)| *number == column).map(|(priority, _)| *priority);
    found.ok_or_else(|| Error::corrupt("priority", column.to_string()))
}

/// Channels as a JSON column holds them: an array of names.
pub(crate) fn channels_column(channels: &[Channel]) -> serde_json::Value {
    channels.iter().map(|channel| channel.name()).collect()
}

/// The channels of such a column.
pub(crate) fn channels_of(column: serde_json::Value) -> Result<Vec<Channel>, Error> {
    let names: Vec<String> =
        serde_json::from_value(column).map_err(|error| Error::corrupt("channels", error.to_string()))?;
    channels_named(&names)
}

fn channels_named(names: &[String]) -> Result<Vec<Channel>, Error> {
    let channel = |name: &String| Channel::from_name(name).ok_or_else(|| Error::corrupt("channel", name));
    names.iter().map(channel).collect()
}

/// A task as the row that is to be written; `awaits_successor` is derived from the task, `user_seq` is set apart.
pub(crate) fn to_row(task: &Task) -> Result<tasks::ActiveModel, Error> {
    let content = &task.content;
    let series = task.series.as_ref();
    let (complete_time, complete_version) = match task.state {
        State::Open => (None, None),
        State::Completed { time, version } => (Some(micros(time)), Some(version)),
    };
    Ok(tasks::ActiveModel {
        task_id: Set(task.id.as_uuid()),
        user_id: Set(task.user_id.to_string()),
        title: Set(content.title.as_str().to_owned()),
        description: Set(content.description.as_str().to_owned()),
        state: Set(task.state.name().to_owned()),
        priority: Set(priority_column(content.priority)),
        due_time: Set(content.due.map(|due| micros(due.instant(content.time_zone)))),
        due_date: Set(match content.due {
            Some(Due::On(day)) => Some(day.to_string()),
            _ => None,
        }),
        time_zone: Set(content.time_zone.name().to_owned()),
        recurrence: Set(content.recurrence.as_ref().map(recurrence_column).transpose()?),
        reminders: Set(reminders_column(&content.reminders)?),
        series_id: Set(series.map(|series| series.id.as_uuid())),
        occurrence_time: Set(series.map(|series| micros(series.occurrence_time))),
        series_start: Set(series.map(|series| series.start.to_string())),
        series_start_index: Set(series.map(|series| index_column(series.start_index)).transpose()?),
        series_index: Set(series.map(|series| index_column(series.index)).transpose()?),
        awaits_successor: Set(task.next().is_some()),
        version: Set(task.version),
        user_seq: Set(0),
        create_time: Set(micros(task.create_time)),
        update_time: Set(micros(task.update_time)),
        complete_time: Set(complete_time),
        complete_version: Set(complete_version),
        delete_time: Set(task.delete_time.map(micros)),
    })
}

/// An event as its row; its position is the database's to give.
pub(crate) fn event_row(event: NewEvent) -> outbox::Model {
    let (traceparent, tracestate) = match event.trace {
        Some(trace) => (Some(trace.parent), trace.state),
        None => (None, None),
    };
    outbox::Model {
        position: 0,
        event_id: event.id.as_uuid(),
        shard: shard(&event.key),
        topic: event.topic,
        partition_key: without_nul(&event.key),
        event_type: event.event_type.to_owned(),
        source: event.source,
        payload: event.payload,
        traceparent,
        tracestate,
        create_time: micros(event.time),
        raw: false,
        handler: None,
        republish_of: None,
    }
}

/// A row as a task; `tags` are joined by [`SEPARATOR`].
pub(crate) fn from_row(row: tasks::Model, tags: Option<String>) -> Result<Task, Error> {
    let zone =
        chrono_tz::Tz::from_str(&row.time_zone).map_err(|_| Error::corrupt("time_zone", &row.time_zone))?;
    let due = match (&row.due_date, row.due_time) {
        (Some(day), _) => Some(Due::On(parse("due_date", day)?)),
        (None, Some(time)) => Some(Due::At(instant(time)?)),
        (None, None) => None,
    };
    let tags = tags.unwrap_or_default();
    let tags = tags.split(SEPARATOR).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    Ok(Task {
        id: TaskId::from_uuid(row.task_id),
        user_id: parse::<UserId>("user_id", &row.user_id)?,
        series: series_of(&row)?,
        state: state_of(&row)?,
        content: Content {
            title: Title::parse(&row.title).map_err(|error| Error::corrupt("title", error.0))?,
            description: Description::parse(&row.description)
                .map_err(|error| Error::corrupt("description", error.0))?,
            priority: priority_of(row.priority)?,
            tags: Tags::collect(tags).map_err(|error| Error::corrupt("tag", error.0))?,
            due,
            time_zone: zone,
            recurrence: row.recurrence.map(recurrence_of).transpose()?,
            reminders: reminders_of(row.reminders)?,
        },
        version: row.version,
        create_time: instant(row.create_time)?,
        update_time: instant(row.update_time)?,
        delete_time: row.delete_time.map(instant).transpose()?,
    })
}

pub(crate) fn parse<T: FromStr>(what: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::corrupt(what, text))
}

fn state_of(row: &tasks::Model) -> Result<State, Error> {
    match (row.state.as_str(), row.complete_time, row.complete_version) {
        ("OPEN", None, None) => Ok(State::Open),
        ("COMPLETED", Some(time), Some(version)) => Ok(State::Completed { time: instant(time)?, version }),
        (state, ..) => Err(Error::corrupt("state", format!("{state} of task {}", row.task_id))),
    }
}

fn series_of(row: &tasks::Model) -> Result<Option<Series>, Error> {
    let Some(id) = row.series_id else { return Ok(None) };
    let missing = || Error::corrupt("series", format!("columns missing of task {}", row.task_id));
    let index = |value: Option<i32>| {
        let value = value.ok_or_else(missing)?;
        u32::try_from(value).map_err(|_| missing())
    };
    Ok(Some(Series {
        id: SeriesId::from_uuid(id),
        occurrence_time: instant(row.occurrence_time.ok_or_else(missing)?)?,
        start: parse::<WallClock>("series_start", row.series_start.as_deref().ok_or_else(missing)?)?,
        start_index: index(row.series_start_index)?,
        index: index(row.series_index)?,
    }))
}

fn index_column(index: u32) -> Result<i32, Error> {
    i32::try_from(index).map_err(|_| Error::corrupt("series_index", index.to_string()))
}

fn to_json(what: &'static str, value: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::corrupt(what, error.to_string()))
}

fn recurrence_column(rule: &Recurrence) -> Result<serde_json::Value, Error> {
    let (count, until) = match rule.end {
        End::Never => (None, None),
        End::Count(count) => (Some(count), None),
        End::Until(until) => (None, Some(micros(until))),
    };
    let column = RecurrenceColumn {
        pattern: name_of(&PATTERNS, rule.pattern).to_owned(),
        interval: rule.interval,
        anchor: name_of(&ANCHORS, rule.anchor).to_owned(),
        month_end: name_of(&MONTH_ENDS, rule.month_end).to_owned(),
        missed: name_of(&MISSED, rule.missed).to_owned(),
        count,
        until,
    };
    to_json("recurrence", &column)
}

fn recurrence_of(json: serde_json::Value) -> Result<Recurrence, Error> {
    let column: RecurrenceColumn =
        serde_json::from_value(json).map_err(|error| Error::corrupt("recurrence", error.to_string()))?;
    Ok(Recurrence {
        pattern: value_of(&PATTERNS, "recurrence.pattern", &column.pattern)?,
        interval: column.interval,
        anchor: value_of(&ANCHORS, "recurrence.anchor", &column.anchor)?,
        month_end: value_of(&MONTH_ENDS, "recurrence.month_end", &column.month_end)?,
        missed: value_of(&MISSED, "recurrence.missed", &column.missed)?,
        end: match (column.count, column.until) {
            (None, None) => End::Never,
            (Some(count), None) => End::Count(count),
            (None, Some(until)) => End::Until(instant(until)?),
            (Some(_), Some(_)) => return Err(Error::corrupt("recurrence", "two ends")),
        },
    })
}

pub(crate) fn reminders_column(reminders: &[Reminder]) -> Result<serde_json::Value, Error> {
    let column = |reminder: &Reminder| ReminderColumn {
        before_seconds: match reminder.moment {
            Moment::Before(offset) => Some(offset.as_secs()),
            Moment::At(_) => None,
        },
        at: match reminder.moment {
            Moment::At(time) => Some(micros(time)),
            Moment::Before(_) => None,
        },
        channels: reminder.channels.iter().map(|channel| channel.name().to_owned()).collect(),
    };
    to_json("reminders", &reminders.iter().map(column).collect::<Vec<_>>())
}

pub(crate) fn reminders_of(json: serde_json::Value) -> Result<Vec<Reminder>, Error> {
    let columns: Vec<ReminderColumn> =
        serde_json::from_value(json).map_err(|error| Error::corrupt("reminders", error.to_string()))?;
    let reminder = |column: ReminderColumn| {
        let moment = match (column.before_seconds, column.at) {
            (Some(seconds), None) => Moment::Before(Duration::from_secs(seconds)),
            (None, Some(at)) => Moment::At(instant(at)?),
            _ => return Err(Error::corrupt("reminders", "no moment, or two")),
        };
        Ok(Reminder { moment, channels: channels_named(&column.channels)? })
    };
    columns.into_iter().map(reminder).collect()
}
