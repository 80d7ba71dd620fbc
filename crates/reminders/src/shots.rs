//! Fires: rows whose moment has come become FIRED or MISSED, and what is told of it goes to the outbox, in one transaction.

use std::sync::Arc;
use std::time::Duration;

use docket_domain::reminder::Fire;
use docket_domain::source::{Clock, Ids};
use docket_domain::{EventId, Instant, ReminderId, ReminderNumber, TaskId, TaskReminder};
use docket_store::reminders::{Due, TaskSnapshot};
use docket_store::{Error, Store, Tx};

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
}

/// What became of rows.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Fired {
    /// How many there were to fire.
    pub(crate) found: usize,
    /// Those whose moment has not come.
    pub(crate) early: Vec<(TaskId, ReminderNumber)>,
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
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Fires these, in one transaction of three statements, and [`BATCH`] at most where there is no list of them.
    ///
    /// What was fired, moved, cancelled or put off meanwhile is passed over.
    pub(crate) async fn fire(&self, due: &Due) -> Result<Fired, Error> {
        let fired: Result<(Fired, bool), Error> =
            self.store.transaction(|tx| Box::pin(self.shoot(tx, due))).await;
        let (fired, told) = fired?;
        fail::fail_point!("reminder-after-commit", told, |_| std::process::abort());
        if told {
            self.store.outbox_appended();
        }
        Ok(fired)
    }

    /// Fires everything whose moment is before `until`.
    pub(crate) async fn fire_until(&self, until: Instant) -> Result<(), Error> {
        while self.fire(&Due::Until(until)).await?.found >= BATCH.into() {}
        Ok(())
    }

    /// Tells once more of what was fired before `before` and has no end, [`BATCH`] at most; answers how many there were.
    pub(crate) async fn tell_again(&self, before: Instant) -> Result<usize, Error> {
        let told: Result<usize, Error> = self.store.transaction(|tx| Box::pin(self.retell(tx, before))).await;
        let told = told?;
        if told > 0 {
            tracing::warn!(count = told, "nobody told what became of reminders; they are told of again");
            self.store.outbox_appended();
        }
        Ok(told)
    }

    async fn shoot(&self, tx: &Tx<'_>, due: &Due) -> Result<(Fired, bool), Error> {
        let found = tx.reminders_lock_due(due, BATCH.into()).await?;
        // Read behind the locks, for which it may have taken a while.
        let now = self.clock.now();
        let mut fired = Fired { found: found.len(), early: Vec::new() };
        let (mut rows, mut told) = (Vec::with_capacity(found.len()), Vec::with_capacity(found.len()));
        for (row, task) in found {
            let key = (row.task_id, row.number);
            let id = ReminderId::from_uuid(self.ids.uuid());
            match row.fire(id, now, self.late) {
                Fire::Fired(row) => {
                    let firing = row.firing;
                    told.extend(firing.map(|firing| events::due(&self.topic, &row, firing, &task)));
                    rows.push(row);
                }
                Fire::Missed(row) => {
                    told.push(events::missed(&self.events_topic, &row, id, now, &task));
                    rows.push(row);
                }
                Fire::NotYet => fired.early.push(key),
                Fire::Over => {}
            }
        }
        if rows.is_empty() {
            return Ok((fired, false));
        }
        tx.reminders_fired(&rows).await?;
        tx.outbox_append(told).await?;
        fail::fail_point!("reminder-before-commit", |_| std::process::abort());
        Ok((fired, true))
    }

    async fn retell(&self, tx: &Tx<'_>, before: Instant) -> Result<usize, Error> {
        let found = tx.reminders_unclosed(before, self.clock.now(), BATCH.into()).await?;
        let again = |(row, task): &(TaskReminder, TaskSnapshot)| {
            let event = events::due(&self.topic, row, row.firing?, task);
            Some((event, EventId::from_uuid(self.ids.uuid())))
        };
        tx.outbox_again(found.iter().filter_map(again).collect()).await?;
        Ok(found.len())
    }
}
