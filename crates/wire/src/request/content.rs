//! The fields of `Task` that a client writes, one function each; output-only fields are passed over (AIP-203).

use chrono_tz::Tz;
use docket_domain::content::{Channel, Invalid, Moment, Priority};
use docket_domain::recurrence::{End, Recurrence};
use docket_domain::{Content, Description, Due, Reminder, Tags, Title};
use docket_proto::v1;

use crate::{Violations, value};

/// Reads all of them, as a creation does.
pub(super) fn content(task: &v1::Task, v: &mut Violations) -> Option<Content> {
    let title = title(task, v);
    let description = description(task, v);
    let priority = priority(task, v);
    let tags = tags(task, v);
    let due = due(task, v);
    let time_zone = time_zone(task, v);
    let recurrence = recurrence(task, v);
    let reminders = reminders(task, v);
    let complete = title.is_some() && description.is_some() && priority.is_some() && tags.is_some();
    let complete = complete && recurrence.is_some() && reminders.is_some();
    // The rules between fields are checked even when other fields are broken, so that all is told at once: whatever is
    // broken is replaced by something that contradicts nothing.
    let content = Content {
        title: title.or_else(|| Title::parse("-").ok())?,
        description: description.unwrap_or_default(),
        priority: priority.unwrap_or_default(),
        tags: tags.unwrap_or_default(),
        due: due?,
        time_zone: time_zone?,
        recurrence: recurrence.flatten(),
        reminders: reminders.unwrap_or_default(),
    };
    contradictions(&content, v);
    complete.then_some(content)
}

/// Notes the rules between fields that `content` breaks.
pub(super) fn contradictions(content: &Content, v: &mut Violations) {
    for (field, rule) in content.contradictions() {
        v.add(format!("task.{field}"), rule);
    }
}

pub(super) fn title(task: &v1::Task, v: &mut Violations) -> Option<Title> {
    v.check("task.title", Title::parse(&task.title))
}

pub(super) fn description(task: &v1::Task, v: &mut Violations) -> Option<Description> {
    v.check("task.description", Description::parse(&task.description))
}

pub(super) fn priority(task: &v1::Task, v: &mut Violations) -> Option<Priority> {
    v.check("task.priority", value::priority(task.priority)).map(Option::unwrap_or_default)
}

pub(super) fn tags(task: &v1::Task, v: &mut Violations) -> Option<Tags> {
    let parse = |(i, tag): (usize, &String)| v.check(format!("task.tags[{i}]"), Tags::parse_one(tag));
    let parsed: Vec<Option<String>> = task.tags.iter().enumerate().map(parse).collect();
    let complete = parsed.iter().all(Option::is_some);
    // Duplicates are told even when another tag is broken; an overlong list, too.
    let mut known: Vec<String> = parsed.into_iter().flatten().collect();
    if task.tags.len() > Tags::MAX_COUNT {
        known.clone_from(&task.tags);
    }
    let tags = v.check("task.tags", Tags::collect(known));
    tags.filter(|_| complete)
}

pub(super) fn due(task: &v1::Task, v: &mut Violations) -> Option<Option<Due>> {
    match &task.due {
        None => Some(None),
        Some(v1::task::Due::DueTime(time)) => {
            v.check("task.due_time", value::instant(*time)).map(|instant| Some(Due::At(instant)))
        }
        Some(v1::task::Due::DueDate(day)) => {
            v.check("task.due_date", value::date(day)).map(|day| Some(Due::On(day)))
        }
    }
}

pub(super) fn time_zone(task: &v1::Task, v: &mut Violations) -> Option<Tz> {
    v.check("task.time_zone", value::zone(&task.time_zone))
}

pub(super) fn recurrence(task: &v1::Task, v: &mut Violations) -> Option<Option<Recurrence>> {
    let Some(rule) = &task.recurrence else { return Some(None) };
    let pattern = match &rule.rule {
        Some(v1::recurrence::Rule::Pattern(number)) => {
            let pattern = value::pattern(*number).and_then(|pattern| pattern.ok_or_else(value::required));
            v.check("task.recurrence.pattern", pattern)
        }
        Some(v1::recurrence::Rule::Rrule(_)) => {
            v.add("task.recurrence.rrule", "is not supported: this server takes `pattern` only");
            None
        }
        None => v.check("task.recurrence.pattern", Err(value::required())),
    };
    let interval = match rule.interval {
        0 => Ok(1),
        units => value::count_up_to(units, Recurrence::MAX_INTERVAL),
    };
    let interval = v.check("task.recurrence.interval", interval);
    let anchor = v.check("task.recurrence.anchor", value::anchor(rule.anchor));
    let month_end = v.check("task.recurrence.month_end", value::month_end(rule.month_end));
    let missed = v.check("task.recurrence.missed", value::missed(rule.missed));
    let end = match rule.end {
        None => Some(End::Never),
        Some(v1::recurrence::End::Count(count)) => {
            v.check("task.recurrence.count", value::count_up_to(count, Recurrence::MAX_COUNT).map(End::Count))
        }
        Some(v1::recurrence::End::Until(time)) => {
            v.check("task.recurrence.until", value::instant(time).map(End::Until))
        }
    };
    Some(Some(Recurrence {
        pattern: pattern?,
        interval: interval?,
        anchor: anchor?.unwrap_or_default(),
        month_end: month_end?.unwrap_or_default(),
        missed: missed?.unwrap_or_default(),
        end: end?,
    }))
}

pub(super) fn reminders(task: &v1::Task, v: &mut Violations) -> Option<Vec<Reminder>> {
    if task.reminders.len() > Reminder::MAX_COUNT {
        v.add("task.reminders", format_args!("must have at most {} entries", Reminder::MAX_COUNT));
        return None;
    }
    let parse = |(i, one): (usize, &v1::Reminder)| reminder(&format!("task.reminders[{i}]"), one, v);
    // Collected in two steps, because collecting options stops at the first that is missing.
    let parsed: Vec<Option<Reminder>> = task.reminders.iter().enumerate().map(parse).collect();
    parsed.into_iter().collect()
}

fn reminder(path: &str, reminder: &v1::Reminder, v: &mut Violations) -> Option<Reminder> {
    let moment = match reminder.moment {
        None => v.check(path, Err(Invalid("needs offset or remind_time".to_owned()))),
        Some(v1::reminder::Moment::Offset(offset)) => {
            v.check(format!("{path}.offset"), value::offset(offset)).map(Moment::Before)
        }
        Some(v1::reminder::Moment::RemindTime(time)) => {
            v.check(format!("{path}.remind_time"), value::instant(time)).map(Moment::At)
        }
    };
    let mut complete = true;
    let mut channels: Vec<Channel> = Vec::new();
    for (i, number) in reminder.channels.iter().enumerate() {
        let channel = value::channel(*number).and_then(|channel| match channel {
            None => Err(Invalid("must not be unspecified".to_owned())),
            Some(channel) if channels.contains(&channel) => {
                Err(Invalid("must not repeat a channel".to_owned()))
            }
            Some(channel) => Ok(channel),
        });
        match v.check(format!("{path}.channels[{i}]"), channel) {
            Some(channel) => channels.push(channel),
            None => complete = false,
        }
    }
    moment.filter(|_| complete).map(|moment| Reminder { moment, channels })
}
