//! What becomes of tasks and their reminders when events are heard, in the order in which they came.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use docket_domain::reminder::{follow, plan};
use docket_domain::{
    ClockTime, FiringEnd, Instant, ReminderId, ReminderNumber, TaskId, TaskReminder, UserId,
};
use docket_store::reminders::{Known, TaskSnapshot};

/// The tasks of a batch, as they become.
pub(crate) struct Tasks {
    known: HashMap<TaskId, Known>,
    day_times: HashMap<UserId, ClockTime>,
    now: Instant,
    new: BTreeSet<TaskId>,
    changed: BTreeMap<(TaskId, ReminderNumber), TaskReminder>,
}

/// What is to be written.
pub(crate) struct Changes {
    pub(crate) tasks: Vec<TaskSnapshot>,
    pub(crate) reminders: Vec<TaskReminder>,
}

impl Tasks {
    /// Begins with what is known. `day_times` are those of the users who have said one.
    pub(crate) fn new(
        known: HashMap<TaskId, Known>,
        day_times: HashMap<UserId, ClockTime>,
        now: Instant,
    ) -> Self {
        Self { known, day_times, now, new: BTreeSet::new(), changed: BTreeMap::new() }
    }

    /// A task has become so. Nothing happens when it is known in this version or in a later one.
    pub(crate) fn hear(&mut self, task: TaskSnapshot) {
        let id = task.task_id;
        let fresh = Known { task: task.clone(), reminders: Vec::new() };
        match self.known.entry(id) {
            std::collections::hash_map::Entry::Occupied(mut known) => {
                if known.get().task.version >= task.version {
                    return;
                }
                known.get_mut().task = task;
            }
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(fresh);
            }
        }
        self.new.insert(id);
        self.replan(id);
    }

    /// A firing has ended, which was made from a version of its task. One that was called off is set again when its task is
    /// open and was heard to change since: it may be open again. When it was not, its end is still to be heard.
    pub(crate) fn close(&mut self, task: TaskId, firing: ReminderId, end: FiringEnd, version: i64) {
        let Some(known) = self.known.get(&task) else { return };
        let of_firing = |row: &&TaskReminder| row.firing.is_some_and(|mine| mine.id == firing);
        let closed = known.reminders.iter().find(of_firing).cloned();
        let has_changed = known.task.version > version;
        if let Some(closed) = closed.and_then(|row| row.close(end, self.now)) {
            self.keep(task, vec![closed]);
            if end == FiringEnd::CalledOff && has_changed {
                self.replan(task);
            }
        }
    }

    /// Brings the reminders of a task in line with what it asks for.
    pub(crate) fn replan(&mut self, id: TaskId) {
        let Some(Known { task, reminders }) = self.known.get(&id) else { return };
        let day_time = self.day_times.get(&task.user_id).copied().unwrap_or(ClockTime::NINE);
        let plan = task.open.then(|| plan(task.due, task.time_zone, &task.reminders, day_time));
        let changed = follow(reminders, id, &task.user_id, plan.as_deref(), self.now);
        self.keep(id, changed);
    }

    /// What is to be written, sorted.
    pub(crate) fn changes(&self) -> Changes {
        let tasks = self.new.iter().filter_map(|id| Some(self.known.get(id)?.task.clone())).collect();
        Changes { tasks, reminders: self.changed.values().cloned().collect() }
    }

    fn keep(&mut self, id: TaskId, rows: Vec<TaskReminder>) {
        let Some(known) = self.known.get_mut(&id) else { return };
        for row in rows {
            match known.reminders.iter_mut().find(|other| other.number == row.number) {
                Some(place) => *place = row.clone(),
                None => known.reminders.push(row.clone()),
            }
            self.changed.insert((id, row.number), row);
        }
    }
}
