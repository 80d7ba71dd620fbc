//! Between rows and what they mean, and the rows of a batch as the databases take them: arrays on PostgreSQL, JSON on
//! SQLite.

use std::str::FromStr as _;

use docket_domain::{Due, Firing, ReminderId, ReminderNumber, ReminderState, TaskId, TaskReminder, Title};
use sea_orm::{DbErr, FromQueryResult as _, IdenStatic as _, Iterable as _, QueryResult, Value};
use uuid::Uuid;

use super::{Set, TaskSnapshot};
use crate::among::digits;
use crate::entity::{reminder_tasks, reminders};
use crate::outbox::Trace;
use crate::row::{
    channels_column, channels_of, parse, priority_column, priority_of, reminders_column, reminders_of,
};
use crate::{Error, instant, micros};

/// Stands for no time in an array, which holds no NULL.
const NEVER: i64 = i64::MIN;

/// What reminders are read with: all columns of both tables.
pub(super) fn both() -> String {
    let reminders = reminders::Column::iter().map(|column| {
        let column = column.as_str();
        format!("reminders.{column} AS r_{column}")
    });
    let tasks = reminder_tasks::Column::iter().map(|column| {
        let column = column.as_str();
        format!("reminder_tasks.{column} AS t_{column}")
    });
    reminders.chain(tasks).collect::<Vec<_>>().join(", ")
}

/// A row of [`both`].
pub(super) fn pair(row: &QueryResult) -> Result<(TaskReminder, TaskSnapshot), Error> {
    let reminder = reminders::Model::from_query_result(row, "r_")?;
    let task = reminder_tasks::Model::from_query_result(row, "t_")?;
    Ok((self::reminder(reminder)?, self::task(task)?))
}

pub(super) fn reminder(row: reminders::Model) -> Result<TaskReminder, Error> {
    let firing = match (row.firing_id, row.fire_time) {
        (Some(id), Some(time)) => Some(Firing { id: ReminderId::from_uuid(id), time: instant(time)? }),
        (None, None) => None,
        _ => return Err(Error::corrupt("firing", format!("half of one, of task {}", row.task_id))),
    };
    Ok(TaskReminder {
        task_id: TaskId::from_uuid(row.task_id),
        number: number(row.number)?,
        user_id: parse("user_id", &row.user_id)?,
        planned_at: instant(row.planned_time)?,
        remind_at: instant(row.remind_time)?,
        channels: channels_of(row.channels)?,
        state: ReminderState::from_name(&row.state).ok_or_else(|| Error::corrupt("state", &row.state))?,
        generation: row.generation,
        snoozed: row.snoozed,
        firing,
        update_time: instant(row.update_time)?,
    })
}

pub(super) fn number(column: i16) -> Result<ReminderNumber, Error> {
    ReminderNumber::new(column.into()).ok_or_else(|| Error::corrupt("number", column.to_string()))
}

pub(super) fn number_column(number: ReminderNumber) -> Result<i16, Error> {
    i16::try_from(number.get()).map_err(|_| Error::corrupt("number", number.to_string()))
}

pub(super) fn task(row: reminder_tasks::Model) -> Result<TaskSnapshot, Error> {
    let due = match (&row.due_date, row.due_time) {
        (Some(day), None) => Some(Due::On(parse("due_date", day)?)),
        (None, Some(time)) => Some(Due::At(instant(time)?)),
        (None, None) => None,
        _ => return Err(Error::corrupt("due", format!("two, of task {}", row.task_id))),
    };
    Ok(TaskSnapshot {
        task_id: TaskId::from_uuid(row.task_id),
        user_id: parse("user_id", &row.user_id)?,
        version: row.version,
        open: row.open,
        title: Title::parse(&row.title).map_err(|error| Error::corrupt("title", error.0))?,
        priority: priority_of(row.priority)?,
        due,
        time_zone: chrono_tz::Tz::from_str(&row.time_zone)
            .map_err(|_| Error::corrupt("time_zone", &row.time_zone))?,
        reminders: reminders_of(row.reminders)?,
        trace: row.traceparent.map(|parent| Trace { parent, state: row.tracestate }),
        update_time: instant(row.update_time)?,
    })
}

fn due_columns(due: Option<Due>) -> (Option<i64>, Option<String>) {
    match due {
        Some(Due::At(time)) => (Some(micros(time)), None),
        Some(Due::On(day)) => (None, Some(day.to_string())),
        None => (None, None),
    }
}

/// Tasks as JSON.
pub(super) fn tasks_json(tasks: &[&TaskSnapshot]) -> Result<Value, Error> {
    let row = |task: &&TaskSnapshot| {
        let (due_time, due_date) = due_columns(task.due);
        Ok(serde_json::json!({
            "task_id": digits(task.task_id.as_uuid()),
            "user_id": task.user_id.as_str(),
            "version": task.version,
            "open": task.open,
            "title": task.title.as_str(),
            "priority": priority_column(task.priority),
            "due_time": due_time,
            "due_date": due_date,
            "time_zone": task.time_zone.name(),
            "reminders": reminders_column(&task.reminders)?.to_string(),
            "traceparent": task.trace.as_ref().map(|trace| &trace.parent),
            "tracestate": task.trace.as_ref().and_then(|trace| trace.state.as_ref()),
            "update_time": micros(task.update_time),
        }))
    };
    let rows = tasks.iter().map(row).collect::<Result<serde_json::Value, Error>>()?;
    Ok(rows.to_string().into())
}

/// The columns of tasks, as arrays. Those hold no NULL: an empty text and [`NEVER`] stand for it.
pub(super) fn tasks_arrays(tasks: &[&TaskSnapshot]) -> Result<Vec<Value>, Error> {
    fn of<T>(tasks: &[&TaskSnapshot], column: impl Fn(&TaskSnapshot) -> T) -> Vec<T> {
        tasks.iter().map(|task| column(task)).collect()
    }
    let reminders = tasks.iter().map(|task| Ok(reminders_column(&task.reminders)?.to_string()));
    let trace = |task: &TaskSnapshot| task.trace.clone();
    Ok(vec![
        of(tasks, |task| task.task_id.as_uuid()).into(),
        of(tasks, |task| task.user_id.to_string()).into(),
        of(tasks, |task| task.version).into(),
        of(tasks, |task| task.open).into(),
        of(tasks, |task| task.title.as_str().to_owned()).into(),
        of(tasks, |task| priority_column(task.priority)).into(),
        of(tasks, |task| due_columns(task.due).0.unwrap_or(NEVER)).into(),
        of(tasks, |task| due_columns(task.due).1.unwrap_or_default()).into(),
        of(tasks, |task| task.time_zone.name().to_owned()).into(),
        reminders.collect::<Result<Vec<String>, Error>>()?.into(),
        of(tasks, |task| trace(task).map(|trace| trace.parent).unwrap_or_default()).into(),
        of(tasks, |task| trace(task).and_then(|trace| trace.state).unwrap_or_default()).into(),
        of(tasks, |task| micros(task.update_time)).into(),
    ])
}

/// Reminders as JSON.
pub(super) fn reminders_json(reminders: &[&TaskReminder]) -> Result<Value, Error> {
    let row = |reminder: &&TaskReminder| {
        Ok(serde_json::json!({
            "task_id": digits(reminder.task_id.as_uuid()),
            "number": number_column(reminder.number)?,
            "user_id": reminder.user_id.as_str(),
            "planned_time": micros(reminder.planned_at),
            "remind_time": micros(reminder.remind_at),
            "channels": channels_column(&reminder.channels).to_string(),
            "state": reminder.state.name(),
            "generation": reminder.generation,
            "snoozed": reminder.snoozed,
            "firing_id": reminder.firing.map(|firing| digits(firing.id.as_uuid())),
            "fire_time": reminder.firing.map(|firing| micros(firing.time)),
            "update_time": micros(reminder.update_time),
        }))
    };
    let rows = reminders.iter().map(row).collect::<Result<serde_json::Value, Error>>()?;
    Ok(rows.to_string().into())
}

/// The columns of reminders, as arrays. Those hold no NULL: the id of zeros and [`NEVER`] stand for it.
pub(super) fn reminders_arrays(reminders: &[&TaskReminder]) -> Result<Vec<Value>, Error> {
    fn of<T>(reminders: &[&TaskReminder], column: impl Fn(&TaskReminder) -> T) -> Vec<T> {
        reminders.iter().map(|reminder| column(reminder)).collect()
    }
    let numbers = reminders.iter().map(|reminder| number_column(reminder.number));
    Ok(vec![
        of(reminders, |reminder| reminder.task_id.as_uuid()).into(),
        numbers.collect::<Result<Vec<i16>, Error>>()?.into(),
        of(reminders, |reminder| reminder.user_id.to_string()).into(),
        of(reminders, |reminder| micros(reminder.planned_at)).into(),
        of(reminders, |reminder| micros(reminder.remind_at)).into(),
        of(reminders, |reminder| channels_column(&reminder.channels).to_string()).into(),
        of(reminders, |reminder| reminder.state.name().to_owned()).into(),
        of(reminders, |reminder| reminder.generation).into(),
        of(reminders, |reminder| reminder.snoozed).into(),
        of(reminders, |reminder| firing_id(reminder).unwrap_or_default()).into(),
        of(reminders, |reminder| reminder.firing.map_or(NEVER, |firing| micros(firing.time))).into(),
        of(reminders, |reminder| micros(reminder.update_time)).into(),
    ])
}

/// What firing changes of reminders, as arrays with the same stand-ins.
pub(super) fn fired_arrays(reminders: &[&TaskReminder]) -> Result<Vec<Value>, Error> {
    let numbers = reminders.iter().map(|reminder| number_column(reminder.number));
    let numbers = numbers.collect::<Result<Vec<i16>, Error>>()?;
    let time = |reminder: &&TaskReminder| reminder.firing.map_or(NEVER, |firing| micros(firing.time));
    Ok(vec![
        reminders.iter().map(|reminder| reminder.task_id.as_uuid()).collect::<Vec<_>>().into(),
        numbers.into(),
        reminders.iter().map(|reminder| reminder.state.name().to_owned()).collect::<Vec<_>>().into(),
        reminders.iter().map(|reminder| firing_id(reminder).unwrap_or_default()).collect::<Vec<_>>().into(),
        reminders.iter().map(time).collect::<Vec<_>>().into(),
        reminders.iter().map(|reminder| micros(reminder.update_time)).collect::<Vec<_>>().into(),
    ])
}

fn firing_id(reminder: &TaskReminder) -> Option<Uuid> {
    reminder.firing.map(|firing| firing.id.as_uuid())
}

/// Named reminders as JSON: arrays of task, number and generation.
pub(super) fn named_json(named: &[Set]) -> Value {
    let row = |(task, number, generation): &Set| {
        serde_json::json!([digits(task.as_uuid()), number.get(), generation])
    };
    named.iter().map(row).collect::<serde_json::Value>().to_string().into()
}

/// Named reminders as arrays.
pub(super) fn named_arrays(named: &[Set]) -> Result<Vec<Value>, Error> {
    let numbers = named.iter().map(|(_, number, _)| number_column(*number));
    Ok(vec![
        named.iter().map(|(task, ..)| task.as_uuid()).collect::<Vec<_>>().into(),
        numbers.collect::<Result<Vec<i16>, Error>>()?.into(),
        named.iter().map(|(.., generation)| *generation).collect::<Vec<_>>().into(),
    ])
}

/// The rows of an answer.
pub(super) fn pairs(
    rows: Result<Vec<QueryResult>, DbErr>,
) -> Result<Vec<(TaskReminder, TaskSnapshot)>, Error> {
    rows?.iter().map(pair).collect()
}
