//! Follows the events of tasks, what became of reminders, and what users prefer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use docket_domain::source::Clock;
use docket_domain::{
    ClockTime, Due, EventKind, FiringEnd, Heard, Instant, ReminderEventKind, ReminderId, State, TaskId,
    UserId,
};
use docket_sidecar::{BoxError, Delivery, HandlerError, TopicHandler};
use docket_store::inbox::Arrival;
use docket_store::outbox::Trace;
use docket_store::reminders::TaskSnapshot;
use docket_store::{Error, Store, Tx};
use docket_wire::{event, preferences_event, reminder_event};

use crate::follow::{Changes, Tasks};

/// Names the handler of task events, in its inbox and in a replay that is for it alone.
pub const NAME: &str = "reminders";

/// The handler of task events.
pub(crate) struct Handler {
    store: Store,
    clock: Arc<dyn Clock>,
}

/// An event that was read.
struct Read {
    arrival: Arrival,
    /// It is a task that was published again for this handler alone, because its rows may be lost: what the inbox says of it
    /// does not count. Versions see to it that nothing happens twice.
    refills: bool,
    said: Said,
}

/// What it says, as far as reminders are concerned.
enum Said {
    Task(Box<TaskSnapshot>),
    Closed { task: TaskId, firing: ReminderId, end: FiringEnd, version: i64 },
    DayTime { user: UserId, time: ClockTime, sequence: i64 },
    Nothing,
}

impl Handler {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    fn read(&self, delivery: &Delivery) -> Result<Read, HandlerError> {
        let replay = delivery.metadata.replay();
        let arrival = Arrival { event: delivery.event_id, replay: replay.as_ref().map(|replay| replay.id) };
        let for_it_alone = replay.is_some_and(|replay| replay.handler.as_deref() == Some(NAME));
        let said = match Heard::from_event_type(&delivery.event_type) {
            Some(Heard::Task(kind)) => Said::Task(Box::new(self.task(kind, delivery)?)),
            Some(Heard::Reminder(kind @ (ReminderEventKind::Sent | ReminderEventKind::Failed))) => {
                let notice = reminder_event::decode(&delivery.data).map_err(unreadable)?;
                let end = match kind {
                    ReminderEventKind::Sent => FiringEnd::Sent,
                    _ if notice.called_off => FiringEnd::CalledOff,
                    _ => FiringEnd::Failed,
                };
                let (task, firing, version) = (notice.task_id, notice.reminder_id, notice.task_version);
                Said::Closed { task, firing, end, version }
            }
            // Told by this target itself.
            Some(Heard::Reminder(ReminderEventKind::Due | ReminderEventKind::Missed)) => Said::Nothing,
            Some(Heard::Preferences) => {
                let notice = preferences_event::decode(&delivery.data).map_err(unreadable)?;
                Said::DayTime { user: notice.user_id, time: notice.all_day_time, sequence: notice.sequence }
            }
            None => {
                return Err(HandlerError::hopeless(format!("unknown event type {}", delivery.event_type)));
            }
        };
        let refills = for_it_alone && matches!(said, Said::Task(_));
        Ok(Read { arrival, refills, said })
    }

    fn task(&self, kind: EventKind, delivery: &Delivery) -> Result<TaskSnapshot, HandlerError> {
        let task = event::decode(&delivery.data).and_then(|event| event.task()).map_err(unreadable)?;
        let open = matches!(task.state, State::Open) && task.delete_time.is_none();
        let trace = delivery.trace.clone();
        Ok(TaskSnapshot {
            task_id: task.id,
            user_id: task.user_id,
            version: task.version,
            open: open && kind != EventKind::Deleted,
            title: task.content.title,
            priority: task.content.priority,
            due: task.content.due,
            time_zone: task.content.time_zone,
            reminders: task.content.reminders,
            trace: trace.map(|trace| Trace { parent: trace.parent, state: trace.state }),
            update_time: self.clock.now(),
        })
    }

    /// Does what is new of these, in one transaction of as many statements for one as for hundreds; only changes of
    /// preferences cost some more.
    async fn follow(&self, events: &[Read]) -> Result<(), HandlerError> {
        fail::fail_point!("reminders-error", |_| Err(HandlerError::retry("failpoint")));
        let now = self.clock.now();
        let followed: Result<bool, Error> = self
            .store
            .transaction(|tx| {
                Box::pin(async move {
                    let changed = store(tx, events, now).await?;
                    fail::fail_point!("in-handler-before-commit", |_| std::process::abort());
                    Ok(changed)
                })
            })
            .await;
        match followed {
            Ok(changed) => {
                if changed {
                    self.store.reminders_changed();
                }
                Ok(())
            }
            Err(error) => Err(HandlerError::of_database(error.is_refused(), error)),
        }
    }
}

#[async_trait]
impl TopicHandler for Handler {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.follow(&[self.read(delivery)?]).await
    }

    async fn handle_all(&self, deliveries: &[&Delivery]) -> Result<(), HandlerError> {
        self.follow(&HandlerError::read_all(deliveries, |delivery| self.read(delivery)).await?).await
    }
}

/// Answers whether reminders have changed.
async fn store(tx: &Tx<'_>, events: &[Read], now: Instant) -> Result<bool, Error> {
    let arrivals: Vec<Arrival> = events.iter().map(|event| event.arrival).collect();
    let begun = tx.inbox_begin_all(NAME, &arrivals, now).await?;
    let new = events.iter().zip(begun).filter(|(read, begun)| *begun || read.refills);
    let new: Vec<&Said> = new.map(|(read, _)| &read.said).collect();

    // The locks of users come before those of tasks.
    let said = day_times(&new);
    let mut day_times = tx.reminder_day_times(&users(&new)).await?;
    let mut replan = BTreeSet::new();
    for (user, (sequence, time)) in said {
        if tx.reminder_day_time_put(user, time, sequence).await? {
            let before = day_times.insert(user.clone(), time).unwrap_or(ClockTime::NINE);
            replan.extend((before != time).then_some(user));
        }
    }
    let ids: BTreeSet<TaskId> = new.iter().filter_map(|said| said.task()).collect();
    let mut known = tx.reminders_known(&Vec::from_iter(ids)).await?;
    let mut all_day = BTreeSet::new();
    for user in replan {
        for one in tx.reminders_all_day_of(user).await? {
            all_day.insert(one.task.task_id);
            known.entry(one.task.task_id).or_insert(one);
        }
    }

    let mut tasks = Tasks::new(known.clone(), day_times, now);
    all_day.into_iter().for_each(|id| tasks.replan(id));
    for said in new {
        match said {
            Said::Task(task) => tasks.hear(TaskSnapshot::clone(task)),
            Said::Closed { task, firing, end, version } => tasks.close(*task, *firing, *end, *version),
            Said::DayTime { .. } | Said::Nothing => {}
        }
    }
    let Changes { tasks, reminders } = tasks.changes();
    tx.reminders_put(&known, &tasks, &reminders).await?;
    Ok(!reminders.is_empty())
}

/// The last word of each user.
fn day_times<'a>(said: &[&'a Said]) -> BTreeMap<&'a UserId, (i64, ClockTime)> {
    let mut last = BTreeMap::new();
    for one in said {
        if let Said::DayTime { user, time, sequence } = one {
            let word = last.entry(user).or_insert((*sequence, *time));
            if word.0 < *sequence {
                *word = (*sequence, *time);
            }
        }
    }
    last
}

/// Those whose time of day matters.
fn users(said: &[&Said]) -> Vec<UserId> {
    let user = |said: &&Said| match said {
        Said::Task(task) if matches!(task.due, Some(Due::On(_))) => Some(task.user_id.clone()),
        Said::DayTime { user, .. } => Some(user.clone()),
        _ => None,
    };
    said.iter().filter_map(user).collect::<BTreeSet<_>>().into_iter().collect()
}

impl Said {
    fn task(&self) -> Option<TaskId> {
        match self {
            Self::Task(task) => Some(task.task_id),
            Self::Closed { task, .. } => Some(*task),
            Self::DayTime { .. } | Self::Nothing => None,
        }
    }
}

fn unreadable(source: impl Into<BoxError>) -> HandlerError {
    HandlerError::Hopeless { reason: "the event can not be read".to_owned(), source: Some(source.into()) }
}
