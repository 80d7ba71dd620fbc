//! What the target `reminders` keeps: what it knows of each task, the task's reminders, and how it stands with them.
//!
//! A pending reminder without an alarm is what asks for one: nothing else remembers that it is still to be made. Whatever
//! works on many rows is one statement, of one text.
//!
//! Locks are taken in one order: users ([`Tx::reminder_day_times`], [`Tx::reminder_day_time_put`]), tasks, reminders, each
//! sorted. So a transaction asks for the users first, and then for all its tasks at once.

mod alarms;
mod figures;
mod fire;
mod follow;
mod list;
#[cfg(test)]
mod plans;
mod row;

use chrono_tz::Tz;
use docket_domain::{Instant, Priority, Reminder, ReminderNumber, TaskId, TaskReminder, Title, UserId};

pub use alarms::{Alarm, Tick};
pub use figures::Figures;
pub use fire::{Due, Standing};
pub use list::{Cursor, Listing};
#[cfg(test)]
use {
    alarms::tick_statement, figures::figures_statement, fire::due_statement, fire::standing_query,
    follow::all_day_query, list::list_statement,
};

use crate::Store;
use crate::outbox::Trace;

/// A task, as far as its reminders need it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TaskSnapshot {
    /// The task.
    pub task_id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// The version that this is of.
    pub version: i64,
    /// Whether it is still to be done: neither completed nor deleted.
    pub open: bool,
    /// What is to be done.
    pub title: Title,
    /// How much it matters.
    pub priority: Priority,
    /// When it is due.
    pub due: Option<docket_domain::Due>,
    /// The zone of its wall clock.
    pub time_zone: Tz,
    /// When to tell the owner.
    pub reminders: Vec<Reminder>,
    /// The trace in which it became so.
    pub trace: Option<Trace>,
    /// When this was learnt. What is over is forgotten some time after.
    pub update_time: Instant,
}

/// A task with all its reminders, by number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// The task.
    pub task: TaskSnapshot,
    /// The reminders.
    pub reminders: Vec<TaskReminder>,
}

/// Names a reminder, and the instant that it is set to: the generation.
pub type Set = (TaskId, ReminderNumber, i64);

impl Store {
    /// Wakes who makes alarms: reminders were committed that need some.
    pub fn reminders_changed(&self) {
        self.reminders.notify_one();
    }

    /// Waits until that is said; once before counts.
    pub async fn reminders_change(&self) {
        self.reminders.notified().await;
    }
}
