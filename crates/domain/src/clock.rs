//! Times of day as a user says them, and what they mean on a given day of a zone.

use std::fmt;
use std::str::FromStr;

use chrono::{Days, NaiveDate, NaiveTime, TimeDelta};
use chrono_tz::Tz;

use crate::content::Invalid;
use crate::series::{WallClock, reached, resolve};
use crate::{Due, Instant};

/// A time of day to the minute: `HH:MM`, from 00:00 to 23:59.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClockTime {
    minutes: u16,
}

impl ClockTime {
    /// 09:00.
    pub const NINE: Self = Self { minutes: 9 * 60 };

    /// So many minutes after midnight; `None` from a whole day on.
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        if minutes < 24 * 60 { Some(Self { minutes }) } else { None }
    }

    /// The minutes since midnight.
    pub const fn minutes(self) -> u16 {
        self.minutes
    }

    /// The same, as a time without seconds.
    pub(crate) fn time(self) -> NaiveTime {
        NaiveTime::MIN + TimeDelta::minutes(self.minutes.into())
    }
}

impl fmt::Display for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for ClockTime {
    type Err = Invalid;

    /// Takes exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let read = || {
            let (hours, minutes) = text.split_once(':')?;
            let time = Self::from_minutes(
                hours.parse::<u16>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?,
            )?;
            (time.to_string() == text).then_some(time)
        };
        read().ok_or_else(|| Invalid("must be a time of day HH:MM, from 00:00 to 23:59".to_owned()))
    }
}

/// Hours of every day in which nobody is to be disturbed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct QuietHours {
    start: ClockTime,
    end: ClockTime,
}

impl QuietHours {
    /// From `start` to `end`, on the next day when that is earlier; `None` when the two are the same.
    pub fn new(start: ClockTime, end: ClockTime) -> Option<Self> {
        (start != end).then_some(Self { start, end })
    }

    /// When they begin.
    pub const fn start(&self) -> ClockTime {
        self.start
    }

    /// When they end.
    pub const fn end(&self) -> ClockTime {
        self.end
    }

    /// When the quiet hours of `zone` in which `now` lies come to their end; `None` when it lies in none.
    ///
    /// They begin and end when the clocks first reach the time. A time that is skipped is reached at the end of the gap,
    /// and one that is shown twice the first time.
    pub fn until(&self, now: Instant, zone: Tz) -> Option<Instant> {
        let today = day_of(now, zone);
        let overnight = u64::from(self.end < self.start);
        // The night that began yesterday may not be over.
        days(today, 0).find_map(|day| {
            let start = reached(day.and_time(self.start.time()), zone);
            let last = day.checked_add_days(Days::new(overnight))?;
            let end = reached(last.and_time(self.end.time()), zone);
            (start <= now && now < end).then_some(end)
        })
    }
}

/// The first instant after `after` at which a daily appointment at `time` comes round in `zone`.
///
/// A day on which the clocks skip the time has it later by the length of the gap, and one on which they show it twice has
/// it the first time.
pub fn next_at(time: ClockTime, zone: Tz, after: Instant) -> Instant {
    let today = day_of(after, zone);
    let mut found = days(today, 2).map(|day| resolve(day.and_time(time.time()), zone));
    // Only beyond the end of the calendar is there none.
    found.find(|instant| *instant > after).unwrap_or(after)
}

fn day_of(instant: Instant, zone: Tz) -> NaiveDate {
    WallClock::of(Due::At(instant), zone).day()
}

/// The day before one, that day, and so many after it.
fn days(today: NaiveDate, after: usize) -> impl Iterator<Item = NaiveDate> {
    today.pred_opt().unwrap_or(today).iter_days().take(after + 2)
}
