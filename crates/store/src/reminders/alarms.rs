//! What alarms are to be made for, and which were made.

use docket_domain::{Instant, ReminderNumber, TaskId, TimeDelta};
use sea_orm::{ConnectionTrait as _, DbBackend, QueryResult, Statement};
use uuid::Uuid;

use super::Set;
use super::row::{named_arrays, named_json, number};
use crate::patience::in_time;
use crate::{Error, Store, instant, micros};

/// A reminder that has no alarm yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alarm {
    /// The task.
    pub task_id: TaskId,
    /// Which reminder of the task.
    pub number: ReminderNumber,
    /// The generation that the alarm is for.
    pub generation: i64,
    /// When it is to ring.
    pub remind_at: Instant,
}

/// What there is to do.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tick {
    /// Whether there are reminders that no alarm has rung for.
    pub overdue: bool,
    /// Reminders without an alarm, the earliest first. On PostgreSQL nobody else is given them for a while.
    pub unarmed: Vec<Alarm>,
    /// Whether there are reminders that were published long ago, and whose firing has not ended.
    pub unclosed: bool,
}

/// How long a reminder is left to the process that was given it to make its alarm.
const CLAIM: TimeDelta = TimeDelta::seconds(15);

/// How many alarms one statement forgets.
const DISARMED: usize = 5_000;

const TICK: &str = include_str!("tick.sql");
const TICK_IN_PROCESS: &str = include_str!("tick.sqlite.sql");
const ARMED: &str = include_str!("armed.sql");
const ARMED_IN_PROCESS: &str = include_str!("armed.sqlite.sql");
const DISARM: &str = include_str!("disarm.sql");
const DISARM_IN_PROCESS: &str = include_str!("disarm.sqlite.sql");

impl Store {
    /// Looks for reminders whose instant is before `due_before`; for those before `arm_before` that have no alarm, at most
    /// `limit`; and for firings that were published before `republish_before` and have not ended. One statement, which reads
    /// nothing but an end of three indexes when there is nothing to do.
    pub async fn reminders_tick(
        &self,
        now: Instant,
        due_before: Instant,
        arm_before: Instant,
        republish_before: Instant,
        limit: u64,
    ) -> Result<Tick, Error> {
        let times = [now, due_before, arm_before, republish_before];
        let found = in_time(self.write_or_read(tick_statement(self.backend(), times, limit))).await?;
        let mut tick = Tick::default();
        for row in &found {
            tick.overdue = row.try_get("", "overdue")?;
            tick.unclosed = row.try_get("", "unclosed")?;
            // There is always a row for the other two.
            tick.unarmed.extend(alarm(row)?);
        }
        tick.unarmed.sort_by_key(|alarm| (alarm.remind_at, alarm.task_id, alarm.number));
        Ok(tick)
    }

    async fn write_or_read(&self, tick: Statement) -> Result<Vec<QueryResult>, sea_orm::DbErr> {
        // On SQLite it changes nothing, and must not wait for who does.
        let connection = if self.is_shared() { &self.write } else { &self.read };
        connection.query_all_raw(tick).await
    }

    /// Notes that the scheduler of `app_id` has alarms for these, as far as they are still set to the same instants. One
    /// statement; a reminder that somebody else has at the moment goes without the note, and is answered again later.
    pub async fn reminders_armed(&self, armed: &[Set], app_id: &str) -> Result<(), Error> {
        if armed.is_empty() {
            return Ok(());
        }
        let backend = self.backend();
        let armed = match backend {
            DbBackend::Postgres => {
                let mut values = named_arrays(armed)?;
                values.push(app_id.into());
                Statement::from_sql_and_values(backend, ARMED, values)
            }
            _ => {
                let values = [named_json(armed), app_id.into()];
                Statement::from_sql_and_values(backend, ARMED_IN_PROCESS, values)
            }
        };
        in_time(self.write.execute_raw(armed)).await?;
        Ok(())
    }

    /// Forgets the alarms of all pending reminders, or of those that are not with the scheduler of this app id: they are
    /// lost. Answers how many there were. One statement for each few thousand, so that nobody waits long for one of them.
    pub async fn reminders_disarm(&self, other_than: Option<&str>) -> Result<u64, Error> {
        let backend = self.backend();
        let sql = if backend == DbBackend::Postgres { DISARM } else { DISARM_IN_PROCESS };
        let sql = sql.replace("{limit}", &DISARMED.to_string());
        let (mut last, mut count) = ((Uuid::nil(), 0_i16), 0);
        loop {
            // No app id is empty.
            let values = [other_than.unwrap_or_default().into(), last.0.into(), last.1.into()];
            let disarm = Statement::from_sql_and_values(backend, sql.as_str(), values);
            let lost = in_time(self.write.query_all_raw(disarm)).await?;
            for row in &lost {
                last = last.max((row.try_get("", "task_id")?, row.try_get("", "number")?));
            }
            count += lost.len() as u64;
            if lost.len() < DISARMED {
                return Ok(count);
            }
        }
    }

    fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }
}

/// `times` are those of [`Store::reminders_tick`], in its order.
pub(super) fn tick_statement(backend: DbBackend, times: [Instant; 4], limit: u64) -> Statement {
    let [now, due, arm, republish] = times.map(micros);
    let mut values = vec![due.into(), arm.into(), republish.into()];
    let mut sql = TICK_IN_PROCESS;
    if backend == DbBackend::Postgres {
        sql = TICK;
        values.extend([now.into(), (now + CLAIM.num_microseconds().unwrap_or_default()).into()]);
    }
    Statement::from_sql_and_values(backend, sql.replace("{limit}", &limit.to_string()), values)
}

fn alarm(row: &QueryResult) -> Result<Option<Alarm>, Error> {
    let Some(task_id) = row.try_get::<Option<Uuid>>("", "task_id")? else { return Ok(None) };
    Ok(Some(Alarm {
        task_id: TaskId::from_uuid(task_id),
        number: number(row.try_get("", "number")?)?,
        generation: row.try_get("", "generation")?,
        remind_at: instant(row.try_get("", "remind_time")?)?,
    }))
}
