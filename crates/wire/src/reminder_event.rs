//! The codec of reminders' events: the `data` of CloudEvents of type `com.todo.reminder.*`.

use chrono_tz::Tz;
use docket_domain::content::{Channel, Priority};
use docket_domain::notice::DeliveryEnd;
use docket_domain::{Due, EventId, Instant, ReminderId, ReminderNumber, TaskId, Title, UserId};
use docket_proto::event;

use crate::Violations;
use crate::event::{DecodeError, SCHEMA_VERSION, mapping};
use crate::value::{self, timestamp};

/// What the events of a reminder say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReminderNotice {
    /// Names the event: the same for every delivery.
    pub id: EventId,
    /// Names the firing: the id of the event `due`. One that was missed has no such event, and goes by its own id.
    pub reminder_id: ReminderId,
    /// The task.
    pub task_id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// The version of the task that the reminder was made from, from 1.
    pub task_version: i64,
    /// Which reminder of the task.
    pub number: ReminderNumber,
    /// The task's title.
    pub title: String,
    /// How much the task matters.
    pub priority: Priority,
    /// When the task is due.
    pub due: Option<Due>,
    /// The zone of the task's wall clock.
    pub time_zone: Tz,
    /// The moment of the reminder.
    pub remind_at: Instant,
    /// When it was fired; absent when it was missed.
    pub fire_time: Option<Instant>,
    /// The ways to use; empty for those that the owner prefers.
    pub channels: Vec<Channel>,
    /// What became of it on each channel; empty before that is known.
    pub outcomes: Vec<Outcome>,
    /// It went out on no channel because it did not stand any more, or because its task was over.
    pub called_off: bool,
}

/// What became of a reminder on one channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The channel.
    pub channel: Channel,
    /// How it ended.
    pub result: DeliveryEnd,
    /// How often somebody set about sending it; also when it was put off, cancelled or cut short then.
    pub attempts: i32,
    /// Why it was not sent; empty when it was. Control characters become spaces when it is written.
    pub reason: String,
    /// When it ended.
    pub time: Instant,
}

/// Writes an event.
pub fn encode(notice: &ReminderNotice) -> Vec<u8> {
    mapping::write(&message(notice)).to_string().into_bytes()
}

/// Reads an event. Fields that this version does not know are passed over, because later ones may add some.
pub fn decode(bytes: &[u8]) -> Result<ReminderNotice, DecodeError> {
    let message: event::ReminderEvent = mapping::read(bytes)?;
    let mut violations = Violations::default();
    let notice = notice(&message, &mut violations);
    violations.into_result(notice).map_err(DecodeError::InvalidFields)
}

fn message(notice: &ReminderNotice) -> event::ReminderEvent {
    let (due_at, due_date) = match notice.due {
        None => (None, String::new()),
        Some(Due::At(instant)) => (Some(timestamp(instant)), String::new()),
        Some(Due::On(day)) => (None, day.to_string()),
    };
    event::ReminderEvent {
        schema_version: SCHEMA_VERSION,
        task_id: notice.task_id.to_string(),
        user_id: notice.user_id.to_string(),
        sequence: notice.task_version,
        idempotency_key: notice.id.to_string(),
        reminder_id: notice.reminder_id.to_string(),
        number: notice.number.get(),
        title: notice.title.clone(),
        priority: value::event_priority_to(notice.priority).into(),
        due_at,
        due_date,
        time_zone: notice.time_zone.name().to_owned(),
        remind_at: Some(timestamp(notice.remind_at)),
        fire_time: notice.fire_time.map(timestamp),
        notification_type: notice.channels.iter().map(|one| value::event_channel_to(*one).into()).collect(),
        outcomes: notice.outcomes.iter().map(outcome_to).collect(),
        called_off: notice.called_off,
    }
}

fn outcome_to(outcome: &Outcome) -> event::ReminderOutcome {
    event::ReminderOutcome {
        channel: value::event_channel_to(outcome.channel).into(),
        result: value::event_result_to(outcome.result).into(),
        attempts: outcome.attempts,
        reason: outcome.reason.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        time: Some(timestamp(outcome.time)),
    }
}

fn notice(message: &event::ReminderEvent, v: &mut Violations) -> Option<ReminderNotice> {
    let id = v.check("idempotency_key", message.idempotency_key.parse());
    let reminder_id = v.check("reminder_id", message.reminder_id.parse());
    let task_id = v.check("task_id", message.task_id.parse());
    let user_id = v.check("user_id", message.user_id.parse());
    if message.sequence < 1 {
        v.add("sequence", "must be 1 or more");
    }
    let number = v.check("number", value::reminder_number(message.number));
    let title = v.check("title", Title::parse(&message.title));
    let priority = v.check("priority", value::event_priority(message.priority).and_then(value::some));
    let due = due(message, v);
    let time_zone = v.check("time_zone", value::zone(&message.time_zone));
    let remind_at = message.remind_at.ok_or_else(value::required).and_then(value::stored_instant);
    let remind_at = v.check("remind_at", remind_at);
    let fire_time = v.check("fire_time", message.fire_time.map(value::stored_instant).transpose());
    let channels = message.notification_type.iter();
    let channels = channels.map(|one| value::event_channel(*one).and_then(value::some)).collect();
    let channels = v.check("notification_type", channels);
    let outcomes: Vec<Option<Outcome>> = message
        .outcomes
        .iter()
        .enumerate()
        .map(|(i, one)| outcome(&format!("outcomes[{i}]"), one, v))
        .collect();
    Some(ReminderNotice {
        id: id?,
        reminder_id: reminder_id?,
        task_id: task_id?,
        user_id: user_id?,
        task_version: message.sequence,
        number: number?,
        title: title?.as_str().to_owned(),
        priority: priority?,
        due: due?,
        time_zone: time_zone?,
        remind_at: remind_at?,
        fire_time: fire_time?,
        channels: channels?,
        outcomes: outcomes.into_iter().collect::<Option<_>>()?,
        called_off: message.called_off,
    })
}

fn due(message: &event::ReminderEvent, v: &mut Violations) -> Option<Option<Due>> {
    match (message.due_at, message.due_date.as_str()) {
        (None, "") => Some(None),
        (Some(time), "") => v.check("due_at", value::stored_instant(time)).map(|time| Some(Due::At(time))),
        (None, day) => v.check("due_date", value::date(day)).map(|day| Some(Due::On(day))),
        (Some(_), _) => {
            v.add("due_date", "must not stand beside due_at");
            None
        }
    }
}

fn outcome(path: &str, outcome: &event::ReminderOutcome, v: &mut Violations) -> Option<Outcome> {
    let channel =
        v.check(format!("{path}.channel"), value::event_channel(outcome.channel).and_then(value::some));
    let result = v.check(format!("{path}.result"), value::event_result(outcome.result).and_then(value::some));
    if outcome.attempts < 0 {
        v.add(format!("{path}.attempts"), "must not be negative");
    }
    let time = outcome.time.ok_or_else(value::required).and_then(value::stored_instant);
    let time = v.check(format!("{path}.time"), time);
    Some(Outcome {
        channel: channel?,
        result: result?,
        attempts: outcome.attempts,
        reason: outcome.reason.clone(),
        time: time?,
    })
}
