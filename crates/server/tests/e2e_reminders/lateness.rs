//! How late reminders came, for people to look at: no test fails by it.

use std::fmt;
use std::time::Duration;

use docket_domain::TimeDelta;
use docket_proto::v1;

use crate::person::instant;

/// The upper ends of the columns, in milliseconds.
const COLUMNS: [u64; 9] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// The time from each reminder's moment until something happened.
pub(crate) struct Lateness(Vec<Duration>);

impl Lateness {
    /// Until messages had ended.
    pub(crate) fn of_messages(rows: &[v1::Delivery]) -> Self {
        Self::new(rows.iter().map(|row| instant(row.finish_time) - instant(row.remind_time)))
    }

    /// Until reminders were fired.
    pub(crate) fn of_firings(reminders: &[v1::TaskReminder]) -> Self {
        Self::new(reminders.iter().map(|one| instant(one.fire_time) - instant(one.remind_time)))
    }

    fn new(late: impl Iterator<Item = TimeDelta>) -> Self {
        let mut all: Vec<Duration> = late.map(|late| late.to_std().unwrap_or_default()).collect();
        all.sort();
        Self(all)
    }

    fn at(&self, part: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * part).round() as usize;
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Lateness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (half, most, last) = (self.at(0.5), self.at(0.99), self.at(1.0));
        write!(f, "{}, late by {half:.1?} (p50), {most:.1?} (p99), {last:.1?} (max);", self.0.len())?;
        let mut rest = self.0.as_slice();
        for column in COLUMNS {
            let end = Duration::from_millis(column);
            let (inside, beyond) = rest.split_at(rest.partition_point(|late| *late <= end));
            if !inside.is_empty() {
                write!(f, " ≤{end:?}: {}", inside.len())?;
            }
            rest = beyond;
        }
        if rest.is_empty() { Ok(()) } else { write!(f, " more: {}", rest.len()) }
    }
}
