//! What the model expects of a series: daily and weekly rules in UTC, where a day is 86,400 seconds.

use docket_proto::v1;
use docket_proto::v1::recurrence::{End, Pattern, Rule};
use docket_proto::v1::task::Due;
use pbjson_types::Timestamp;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// Where a task stands in its series. Instants are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Place {
    /// Empty until the server has told it.
    pub(crate) series_id: String,
    pub(crate) occurrence: i64,
    /// What the rule counts from, and which of its instants that is.
    start: i64,
    start_index: i64,
    index: i64,
}

impl Place {
    /// That of a first occurrence.
    pub(crate) fn first(due: &Due) -> Self {
        let start = due_micros(due);
        Self { series_id: String::new(), occurrence: start, start, start_index: 1, index: 1 }
    }

    /// The same occurrence after a change of its plan.
    pub(crate) fn rescheduled(&self, due: &Due) -> Self {
        Self { start: due_micros(due), start_index: self.index, ..self.clone() }
    }
}

/// What follows a task that was completed at an instant, with when it is due; nothing after the rule's end.
pub(crate) fn next(task: &v1::Task, place: &Place, completed: i64) -> Option<(Due, Place)> {
    let rule = task.recurrence.as_ref()?;
    let due = task.due.as_ref()?;
    let days = match rule.rule {
        Some(Rule::Pattern(pattern)) if pattern == i32::from(Pattern::Daily) => 1,
        _ => 7,
    };
    let step = days * i64::from(rule.interval) * DAY;
    let passed = due_micros(due).max(place.occurrence).max(completed);
    // The first instant of the rule that comes after all of these.
    let number = if passed < place.start { 0 } else { (passed - place.start) / step + 1 };
    let index = place.start_index + number;
    if matches!(rule.end, Some(End::Count(count)) if index > i64::from(count)) {
        return None;
    }
    let occurrence = place.start + number * step;
    let due = match due {
        Due::DueTime(_) => Due::DueTime(timestamp(occurrence)),
        Due::DueDate(_) => Due::DueDate(day(occurrence)),
    };
    Some((due, Place { occurrence, index, ..place.clone() }))
}

/// The instant at which a due time comes.
pub(crate) fn due_micros(due: &Due) -> i64 {
    match due {
        Due::DueTime(time) => micros(time),
        Due::DueDate(day) => {
            let day: chrono::NaiveDate = day.parse().unwrap();
            day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
        }
    }
}

pub(crate) fn micros(time: &Timestamp) -> i64 {
    time.seconds * SECOND + i64::from(time.nanos) / 1_000
}

pub(crate) fn timestamp(micros: i64) -> Timestamp {
    let nanos = i32::try_from(micros.rem_euclid(SECOND) * 1_000).unwrap();
    Timestamp { seconds: micros.div_euclid(SECOND), nanos }
}

/// The calendar day of an instant.
pub(crate) fn day(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%d").to_string()
}
