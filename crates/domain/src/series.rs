//! Where a task stands in its series, and how wall-clock time becomes an instant.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

use crate::content::Invalid;
use crate::{Due, Instant, SeriesId};

/// A time on the wall clock of a task's zone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WallClock {
    /// A timed task's.
    Time(NaiveDateTime),
    /// An all-day task's.
    Day(NaiveDate),
}

impl WallClock {
    /// What the calendar and the clock in `zone` show when the task is due.
    pub fn of(due: Due, zone: Tz) -> Self {
        match due {
            Due::At(instant) => {
                Self::Time(near(instant.naive_utc()).and_utc().with_timezone(&zone).naive_local())
            }
            Due::On(day) => Self::Day(day),
        }
    }

    /// The calendar day.
    pub fn day(self) -> NaiveDate {
        match self {
            Self::Time(time) => time.date(),
            Self::Day(day) => day,
        }
    }

    /// The same time of day on another day.
    pub fn on(self, day: NaiveDate) -> Self {
        match self {
            Self::Time(time) => Self::Time(day.and_time(time.time())),
            Self::Day(_) => Self::Day(day),
        }
    }

    /// The due time that it stands for in `zone`.
    pub fn due(self, zone: Tz) -> Due {
        match self {
            Self::Time(time) => Due::At(resolve(time, zone)),
            Self::Day(day) => Due::On(day),
        }
    }
}

impl fmt::Display for WallClock {
    /// Writes `YYYY-MM-DDTHH:MM:SS`, with `.ffffff` unless that is zero, or `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => {
                write!(f, "{}", time.format("%Y-%m-%dT%H:%M:%S"))?;
                match time.nanosecond() / 1_000 {
                    0 => Ok(()),
                    micros => write!(f, ".{micros:06}"),
                }
            }
            Self::Day(day) => write!(f, "{}", day.format("%Y-%m-%d")),
        }
    }
}

impl FromStr for WallClock {
    type Err = Invalid;

    /// Takes exactly what [`WallClock`]'s `Display` writes.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(Self::Time);
        let parsed = time.or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self::Day));
        match parsed {
            Ok(wall) if wall.to_string() == text => Ok(wall),
            _ => Err(Invalid(
                "must be YYYY-MM-DDTHH:MM:SS, with .ffffff unless that is zero, or YYYY-MM-DD".to_owned(),
            )),
        }
    }
}

/// Where a task stands in its series.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Series {
    /// Names the series.
    pub id: SeriesId,
    /// The instant for which this occurrence was planned; later than that of every occurrence before.
    pub occurrence_time: Instant,
    /// The wall-clock time that the rule counts from: the 31st stays the 31st after a February.
    pub start: WallClock,
    /// Which instant of the rule `start` is, from 1.
    pub start_index: u32,
    /// Which instant of the rule this occurrence is, from 1.
    pub index: u32,
}

impl Series {
    /// The position of a series' first occurrence.
    pub fn first(id: SeriesId, due: Due, zone: Tz) -> Self {
        let occurrence_time = due.instant(zone);
        Self { id, occurrence_time, start: WallClock::of(due, zone), start_index: 1, index: 1 }
    }

    /// The same occurrence after its owner changed its due time, zone or rule: the rule goes on from the new due time,
    /// while `occurrence_time` stays what it was, so that the occurrence keeps its name.
    pub fn rescheduled(&self, due: Due, zone: Tz) -> Self {
        Self { start: WallClock::of(due, zone), start_index: self.index, ..*self }
    }
}

/// The first instant of a local day. When the zone skips its midnight, or the whole day, that is the first instant after
/// the gap.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> Instant {
    reached(day.and_time(NaiveTime::MIN), zone)
}

/// The first instant at which the clocks of `zone` have reached `wall`: when they skip it, the first after the gap.
pub fn reached(wall: NaiveDateTime, zone: Tz) -> Instant {
    let wall = near(wall);
    earliest(wall, zone).unwrap_or_else(|| end_of_gap(wall, zone))
}

/// The instant at which the clocks of `zone` show `wall`: the first, when they show it twice; when they skip it, `wall` is
/// read with the offset in force before the gap, which shifts it forward by the gap's length (RFC 5545 section 3.3.5).
pub fn resolve(wall: NaiveDateTime, zone: Tz) -> Instant {
    let wall = near(wall);
    earliest(wall, zone).unwrap_or_else(|| {
        let before_gap = end_of_gap(wall, zone) - TimeDelta::seconds(1);
        let offset = zone.offset_from_utc_datetime(&before_gap.naive_utc()).fix();
        wall.and_utc() - TimeDelta::seconds(i64::from(offset.local_minus_utc()))
    })
}

/// The same, unless it lies so near the ends of what `chrono` can say that its neighbours do not exist: then one that has
/// neighbours. The API stays a quarter of a million years away from there.
fn near(time: NaiveDateTime) -> NaiveDateTime {
    const LATEST: i32 = 200_000;
    const EARLIEST: i32 = -LATEST;
    match time.year() {
        EARLIEST..=LATEST => time,
        beyond => NaiveDate::from_ymd_opt(LATEST * beyond.signum(), 1, 1).map_or(time, Into::into),
    }
}

fn earliest(wall: NaiveDateTime, zone: Tz) -> Option<Instant> {
    zone.from_local_datetime(&wall).earliest().map(|time| time.to_utc())
}

/// The first instant after the gap that swallows `wall`.
///
/// Offsets are less than a day, so that the clocks show an earlier time one day before the instant that `wall` would be
/// in UTC, and a later time one day after. They never show `wall` itself, so a bisection between the two ends at the jump
/// over it. Clocks jump on whole seconds.
fn end_of_gap(wall: NaiveDateTime, zone: Tz) -> Instant {
    let wall = wall.with_nanosecond(0).unwrap_or(wall);
    let at = |seconds| wall.and_utc() + TimeDelta::seconds(seconds);
    let (mut before, mut after) = (-86_400, 86_400);
    while after - before > 1 {
        let middle = (before + after) / 2;
        if at(middle).with_timezone(&zone).naive_local() < wall {
            before = middle;
        } else {
            after = middle;
        }
    }
    at(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_too_far_away() {
        for zone in [Tz::UTC, Tz::Asia__Kathmandu, Tz::Pacific__Apia, Tz::America__New_York] {
            for day in [NaiveDate::MIN, NaiveDate::MAX] {
                let due = Due::On(day);
                assert_eq!(WallClock::of(due, zone).due(zone), due);
                assert_eq!(start_of_day(day, zone) > Instant::UNIX_EPOCH, day == NaiveDate::MAX, "{zone}");
            }
            for instant in [Instant::MIN_UTC, Instant::MAX_UTC] {
                let Due::At(near) = WallClock::of(Due::At(instant), zone).due(zone) else { panic!("timed") };
                assert_eq!(near > Instant::UNIX_EPOCH, instant == Instant::MAX_UTC, "{zone}");
            }
        }
    }

    #[test]
    fn wall_clock_text() {
        for text in
            ["2027-01-31T09:00:00", "1970-01-01T23:59:59.000001", "9999-12-31T00:00:00.120000", "2028-02-29"]
        {
            assert_eq!(text.parse::<WallClock>().map(|wall| wall.to_string()), Ok(text.to_owned()));
        }
        let others = [
            "",
            "2027-1-31",
            "2027-02-29",
            "2027-01-31T09:00",
            "2027-01-31 09:00:00",
            "2027-01-31T09:00:00Z",
        ];
        let unwritten =
            ["2027-01-31T09:00:00.5", "2027-01-31T09:00:00.000000", "2016-12-31T23:59:60", " 2027-01-31"];
        for text in others.iter().chain(&unwritten) {
            assert!(text.parse::<WallClock>().is_err(), "{text:?} was taken");
        }
    }
}
