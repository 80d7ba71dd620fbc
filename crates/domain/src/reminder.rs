//! Reminders of a task as they are going to be given, or were: planned from the task, followed through its changes, fired.

use std::fmt;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;

use crate::content::Moment;
use crate::series::resolve;
use crate::{Channel, ClockTime, Due, Instant, Reminder, ReminderId, TaskId, UserId};

/// Which reminder of a task, from 1, in the order of the task's reminders.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReminderNumber(i32);

impl ReminderNumber {
    /// The number, if a task can have so many reminders: 1 to [`Reminder::MAX_COUNT`].
    pub fn new(number: i32) -> Option<Self> {
        let most = i32::try_from(Reminder::MAX_COUNT).unwrap_or(i32::MAX);
        (1..=most).contains(&number).then_some(Self(number))
    }

    /// The number itself.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for ReminderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How it stands with a reminder.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ReminderState {
    /// Still to come.
    Pending,
    /// Its moment has come, and it is on its way.
    Fired,
    /// It went out on at least one channel.
    Sent,
    /// No channel took it.
    Failed,
    /// It was found too late to be given.
    Missed,
    /// The owner does not want it any more.
    Dismissed,
    /// The task is over, or does not have it any more.
    Cancelled,
}

impl ReminderState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Fired,
        Self::Sent,
        Self::Failed,
        Self::Missed,
        Self::Dismissed,
        Self::Cancelled,
    ];

    /// Its name, as stored and as told: `PENDING`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Fired => "FIRED",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
            Self::Missed => "MISSED",
            Self::Dismissed => "DISMISSED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One reminder that a task asks for, with its instant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Planned {
    /// Which one.
    pub number: ReminderNumber,
    /// When it is to be given. May have passed.
    pub at: Instant,
    /// The ways to use; empty for those that the owner prefers.
    pub channels: Vec<Channel>,
}

/// The instant that reminders are counted from: the due time; for an all-day task `all_day` by the clock of its own zone.
///
/// When the clocks of the zone skip that time of day, it comes later by the length of the gap; when they show it twice,
/// the
/// first one counts.
pub fn due_moment(due: Due, zone: Tz, all_day: ClockTime) -> Instant {
    match due {
        Due::At(instant) => instant,
        Due::On(day) => resolve(day.and_time(all_day.time()), zone),
    }
}

/// The instants of a task's reminders. An offset is a length of time, not of the clock: a day before 09:00 is 08:00 when
/// the night between loses an hour. One with an offset is left out when the task is not due.
pub fn plan(due: Option<Due>, zone: Tz, reminders: &[Reminder], all_day: ClockTime) -> Vec<Planned> {
    let counted_from = due.map(|due| due_moment(due, zone, all_day));
    let planned = (1..).zip(reminders).filter_map(|(number, reminder)| {
        let at = match reminder.moment {
            Moment::At(instant) => instant,
            Moment::Before(offset) => {
                let offset = TimeDelta::from_std(offset).unwrap_or(TimeDelta::MAX);
                counted_from?.checked_sub_signed(offset).unwrap_or(Instant::MIN_UTC)
            }
        };
        Some(Planned { number: ReminderNumber::new(number)?, at, channels: reminder.channels.clone() })
    });
    planned.collect()
}

/// The moment at which a reminder was fired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Firing {
    /// Names it.
    pub id: ReminderId,
    /// When it was.
    pub time: Instant,
}

/// How a firing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FiringEnd {
    /// It went out on at least one channel.
    Sent,
    /// It went out on none.
    Failed,
    /// It went out on none, because the reminder did not stand any more, or its task was over.
    CalledOff,
}

/// A state in which a reminder can not be changed as asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the reminder is {}", .state.name())]
pub struct NotAllowed {
    /// The state.
    pub state: ReminderState,
}

/// What became of a reminder whose alarm rang.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fire {
    /// It was fired; the row has its firing.
    Fired(TaskReminder),
    /// It is too late for it.
    Missed(TaskReminder),
    /// It was put off meanwhile.
    NotYet,
    /// It is not to be given any more, or was given.
    Over,
}

/// One reminder of one task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskReminder {
    /// The task.
    pub task_id: TaskId,
    /// Which one of the task.
    pub number: ReminderNumber,
    /// The task's owner.
    pub user_id: UserId,
    /// When the task wants it to be given.
    pub planned_at: Instant,
    /// When it is given: later than planned when the owner put it off.
    pub remind_at: Instant,
    /// The ways to use; empty for those that the owner prefers.
    pub channels: Vec<Channel>,
    /// How it stands.
    pub state: ReminderState,
    /// Counts the instants that it was set to, from 1: an alarm of an earlier one is stale.
    pub generation: i64,
    /// Whether `remind_at` is the owner's wish and not the task's.
    pub snoozed: bool,
    /// When it was last fired for this generation.
    pub firing: Option<Firing>,
    /// When the row last changed.
    pub update_time: Instant,
}

impl TaskReminder {
    /// How far ahead of this clock the one that rings alarms may be.
    pub const SKEW: TimeDelta = TimeDelta::seconds(2);

    /// Gives the reminder at `now` under the name `id`, unless that is more than `late` after its instant.
    pub fn fire(self, id: ReminderId, now: Instant, late: Duration) -> Fire {
        if self.state != ReminderState::Pending {
            return Fire::Over;
        }
        let lateness = now - self.remind_at;
        if lateness < -Self::SKEW {
            return Fire::NotYet;
        }
        if TimeDelta::from_std(late).is_ok_and(|late| lateness > late) {
            return Fire::Missed(self.turned(ReminderState::Missed, now));
        }
        let firing = Some(Firing { id, time: now });
        Fire::Fired(Self { firing, ..self.turned(ReminderState::Fired, now) })
    }

    /// Gives it at `until` instead, or once more. Refused when it is cancelled.
    pub fn snooze(self, until: Instant, now: Instant) -> Result<Self, NotAllowed> {
        match self.state {
            ReminderState::Cancelled => Err(NotAllowed { state: self.state }),
            ReminderState::Pending if self.snoozed && self.remind_at == until => Ok(self),
            _ => Ok(Self { remind_at: until, snoozed: true, ..self.set_again(now) }),
        }
    }

    /// Does away with it, before it was given or on its way. Repeating that changes nothing.
    pub fn dismiss(self, now: Instant) -> Result<Self, NotAllowed> {
        match self.state {
            ReminderState::Pending | ReminderState::Fired => Ok(self.turned(ReminderState::Dismissed, now)),
            ReminderState::Dismissed => Ok(self),
            state => Err(NotAllowed { state }),
        }
    }

    /// Notes how its firing ended; `None` when that changes nothing. What was sent before it could be cancelled was sent; what
    /// was cancelled and did not go out loses its firing. What was called off is cancelled, also when the end of its task was
    /// not heard yet.
    pub fn close(self, end: FiringEnd, now: Instant) -> Option<Self> {
        use FiringEnd::{CalledOff, Failed, Sent};
        match (self.state, end) {
            (ReminderState::Fired | ReminderState::Cancelled, Sent) if self.firing.is_some() => {
                Some(self.turned(ReminderState::Sent, now))
            }
            (ReminderState::Fired, Failed) => Some(self.turned(ReminderState::Failed, now)),
            // Nobody was told, so that it can be given again when the task is reopened.
            (ReminderState::Fired, CalledOff) | (ReminderState::Cancelled, Failed | CalledOff)
                if self.firing.is_some() =>
            {
                Some(Self { firing: None, ..self.turned(ReminderState::Cancelled, now) })
            }
            _ => None,
        }
    }

    /// Whether this firing is still to be told to the owner.
    pub fn stands(&self, firing: ReminderId) -> bool {
        self.state == ReminderState::Fired && self.firing.is_some_and(|mine| mine.id == firing)
    }

    /// Whether its moment has come, and the owner was told, is being told, or was not to be told.
    fn was_given(&self) -> bool {
        !matches!(self.state, ReminderState::Pending | ReminderState::Cancelled)
    }

    fn new(task_id: TaskId, user_id: &UserId, planned: &Planned, now: Instant) -> Self {
        Self {
            task_id,
            number: planned.number,
            user_id: user_id.clone(),
            planned_at: planned.at,
            remind_at: planned.at,
            channels: planned.channels.clone(),
            state: ReminderState::Pending,
            generation: 1,
            snoozed: false,
            firing: None,
            update_time: now,
        }
    }

    fn turned(self, state: ReminderState, now: Instant) -> Self {
        Self { state, update_time: now.max(self.update_time), ..self }
    }

    /// Pending in a new generation, so that no alarm of an earlier one counts.
    fn set_again(self, now: Instant) -> Self {
        let generation = self.generation + 1;
        Self { generation, firing: None, ..self.turned(ReminderState::Pending, now) }
    }

    /// After the task's plan was read anew.
    fn follow(self, planned: &Planned, now: Instant) -> Self {
        let row = if self.planned_at != planned.at {
            Self { planned_at: planned.at, remind_at: planned.at, snoozed: false, ..self.set_again(now) }
        } else if self.state == ReminderState::Cancelled {
            // Its message may be out already.
            match self.firing {
                Some(_) => self.turned(ReminderState::Fired, now),
                None => self.set_again(now),
            }
        } else {
            self
        };
        if row.state == ReminderState::Pending && row.channels != planned.channels {
            return Self { channels: planned.channels.clone(), ..row.turned(ReminderState::Pending, now) };
        }
        row
    }

    /// After the task has ended, or has the reminder no more.
    fn dropped(self, now: Instant) -> Self {
        match self.state {
            ReminderState::Pending | ReminderState::Fired => self.turned(ReminderState::Cancelled, now),
            _ => self,
        }
    }
}

/// Brings the reminders of a task in line with its plan; `None` says that the task is completed or deleted. `known` are
/// all
/// rows of the task, at most one for a number. Answers the rows that changed, and new ones.
///
/// A reminder is set again when its planned instant moved, unless it was given and the new instant has passed, too; and
/// when
/// it had been cancelled, unless its message may be out: then it is on its way again. With the same instant it stays as
/// it
/// is: given, dismissed, or put off. When the numbers of a task's reminders shift because one before them went, what
/// became
/// of an instant stays with the instant, so that nothing is given twice.
pub fn follow(
    known: &[TaskReminder],
    task: TaskId,
    user: &UserId,
    plan: Option<&[Planned]>,
    now: Instant,
) -> Vec<TaskReminder> {
    let plan = plan.unwrap_or_default();
    let mut after: Vec<TaskReminder> = Vec::new();
    for planned in plan {
        let row = known.iter().find(|row| row.number == planned.number);
        let next = match (row, shifted(known, plan, planned)) {
            // Nobody is to be told once more because the past has changed.
            (Some(row), None) if row.was_given() && row.planned_at != planned.at && planned.at <= now => {
                row.clone()
            }
            (Some(row), None) => row.clone().follow(planned, now),
            (None, None) => TaskReminder::new(task, user, planned, now),
            (row, Some(from)) => {
                let fresh = || TaskReminder::new(task, user, planned, now);
                let set = row.map_or_else(fresh, |row| row.clone().follow(planned, now));
                TaskReminder { state: from.state, remind_at: from.remind_at, snoozed: from.snoozed, ..set }
            }
        };
        after.push(next);
    }
    let dropped = known.iter().filter(|row| plan.iter().all(|planned| planned.number != row.number));
    after.extend(dropped.map(|row| row.clone().dropped(now)));
    after.retain(|row| !known.contains(row));
    after
}

/// The row that had the instant of `planned` under a number that has lost it, if the owner or a channel has done
/// something
/// about it. One that is on its way is not taken over: its firing belongs to its number.
fn shifted<'a>(known: &'a [TaskReminder], plan: &[Planned], planned: &Planned) -> Option<&'a TaskReminder> {
    let stays = |row: &TaskReminder| row.planned_at == planned.at && row.number == planned.number;
    if known.iter().any(stays) {
        return None;
    }
    let lost =
        |row: &TaskReminder| !plan.iter().any(|one| one.number == row.number && one.at == row.planned_at);
    known.iter().find(|row| {
        let settled = match row.state {
            ReminderState::Pending => row.snoozed,
            ReminderState::Fired | ReminderState::Cancelled => false,
            _ => true,
        };
        row.planned_at == planned.at && settled && lost(row)
    })
}
