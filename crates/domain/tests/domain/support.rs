//! What the tests of time share: short ways to say things, a scan for zone transitions, and a slow second opinion.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Pattern, Recurrence};
use docket_domain::series::WallClock;
use docket_domain::{Due, Instant, Series, SeriesId};
use uuid::Uuid;

/// A rule every `interval` units, everything else as by default but each instant getting its occurrence.
pub(crate) fn every(interval: u32, pattern: Pattern) -> Recurrence {
    let (anchor, month_end) = (Anchor::default(), MonthEnd::default());
    Recurrence { pattern, interval, anchor, month_end, missed: Missed::Each, end: End::Never }
}

/// The first position of a series.
pub(crate) fn first(due: Due, zone: Tz) -> Series {
    Series::first(SeriesId::from_uuid(Uuid::from_u128(1)), due, zone)
}

/// An instant from RFC 3339.
pub(crate) fn at(text: &str) -> Instant {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// A day, or an instant from RFC 3339.
pub(crate) fn due(text: &str) -> Due {
    text.parse().map_or_else(|_| Due::At(at(text)), Due::On)
}

/// A due time as its owner reads it: a day, or a local time with its offset.
pub(crate) fn said(due: Due, zone: Tz) -> String {
    match due {
        Due::At(instant) => instant.with_timezone(&zone).to_rfc3339(),
        Due::On(day) => day.to_string(),
    }
}

/// A jump of a zone's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition {
    pub(crate) instant: Instant,
    pub(crate) before: TimeDelta,
    pub(crate) after: TimeDelta,
}

impl Transition {
    /// The wall clock at which the jump starts, and the one at which it ends.
    pub(crate) fn walls(self) -> (NaiveDateTime, NaiveDateTime) {
        let instant = self.instant.naive_utc();
        (instant + self.before, instant + self.after)
    }

    /// Whether the clocks leave this time out.
    pub(crate) fn skips(self, wall: NaiveDateTime) -> bool {
        let (from, to) = self.walls();
        from <= wall && wall < to
    }
}

pub(crate) fn offset(instant: Instant, zone: Tz) -> TimeDelta {
    TimeDelta::seconds(zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc().into())
}

/// Every transition of the years 1970 to 2039: steps of half a day, then a search for the second.
pub(crate) fn transitions(zone: Tz) -> Vec<Transition> {
    let end = at("2040-01-01T00:00:00Z");
    let (mut found, mut low) = (Vec::new(), DateTime::UNIX_EPOCH);
    while low < end {
        let high = low + TimeDelta::hours(12);
        let (before, after) = (offset(low, zone), offset(high, zone));
        if before != after {
            let (mut low, mut high) = (low.timestamp(), high.timestamp());
            while high - low > 1 {
                let middle = (low + high) / 2;
                let same = offset(Utc.timestamp_opt(middle, 0).unwrap(), zone) == before;
                if same { low = middle } else { high = middle }
            }
            found.push(Transition { instant: Utc.timestamp_opt(high, 0).unwrap(), before, after });
        }
        low = high;
    }
    found
}

/// A zone and its transitions: a second opinion on wall clocks that asks the zone for nothing but offsets of instants.
pub(crate) struct Oracle {
    pub(crate) zone: Tz,
    pub(crate) transitions: Vec<Transition>,
}

impl Oracle {
    pub(crate) fn new(zone: Tz) -> Self {
        Self { zone, transitions: transitions(zone) }
    }

    /// Goes through the stretches of constant offset, oldest first, until one shows `wall` or the gap after it has it.
    pub(crate) fn resolve(&self, wall: NaiveDateTime) -> Instant {
        let mut offset = offset(DateTime::UNIX_EPOCH, self.zone);
        // Nothing that happened days before matters.
        let near = wall.and_utc() - TimeDelta::days(3);
        for one in &self.transitions {
            let (from, to) = one.walls();
            if one.instant >= near && (wall < from || wall < to) {
                return (wall - one.before).and_utc();
            }
            offset = one.after;
        }
        (wall - offset).and_utc()
    }

    pub(crate) fn start_of_day(&self, day: NaiveDate) -> Instant {
        let midnight = day.and_hms_opt(0, 0, 0).unwrap();
        let gap = self.transitions.iter().find(|one| one.skips(midnight));
        gap.map_or_else(|| self.resolve(midnight), |gap| gap.instant)
    }

    pub(crate) fn instant(&self, wall: WallClock) -> Instant {
        match wall {
            WallClock::Time(time) => self.resolve(time),
            WallClock::Day(day) => self.start_of_day(day),
        }
    }

    /// The first `count` instants of a rule, found by leafing through the calendar day by day.
    pub(crate) fn instants(&self, rule: &Recurrence, start: WallClock, count: usize) -> Vec<Instant> {
        let days = start.day().iter_days().filter(|day| is_on(rule, start.day(), *day));
        days.take(count).map(|day| self.instant(start.on(day))).collect()
    }
}

/// Whether a rule that started on `start` has `day`.
fn is_on(rule: &Recurrence, start: NaiveDate, day: NaiveDate) -> bool {
    let interval = i64::from(rule.interval);
    let days = (day - start).num_days();
    let months =
        i64::from(day.year() - start.year()) * 12 + i64::from(day.month()) - i64::from(start.month());
    let last_of_month = day.succ_opt().is_none_or(|next| next.month() != day.month());
    let stands_in = rule.month_end == MonthEnd::Clamp && last_of_month && day.day() < start.day();
    let day_fits = day.day() == start.day() || stands_in;
    match rule.pattern {
        Pattern::Daily => days % interval == 0,
        Pattern::Weekly => day.weekday() == start.weekday() && (days / 7) % interval == 0,
        Pattern::Monthly => day_fits && months % interval == 0,
        Pattern::Yearly => day_fits && day.month() == start.month() && (months / 12) % interval == 0,
    }
}
