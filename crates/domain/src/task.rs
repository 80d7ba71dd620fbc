//! A task and the changes that it can go through.

use chrono::TimeDelta;

use crate::content::Moment;
use crate::recurrence::{self, Next};
use crate::{Change, Content, Due, EventKind, Instant, Reminder, Series, SeriesId, TaskId, UserId};

/// Whether a task is done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Still to be done.
    Open,
    /// Done.
    Completed {
        /// When it was completed.
        time: Instant,
        /// The version that the completion made: what names this completion among others of the same task.
        version: i64,
    },
}

impl State {
    /// The name that the API and the store know it by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Completed { .. } => "COMPLETED",
        }
    }
}

/// Why a task can not change as asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It is deleted.
    #[error("the task is deleted")]
    Deleted,
    /// Its state does not allow it.
    #[error("the task is {state}: {why}")]
    State {
        /// The state's name.
        state: &'static str,
        /// The rule.
        why: &'static str,
    },
    /// An occurrence was asked for after a task that is not completed.
    #[error("the predecessor is not completed")]
    NotCompleted,
    /// An occurrence was asked for that the rule does not make.
    #[error("the predecessor's rule has no such next occurrence")]
    NoNext,
    /// An occurrence was to have the id of its predecessor.
    #[error("an occurrence needs an id of its own")]
    SameId,
}

/// A thing to do, owned by one user.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// Names it.
    pub id: TaskId,
    /// Its owner.
    pub user_id: UserId,
    /// What the user says about it.
    pub content: Content,
    /// Whether it is done.
    pub state: State,
    /// Where it stands in its series; kept when the rule is taken away.
    pub series: Option<Series>,
    /// Counts its mutations, from 1.
    pub version: i64,
    /// When it was created.
    pub create_time: Instant,
    /// When it last changed.
    pub update_time: Instant,
    /// When it was deleted.
    pub delete_time: Option<Instant>,
}

impl Task {
    /// How long a deleted task is kept.
    pub const RETENTION: TimeDelta = TimeDelta::days(30);

    /// A new task. One that repeats becomes the first occurrence of the series `series_id`.
    pub fn create(
        id: TaskId,
        user_id: UserId,
        content: Content,
        series_id: SeriesId,
        now: Instant,
    ) -> Change {
        let series = first_series(&content, series_id);
        Self::created(id, user_id, content, series, now)
    }

    /// The next occurrence of a completed task. Its place in the series is the one that the predecessor's rule gives; when
    /// `content` plans otherwise, the series goes on from there.
    ///
    /// A predecessor that was deleted after its completion has a next occurrence all the same.
    pub fn occurrence(
        id: TaskId,
        predecessor: &Self,
        content: Content,
        now: Instant,
    ) -> Result<Change, Refused> {
        if id == predecessor.id {
            return Err(Refused::SameId);
        }
        let State::Completed { .. } = predecessor.state else { return Err(Refused::NotCompleted) };
        let next = predecessor.next().ok_or(Refused::NoNext)?;
        let due = content.due.ok_or(Refused::NoNext)?;
        let series = if content.same_plan(&predecessor.next_content(next.due)) {
            next.series
        } else {
            let occurrence_time = due.instant(content.time_zone);
            Series { occurrence_time, ..next.series.rescheduled(due, content.time_zone) }
        };
        if predecessor.series.is_some_and(|before| series.occurrence_time <= before.occurrence_time) {
            return Err(Refused::NoNext);
        }
        Ok(Self::created(id, predecessor.user_id.clone(), content, Some(series), now))
    }

    /// Replaces the content; `None` when that changes nothing. A task that begins to repeat starts the series
    /// `new_series_id`, unless it has been in one before.
    pub fn update(
        &self,
        content: Content,
        new_series_id: SeriesId,
        now: Instant,
    ) -> Result<Option<Change>, Refused> {
        self.refuse_deleted()?;
        if content == self.content {
            return Ok(None);
        }
        let same_plan = content.same_plan(&self.content);
        // The next occurrence follows from the plan, and may exist already.
        if let (State::Completed { .. }, false) = (self.state, same_plan) {
            return Err(self.refused("a completed task's due time, zone and rule are fixed"));
        }
        let series = match (self.series, content.recurrence, content.due) {
            (None, Some(_), Some(_)) => first_series(&content, new_series_id),
            (Some(series), Some(_), Some(due)) if !same_plan => {
                Some(series.rescheduled(due, content.time_zone))
            }
            (series, ..) => series,
        };
        Ok(Some(self.changed(EventKind::Updated, now, |task| {
            task.content = content;
            task.series = series;
        })))
    }

    /// Completes an open task.
    pub fn complete(&self, now: Instant) -> Result<Change, Refused> {
        self.refuse_deleted()?;
        match self.state {
            State::Open => Ok(self.changed(EventKind::Completed, now, |task| {
                task.state = State::Completed { time: now, version: task.version };
            })),
            State::Completed { .. } => Err(self.refused("only an open task can be completed")),
        }
    }

    /// Opens a completed task again.
    pub fn reopen(&self, now: Instant) -> Result<Change, Refused> {
        self.refuse_deleted()?;
        match self.state {
            State::Completed { .. } => {
                Ok(self.changed(EventKind::Reopened, now, |task| task.state = State::Open))
            }
            State::Open => Err(self.refused("only a completed task can be opened again")),
        }
    }

    /// Deletes a task, open or completed.
    pub fn delete(&self, now: Instant) -> Result<Change, Refused> {
        self.refuse_deleted()?;
        Ok(self.changed(EventKind::Deleted, now, |task| task.delete_time = Some(now)))
    }

    /// When a deleted task is forgotten.
    pub fn purge_time(&self) -> Option<Instant> {
        self.delete_time?.checked_add_signed(Self::RETENTION)
    }

    /// The occurrence that follows; `None` unless the task is completed and its rule goes on.
    pub fn next(&self) -> Option<Next> {
        let State::Completed { time, .. } = self.state else { return None };
        let content = &self.content;
        recurrence::next(content.recurrence.as_ref()?, &self.series?, content.due?, content.time_zone, time)
    }

    /// The content of the next occurrence: the same, but due at `due` and without reminders at a fixed instant, which
    /// belong to the occurrence that they were set for.
    pub fn next_content(&self, due: Due) -> Content {
        let relative = |reminder: &&Reminder| matches!(reminder.moment, Moment::Before(_));
        let reminders = self.content.reminders.iter().filter(relative).cloned().collect();
        Content { due: Some(due), reminders, ..self.content.clone() }
    }

    fn created(
        id: TaskId,
        user_id: UserId,
        content: Content,
        series: Option<Series>,
        now: Instant,
    ) -> Change {
        let after = Self {
            id,
            user_id,
            content,
            state: State::Open,
            series,
            version: 1,
            create_time: now,
            update_time: now,
            delete_time: None,
        };
        Change { kind: EventKind::Created, before: None, after }
    }

    /// Applies `change` to the next version. The update time never goes back, though the clocks of two servers differ.
    fn changed(&self, kind: EventKind, now: Instant, change: impl FnOnce(&mut Self)) -> Change {
        let mut after = self.clone();
        after.version += 1;
        after.update_time = now.max(self.update_time);
        change(&mut after);
        Change { kind, before: Some(self.clone()), after }
    }

    fn refuse_deleted(&self) -> Result<(), Refused> {
        self.delete_time.map_or(Ok(()), |_| Err(Refused::Deleted))
    }

    fn refused(&self, why: &'static str) -> Refused {
        Refused::State { state: self.state.name(), why }
    }
}

fn first_series(content: &Content, id: SeriesId) -> Option<Series> {
    content.recurrence?;
    Some(Series::first(id, content.due?, content.time_zone))
}
