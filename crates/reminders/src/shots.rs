//! Fires: rows whose moment has come become FIRED or MISSED, and what is told of it goes to the outbox, in one transaction.

use std::sync::Arc;
use std::time::Duration;

use docket_domain::reminder::Fire;
use docket_domain::source::{Clock, Ids};
use docket_domain::{EventId, Instant, ReminderId, ReminderNumber, TaskId, TaskReminder, TimeDelta};
use docket_store::reminders::{Due, TaskSnapshot};
use docket_store::{Error, Store, Tx};
use docket_telemetry::{Undecided, fail};

use crate::metrics::Metrics;
use crate::trace::{self, Way};
use crate::{Config, Deps, events, seconds};

/// The most rows of one transaction.
pub(crate) const BATCH: u16 = 500;

/// Fires rows, however they were found.
pub(crate) struct Shots {
    store: Store,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    topic: String,
    events_topic: String,
    late: Duration,
    pub(crate) metrics: Metrics,
}

/// What became of rows.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Fired {
    /// How many there were to fire.
    pub(crate) found: usize,
    /// Those whose moment has not come.
    pub(crate) early: Vec<(TaskId, ReminderNumber)>,
}

/// What an attempt at a transaction has done, for when it is committed.
#[derive(Default)]
struct Shot {
    fired: Fired,
    /// How long after its moment each was that was fired.
    lateness: Vec<TimeDelta>,
    missed: u64,
    /// The spans of all of them.
    spans: Undecided,
}

impl Shots {
    pub(crate) fn new(config: &Config, deps: &Deps) -> Self {
        Self {
            store: deps.store.clone(),
            clock: deps.clock.clone(),
            ids: deps.ids.clone(),
            topic: config.topic.clone(),
            events_topic: deps.events_topic.clone(),
            late: seconds(config.late_seconds),
            metrics: Metrics::new(&deps.meter, deps.clock.clone()),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Fires these, in one transaction of three statements, and [`BATCH`] at most where there is no list of them.
    ///
    /// What was fired, moved, cancelled or put off meanwhile is passed over.
    pub(crate) async fn fire(&self, due: &Due, way: Way) -> Result<Fired, Error> {
        let shot: Result<Shot, Error> = self.store.transaction(|tx| Box::pin(self.shoot(tx, due, way))).await;
        let Shot { fired, lateness, missed, spans } = shot?;
        spans.done();
        let told = missed > 0 || !lateness.is_empty();
        fail::fail_point!("reminder-after-commit", told, |_| std::process::abort());
        if told {
            self.store.outbox_appended();
            self.metrics.missed(missed);
            lateness.into_iter().for_each(|late| self.metrics.fired(way, late));
        }
        Ok(fired)
    }

    /// Fires everything whose moment is before `until`.
    pub(crate) async fn fire_until(&self, until: Instant, way: Way) -> Result<(), Error> {
        while self.fire(&Due::Until(until), way).await?.found >= BATCH.into() {}
        Ok(())
    }

    /// Tells once more of what was fired before `before` and has no end, [`BATCH`] at most; answers how many there were.
    pub(crate) async fn tell_again(&self, before: Instant) -> Result<usize, Error> {
        let told: Result<_, Error> = self.store.transaction(|tx| Box::pin(self.retell(tx, before))).await;
        let (told, spans) = told?;
        spans.done();
        if told > 0 {
            tracing::warn!(count = told, "nobody told what became of reminders; they are told of again");
            self.store.outbox_appended();
        }
        Ok(told)
    }

    async fn shoot(&self, tx: &Tx<'_>, due: &Due, way: Way) -> Result<Shot, Error> {
        let found = tx.reminders_lock_due(due, BATCH.into()).await?;
        // Read behind the locks, for which it may have taken a while.
        let now = self.clock.now();
        let mut shot = Shot { fired: Fired { found: found.len(), early: Vec::new() }, ..Shot::default() };
        let (mut rows, mut told) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (row, task) in found {
            let key = (row.task_id, row.number);
            let id = ReminderId::from_uuid(self.ids.uuid());
            match row.fire(id, now, self.late) {
                Fire::Fired(row) => {
                    let (span, trace) = trace::fire(&row, &task, id, way, now);
                    let firing = row.firing;
                    told.extend(firing.map(|firing| events::due(&self.topic, &row, firing, &task, trace)));
                    shot.lateness.push(now - row.remind_at);
                    shot.spans.extend(span);
                    rows.push(row);
                }
                Fire::Missed(row) => {
                    let (span, trace) = trace::fire(&row, &task, id, way, now);
                    span.iter().for_each(|span| fail(span, "missed"));
                    told.push(events::missed(&self.events_topic, &row, id, now, &task, trace));
                    shot.missed += 1;
                    shot.spans.extend(span);
                    rows.push(row);
                }
                Fire::NotYet => shot.fired.early.push(key),
                Fire::Over => {}
            }
        }
        if !rows.is_empty() {
            tx.reminders_fired(&rows).await?;
            tx.outbox_append(told).await?;
            fail::fail_point!("reminder-before-commit", |_| std::process::abort());
        }
        Ok(shot)
    }

    async fn retell(&self, tx: &Tx<'_>, before: Instant) -> Result<(usize, Undecided), Error> {
        let found = tx.reminders_unclosed(before, self.clock.now(), BATCH.into()).await?;
        let mut spans = Undecided::default();
        let again = |(row, task): &(TaskReminder, TaskSnapshot)| {
            let (span, trace) = trace::tell_again(row, task);
            spans.extend(span);
            let event = events::due(&self.topic, row, row.firing?, task, trace);
            Some((event, EventId::from_uuid(self.ids.uuid())))
        };
        let events = found.iter().filter_map(again).collect();
        tx.outbox_again(events).await?;
        Ok((found.len(), spans))
    }
}
