//! How a task repeats: the rule, and the instant that follows one.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate};
use chrono_tz::Tz;

use crate::series::WallClock;
use crate::{Due, Instant, Series};

/// The unit of a rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pattern {
    /// Days.
    Daily,
    /// Weeks.
    Weekly,
    /// Months.
    Monthly,
    /// Years.
    Yearly,
}

/// What the next occurrence is counted from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Anchor {
    /// The due time.
    #[default]
    DueTime,
    /// The completion.
    CompletionTime,
}

/// What a rule does in a month that lacks its day.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MonthEnd {
    /// Takes the month's last day.
    #[default]
    Clamp,
    /// Leaves the month out.
    Skip,
}

/// What happens to instants that passed while the task was open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Missed {
    /// Passed over.
    #[default]
    NextFuture,
    /// Each gets its occurrence.
    Each,
}

/// When a series ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum End {
    /// Never.
    #[default]
    Never,
    /// After so many instants of the rule, those passed over included.
    Count(u32),
    /// With the last instant that is not later.
    Until(Instant),
}

/// How a task repeats.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recurrence {
    /// The unit.
    pub pattern: Pattern,
    /// Units between occurrences, 1 to [`Recurrence::MAX_INTERVAL`].
    pub interval: u32,
    /// What the next occurrence is counted from.
    pub anchor: Anchor,
    /// What to do in months that lack the day.
    pub month_end: MonthEnd,
    /// What to do with instants that passed.
    pub missed: Missed,
    /// When the series ends.
    pub end: End,
}

impl Recurrence {
    /// The longest interval.
    pub const MAX_INTERVAL: u32 = 999;
    /// The largest count.
    pub const MAX_COUNT: u32 = 100_000;

    /// Whether the rule ends before `due`, so that not even a first occurrence is left.
    pub fn ends_before(&self, due: Instant) -> bool {
        matches!(self.end, End::Until(until) if until < due)
    }
}

/// The occurrence that follows one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Next {
    /// When it is due.
    pub due: Due,
    /// Where it stands in the series.
    pub series: Series,
}

/// The occurrence that follows the one at `series`, due at `due` in `zone` and completed at `completed`; `None` when the
/// rule has ended.
///
/// It comes strictly after the instant that this one was planned for, whatever its owner made of the due time, so that a
/// series never names an instant twice.
pub fn next(
    recurrence: &Recurrence,
    series: &Series,
    due: Due,
    zone: Tz,
    completed: Instant,
) -> Option<Next> {
    let completed = completed.clamp(DateTime::UNIX_EPOCH, LAST_INSTANT);
    let next = match recurrence.anchor {
        Anchor::DueTime => {
            let mut passed = due.instant(zone).max(series.occurrence_time);
            if recurrence.missed == Missed::NextFuture {
                passed = passed.max(completed);
            }
            let calendar = Calendar::new(recurrence, series.start);
            let (nth, due) = calendar.first_after(0, passed, zone)?;
            let index = series.start_index.saturating_add(calendar.count_before(nth));
            Next { due, series: Series { occurrence_time: due.instant(zone), index, ..*series } }
        }
        Anchor::CompletionTime => {
            let base = series.start.on(completed.with_timezone(&zone).date_naive());
            let calendar = Calendar::new(recurrence, base);
            let (nth, due) = calendar.first_after(1, series.occurrence_time, zone)?;
            let start = base.on(calendar.day(nth)?);
            let index = series.index.saturating_add(1);
            let occurrence_time = due.instant(zone);
            Next { due, series: Series { id: series.id, occurrence_time, start, start_index: index, index } }
        }
    };
    let ended = match recurrence.end {
        End::Never => false,
        End::Count(count) => next.series.index > count,
        End::Until(until) => next.series.occurrence_time > until,
    };
    (!ended).then_some(next)
}

/// At most `limit` occurrences that follow the one at `series`, when each is completed at the instant at which it is due.
pub fn preview(recurrence: &Recurrence, series: &Series, due: Due, zone: Tz, limit: usize) -> Vec<Next> {
    let after = |series: &Series, due: Due| next(recurrence, series, due, zone, due.instant(zone));
    std::iter::successors(after(series, due), |one| after(&one.series, one.due)).take(limit).collect()
}

/// The last instant that the API can say.
const LAST_INSTANT: Instant = match DateTime::from_timestamp(253_402_300_799, 999_999_000) {
    Some(instant) => instant,
    None => DateTime::UNIX_EPOCH,
};

/// The years of the API end here.
const LAST_YEAR: i32 = 9999;

/// The Gregorian calendar repeats itself after so many months, which is 400 years; so does, after so many steps of any
/// length, the list of the steps whose month has the wanted day.
const MONTHS_OF_CYCLE: u32 = 4_800;

/// The days of a rule, numbered from 0. All count from `start`, none from its predecessor, so that a short month or a gap
/// changes one and not those after it.
struct Calendar {
    start: WallClock,
    step: Step,
    skip: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Days(u64),
    Months(u64),
}

impl Calendar {
    fn new(recurrence: &Recurrence, start: WallClock) -> Self {
        let interval = u64::from(recurrence.interval.max(1));
        let step = match recurrence.pattern {
            Pattern::Daily => Step::Days(interval),
            Pattern::Weekly => Step::Days(interval * 7),
            Pattern::Monthly => Step::Months(interval),
            Pattern::Yearly => Step::Months(interval * 12),
        };
        // Every month has a 28th.
        let skip = recurrence.month_end == MonthEnd::Skip && start.day().day() > 28;
        Self { start, step, skip: skip && matches!(step, Step::Months(_)) }
    }

    /// The day with this number, clamped to its month's end; `None` after the last year.
    fn day(&self, number: u32) -> Option<NaiveDate> {
        let start = self.start.day();
        let day = match self.step {
            Step::Days(days) => start.checked_add_days(Days::new(u64::from(number).checked_mul(days)?)),
            Step::Months(months) => {
                let months = u64::from(number).checked_mul(months)?;
                start.checked_add_months(Months::new(u32::try_from(months).ok()?))
            }
        };
        day.filter(|day| day.year() <= LAST_YEAR)
    }

    /// Whether the rule has the day with this number.
    fn exists(&self, number: u32) -> bool {
        !self.skip || self.day(number).is_some_and(|day| day.day() == self.start.day().day())
    }

    /// How many days the rule has before the one with this number.
    fn count_before(&self, number: u32) -> u32 {
        if !self.skip {
            return number;
        }
        let count = |end| (0..end).map(|number| u32::from(self.exists(number))).sum::<u32>();
        match (number / MONTHS_OF_CYCLE, number % MONTHS_OF_CYCLE) {
            (0, rest) => count(rest),
            (cycles, rest) => cycles * count(MONTHS_OF_CYCLE) + count(rest),
        }
    }

    /// The first day that comes strictly after an instant and whose number is not below `from`.
    ///
    /// A bisection, since a later number never has an earlier instant: days lie at least a day apart, and no gap of a zone
    /// shifts a time by more.
    fn first_after(&self, from: u32, passed: Instant, zone: Tz) -> Option<(u32, Due)> {
        let due = |number| Some(self.start.on(self.day(number)?).due(zone));
        let (mut low, mut high) = (from, self.end());
        while low < high {
            let middle = low + (high - low) / 2;
            if due(middle).is_none_or(|due| due.instant(zone) > passed) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let number = (low..self.end()).take(MONTHS_OF_CYCLE as usize).find(|number| self.exists(*number))?;
        due(number).filter(|due| due.instant(zone) <= LAST_INSTANT).map(|due| (number, due))
    }

    /// A number that no day before the end of the last year has.
    fn end(&self) -> u32 {
        let years = u64::try_from(LAST_YEAR - self.start.day().year()).map_or(0, |years| years + 1);
        let days = match self.step {
            Step::Days(days) => years * 366 / days,
            Step::Months(months) => years * 12 / months,
        };
        u32::try_from(days + 1).unwrap_or(u32::MAX)
    }
}
