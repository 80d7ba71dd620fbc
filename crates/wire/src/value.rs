//! Single values of the contract: instants, days, lengths of time, zones and enums.

use std::time::Duration;

use chrono::{DateTime, Datelike as _, NaiveDate, SubsecRound as _, Timelike as _};
use chrono_tz::Tz;
use docket_domain::content::{Channel, Invalid, Priority, Reminder};
use docket_domain::notice::{DeliveryEnd, DeliveryState};
use docket_domain::recurrence::{Anchor, Missed, MonthEnd, Pattern};
use docket_domain::series::WallClock;
use docket_domain::{Instant, LetterState, ReminderNumber, ReminderState};
use docket_proto::{event, v1};
use pbjson_types as pb;

/// The last second that the API can say: 9999-12-31T23:59:59Z.
const MAX_SECONDS: i64 = 253_402_300_799;

const SECONDS_OF_DAY: i64 = 86_400;

/// Reads an instant of the API: years 1970 to 9999, cut to the microsecond.
pub(crate) fn instant(timestamp: pb::Timestamp) -> Result<Instant, Invalid> {
    if !(0..=MAX_SECONDS).contains(&timestamp.seconds) {
        return Err(invalid("must be from 1970-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z"));
    }
    stored_instant(timestamp)
}

/// Reads an instant that Docket wrote itself. The start of an all-day task's first possible day lies in 1969 in half of
/// the world.
pub(crate) fn stored_instant(timestamp: pb::Timestamp) -> Result<Instant, Invalid> {
    if !(-SECONDS_OF_DAY..=MAX_SECONDS).contains(&timestamp.seconds) {
        return Err(invalid("must be from 1969-12-31T00:00:00Z to 9999-12-31T23:59:59.999999999Z"));
    }
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    nanos
        .and_then(|nanos| DateTime::from_timestamp(timestamp.seconds, nanos))
        .map(|instant| instant.trunc_subsecs(6))
        .ok_or_else(|| invalid("must have nanos from 0 to 999,999,999"))
}

/// Writes an instant.
pub fn timestamp(instant: Instant) -> pb::Timestamp {
    // Never 1,000,000,000 or more: leap seconds do not get past `stored_instant`. At most 999,999,999 fits an i32.
    let nanos = instant.nanosecond().min(999_999_999).cast_signed();
    pb::Timestamp { seconds: instant.timestamp(), nanos }
}

/// Reads how long before the due time a reminder comes.
pub(crate) fn offset(duration: pb::Duration) -> Result<Duration, Invalid> {
    whole_seconds(duration)
        .map(Duration::from_secs)
        .filter(|offset| *offset <= Reminder::MAX_OFFSET)
        .ok_or_else(|| invalid("must be whole seconds, from 0 to 366 days"))
}

/// A length of time in seconds, unless it is negative or has a fraction.
pub(crate) fn whole_seconds(duration: pb::Duration) -> Option<u64> {
    u64::try_from(duration.seconds).ok().filter(|_| duration.nanos == 0)
}

/// Writes how long before the due time a reminder comes.
pub(crate) fn duration(offset: Duration) -> pb::Duration {
    pb::Duration { seconds: offset.as_secs().cast_signed(), nanos: 0 }
}

/// Reads a calendar day, `YYYY-MM-DD` to the letter.
pub(crate) fn date(text: &str) -> Result<NaiveDate, Invalid> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    let day = if shape { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None };
    day.filter(|day| day.year() >= 1970)
        .ok_or_else(|| invalid("must be a calendar day, YYYY-MM-DD, from 1970-01-01 to 9999-12-31"))
}

/// Reads the wall-clock time that a series counts from. Clocks show other days than UTC at both ends of the years 1970 to
/// 9999.
pub(crate) fn wall_clock(text: &str) -> Result<WallClock, Invalid> {
    let wall: WallClock = text.parse()?;
    if !(1969..=10_000).contains(&wall.day().year()) {
        return Err(invalid("must lie in the years 1969 to 10000"));
    }
    Ok(wall)
}

/// Reads an IANA zone name in its exact spelling; empty means UTC.
pub(crate) fn zone(name: &str) -> Result<Tz, Invalid> {
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse().map_err(|_| invalid("must be the name of an IANA time zone, for example Europe/Berlin"))
}

/// Reads a number from 1 to `most`.
pub(crate) fn count_up_to(number: i32, most: u32) -> Result<u32, Invalid> {
    let count = u32::try_from(number).ok().filter(|count| (1..=most).contains(count));
    count.ok_or_else(|| Invalid(format!("must be from 1 to {most}")))
}

/// Reads which reminder of a task is meant.
pub(crate) fn reminder_number(number: i32) -> Result<ReminderNumber, Invalid> {
    ReminderNumber::new(number).ok_or_else(|| Invalid(format!("must be from 1 to {}", Reminder::MAX_COUNT)))
}

/// The value of an enum that must be there.
pub(crate) fn some<T>(value: Option<T>) -> Result<T, Invalid> {
    value.ok_or_else(required)
}

/// What is wrong with a value that is not there.
pub(crate) fn required() -> Invalid {
    invalid("is required")
}

fn invalid(rule: &str) -> Invalid {
    Invalid(rule.to_owned())
}

/// Writes both ways between an enum of the domain and one of the contract. Reading knows three answers: a value,
/// unspecified (`Ok(None)`), and a number that the contract does not have.
macro_rules! enums {
    ($($read:ident, $write:ident: $domain:ident <-> $wire:ty { $($variant:ident),+ })+) => {$(
        pub(crate) fn $read(number: i32) -> Result<Option<$domain>, Invalid> {
            match <$wire>::try_from(number) {
                Ok(<$wire>::Unspecified) => Ok(None),
                $(Ok(<$wire>::$variant) => Ok(Some($domain::$variant)),)+
                Err(_) => {
                    const NAMES: &[$wire] = &[$(<$wire>::$variant),+];
                    let names: Vec<&str> = NAMES.iter().map(<$wire>::as_str_name).collect();
                    Err(Invalid(format!("must be one of {}", names.join(", "))))
                }
            }
        }

        pub(crate) const fn $write(value: $domain) -> $wire {
            match value {
                $($domain::$variant => <$wire>::$variant,)+
            }
        }
    )+};
}

enums! {
    priority, priority_to: Priority <-> v1::task::Priority { Low, Medium, High, Urgent }
    pattern, pattern_to: Pattern <-> v1::recurrence::Pattern { Daily, Weekly, Monthly, Yearly }
    anchor, anchor_to: Anchor <-> v1::recurrence::Anchor { DueTime, CompletionTime }
    month_end, month_end_to: MonthEnd <-> v1::recurrence::MonthEnd { Clamp, Skip }
    missed, missed_to: Missed <-> v1::recurrence::Missed { NextFuture, Each }
    channel, channel_to: Channel <-> v1::reminder::Channel { Email, Push, Webhook }
    reminder_state, reminder_state_to: ReminderState <-> v1::task_reminder::State {
        Pending, Fired, Sent, Failed, Missed, Dismissed, Cancelled
    }
    delivery_state, delivery_state_to: DeliveryState <-> v1::delivery::State {
        Pending, Sending, Sent, Failed, Cancelled, Unknown
    }
    letter_state, letter_state_to: LetterState <-> v1::dead_letter::State { Open, Replayed, Discarded }
    event_priority, event_priority_to: Priority <-> event::TaskPriority { Low, Medium, High, Urgent }
    event_pattern, event_pattern_to: Pattern <-> event::RecurringPattern { Daily, Weekly, Monthly, Yearly }
    event_anchor, event_anchor_to: Anchor <-> event::RecurringAnchor { DueTime, CompletionTime }
    event_month_end, event_month_end_to: MonthEnd <-> event::RecurringMonthEnd { Clamp, Skip }
    event_missed, event_missed_to: Missed <-> event::RecurringMissed { NextFuture, Each }
    event_result, event_result_to: DeliveryEnd <-> event::reminder_outcome::Result {
        Sent, Failed, Cancelled, Unknown
    }
    event_channel, event_channel_to: Channel <-> event::ReminderChannel { Email, Push, Webhook }
}
