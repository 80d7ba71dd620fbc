//! How much there is to do, in figures.

use docket_domain::Instant;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::patience::in_time;
use crate::{Error, Store, instant, micros};

/// How many reminders there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Those that are still to be fired; no more than were to be counted.
    pub pending: u64,
    /// Those of them whose moment has passed; no more than were to be counted.
    pub overdue: u64,
    /// The moment of the one that is overdue for longest.
    pub oldest_overdue: Option<Instant>,
}

impl Store {
    /// Counts reminders, up to `most` of each kind. One statement, which reads nothing but one index.
    pub async fn reminders_figures(&self, now: Instant, most: u64) -> Result<Figures, Error> {
        let statement = figures_statement(self.read.get_database_backend(), now, most);
        let Some(row) = in_time(self.read.query_one_raw(statement)).await? else {
            return Ok(Figures::default());
        };
        let count =
            |column| Ok::<_, Error>(u64::try_from(row.try_get::<i64>("", column)?).unwrap_or_default());
        Ok(Figures {
            pending: count("pending")?,
            overdue: count("overdue")?,
            oldest_overdue: row.try_get::<Option<i64>>("", "oldest")?.map(instant).transpose()?,
        })
    }
}

/// What is counted is sorted, because without that the planner may prefer to read the table.
pub(super) fn figures_statement(backend: DbBackend, now: Instant, most: u64) -> Statement {
    let count = |only: &str| {
        format!(
            "(SELECT count(*) FROM (
                SELECT remind_time FROM reminders
                WHERE state = 'PENDING'{only}
                ORDER BY remind_time LIMIT {most}
            ) AS counted)"
        )
    };
    let overdue = " AND remind_time < $1";
    let sql = format!(
        "SELECT {} AS pending, {} AS overdue,
        (SELECT min(remind_time) FROM reminders WHERE state = 'PENDING'{overdue}) AS oldest",
        count(""),
        count(overdue),
    );
    Statement::from_sql_and_values(backend, sql, [micros(now).into()])
}
