//! The requests of `ReminderService`.

use std::time::Duration;

use chrono::TimeDelta;
use docket_domain::{Instant, ReminderId, ReminderNumber, ReminderState, RequestId, TaskId};
use docket_proto::v1::{self, snooze_reminder_request::Until};

use super::{named, optional, page_size, period, required, states};
use crate::{InvalidFields, Violations, value};

/// The longest time for which a reminder is put off.
const MAX_DELAY: Duration = Duration::from_secs(366 * 86_400);

/// `ListReminders`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List {
    /// The most reminders to answer.
    pub page_size: u32,
    /// Where to go on; empty for the first page.
    pub page_token: String,
    /// Only those of this task.
    pub task_id: Option<TaskId>,
    /// Only those in one of these states; empty for all.
    pub states: Vec<ReminderState>,
    /// Only those at this instant or later.
    pub start: Option<Instant>,
    /// Only those before it.
    pub end: Option<Instant>,
}

/// Checks a `ListRemindersRequest`.
pub fn list(request: &v1::ListRemindersRequest) -> Result<List, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let page_size = page_size(request.page_size, 50, 500, v);
    let task_id = optional("task_id", &request.task_id, v);
    let states = states(&request.states, value::reminder_state, v);
    let (start, end) = period(request.start_time, request.end_time, v);
    let page_token = request.page_token.clone();
    let value = page_size.zip(task_id);
    let value = value.map(|(page_size, task_id)| List { page_size, page_token, task_id, states, start, end });
    violations.into_result(value)
}

/// `SnoozeReminder`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Snooze {
    /// The task.
    pub task_id: TaskId,
    /// Which reminder of it.
    pub number: ReminderNumber,
    /// Until when.
    pub until: Instant,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
    /// Why it can not be, unless the call was made before: the instant has passed since then.
    pub late: Option<InvalidFields>,
}

/// Checks a `SnoozeReminderRequest`; `now` is what a delay counts from.
pub fn snooze(request: &v1::SnoozeReminderRequest, now: Instant) -> Result<Snooze, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let task_id = required("task_id", &request.task_id, v);
    let number = v.check("number", value::reminder_number(request.number));
    let until = match request.until {
        None => {
            v.add("delay", "or remind_time is required");
            None
        }
        Some(Until::Delay(delay)) => {
            let delay = value::whole_seconds(delay).filter(|delay| (1..=MAX_DELAY.as_secs()).contains(delay));
            let until = delay
                .and_then(|delay| now.checked_add_signed(TimeDelta::seconds(delay.cast_signed())))
                .ok_or("must be whole seconds, from 1 second to 366 days");
            v.check("delay", until)
        }
        Some(Until::RemindTime(time)) => match v.check("remind_time", value::instant(time)) {
            Some(until) if until < now => {
                v.add("remind_time", "must not have passed");
                Some(until)
            }
            until => until,
        },
    };
    let request_id = optional("request_id", &request.request_id, v);
    let value = task_id.zip(number).zip(until).zip(request_id);
    let value = value.map(|(((task_id, number), until), request_id)| Snooze {
        task_id,
        number,
        until,
        request_id,
        late: None,
    });
    match (violations.into_result(value.clone()), value) {
        // All of it can be read, so that it is too late and nothing else.
        (Err(late), Some(snooze)) if snooze.request_id.is_some() => Ok(Snooze { late: Some(late), ..snooze }),
        (checked, _) => checked,
    }
}

/// `DismissReminder`, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dismiss {
    /// The task.
    pub task_id: TaskId,
    /// Which reminder of it.
    pub number: ReminderNumber,
    /// Makes the call repeatable.
    pub request_id: Option<RequestId>,
}

/// Checks a `DismissReminderRequest`.
pub fn dismiss(request: &v1::DismissReminderRequest) -> Result<Dismiss, InvalidFields> {
    let mut violations = Violations::default();
    let v = &mut violations;
    let task_id = required("task_id", &request.task_id, v);
    let number = v.check("number", value::reminder_number(request.number));
    let request_id = optional("request_id", &request.request_id, v);
    let value = task_id.zip(number).zip(request_id);
    let value = value.map(|((task_id, number), request_id)| Dismiss { task_id, number, request_id });
    violations.into_result(value)
}

/// Checks a `CheckRemindersRequest`: which firings, each once, in the order of the question.
pub fn check(request: &v1::CheckRemindersRequest) -> Result<Vec<ReminderId>, InvalidFields> {
    named("reminder_ids", &request.reminder_ids)
}
