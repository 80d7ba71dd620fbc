//! Quiet hours and daily appointments, on the nights on which clocks jump too.

use crate::support::{at, offset};
use chrono::TimeDelta;
use chrono_tz::Tz;
use docket_domain::clock::next_at;
use docket_domain::{ClockTime, Instant, QuietHours};
use proptest::prelude::*;

const BERLIN: Tz = Tz::Europe__Berlin;
const NEW_YORK: Tz = Tz::America__New_York;

fn clock(text: &str) -> ClockTime {
    text.parse().unwrap()
}

fn quiet(hours: &str) -> QuietHours {
    let (start, end) = hours.split_once('-').unwrap();
    QuietHours::new(clock(start), clock(end)).unwrap()
}

#[test]
fn a_time_of_day_is_read_as_it_is_written() {
    for minutes in 0..24 * 60 {
        let time = ClockTime::from_minutes(minutes).unwrap();
        assert_eq!(time.to_string().parse(), Ok(time));
        assert_eq!(time.minutes(), minutes);
    }
    assert_eq!(ClockTime::from_minutes(24 * 60), None);
    assert_eq!(ClockTime::NINE, clock("09:00"));
    for text in [
        "",
        "9:00",
        "09:0",
        "24:00",
        "23:60",
        "09:00:00",
        " 09:00",
        "+9:00",
        "09.00",
        "9",
        "99999:00",
        "०९:००",
    ] {
        assert!(text.parse::<ClockTime>().is_err(), "{text:?} was taken");
    }
}

/// (hours, zone, now, when they end; "-" for not quiet)
const QUIET: [(&str, Tz, &str, &str); 26] = [
    // Across midnight, in winter.
    ("22:00-07:00", BERLIN, "2027-01-15T20:59:59.999999Z", "-"),
    ("22:00-07:00", BERLIN, "2027-01-15T21:00:00Z", "2027-01-16T06:00:00Z"),
    ("22:00-07:00", BERLIN, "2027-01-15T22:59:59Z", "2027-01-16T06:00:00Z"),
    ("22:00-07:00", BERLIN, "2027-01-15T23:00:00Z", "2027-01-16T06:00:00Z"),
    ("22:00-07:00", BERLIN, "2027-01-16T05:59:59.999999Z", "2027-01-16T06:00:00Z"),
    ("22:00-07:00", BERLIN, "2027-01-16T06:00:00Z", "-"),
    // Within a day.
    ("12:30-14:00", BERLIN, "2027-01-15T11:29:59Z", "-"),
    ("12:30-14:00", BERLIN, "2027-01-15T11:30:00Z", "2027-01-15T13:00:00Z"),
    ("12:30-14:00", BERLIN, "2027-01-15T13:00:00Z", "-"),
    // To midnight, and from it.
    ("22:00-00:00", BERLIN, "2027-01-15T22:30:00Z", "2027-01-15T23:00:00Z"),
    ("22:00-00:00", BERLIN, "2027-01-15T23:00:00Z", "-"),
    ("00:00-06:00", BERLIN, "2027-01-15T23:00:00Z", "2027-01-16T05:00:00Z"),
    // All but a minute of the day.
    ("09:01-09:00", BERLIN, "2027-01-15T08:00:00Z", "-"),
    ("09:01-09:00", BERLIN, "2027-01-15T08:01:00Z", "2027-01-16T08:00:00Z"),
    // The night that loses an hour is an hour shorter: 02:00 to 03:00 on 28 March.
    ("22:00-07:00", BERLIN, "2027-03-27T21:00:00Z", "2027-03-28T05:00:00Z"),
    ("22:00-02:30", BERLIN, "2027-03-28T00:59:59Z", "2027-03-28T01:00:00Z"),
    ("22:00-02:30", BERLIN, "2027-03-28T01:00:00Z", "-"),
    ("02:30-03:30", BERLIN, "2027-03-28T01:00:00Z", "2027-03-28T01:30:00Z"),
    ("02:10-02:50", BERLIN, "2027-03-28T01:00:00Z", "-"),
    ("22:00-06:00", NEW_YORK, "2027-03-14T06:59:59Z", "2027-03-14T10:00:00Z"),
    // The night that gains one is an hour longer: 02:00 to 03:00 on 31 October comes twice.
    ("22:00-07:00", BERLIN, "2027-10-30T20:00:00Z", "2027-10-31T06:00:00Z"),
    ("22:00-02:30", BERLIN, "2027-10-31T00:29:59Z", "2027-10-31T00:30:00Z"),
    ("22:00-02:30", BERLIN, "2027-10-31T01:15:00Z", "-"),
    ("02:30-03:30", BERLIN, "2027-10-31T01:10:00Z", "2027-10-31T02:30:00Z"),
    ("22:00-06:00", NEW_YORK, "2027-11-07T02:00:00Z", "2027-11-07T11:00:00Z"),
    // A day that is left out: 30 December 2011.
    ("22:00-07:00", Tz::Pacific__Apia, "2011-12-30T09:00:00Z", "2011-12-30T10:00:00Z"),
];

#[test]
fn quiet_hours_end_when_the_clock_of_the_zone_says_so() {
    for (hours, zone, now, end) in QUIET {
        let expect = (end != "-").then(|| at(end));
        assert_eq!(quiet(hours).until(at(now), zone), expect, "{hours} {zone} {now}");
    }
    assert_eq!(QuietHours::new(ClockTime::NINE, ClockTime::NINE), None);
}

/// (time, zone, after, next)
const APPOINTMENTS: [(&str, Tz, &str, &str); 17] = [
    ("08:00", BERLIN, "2027-01-15T06:59:59.999999Z", "2027-01-15T07:00:00Z"),
    ("08:00", BERLIN, "2027-01-15T07:00:00Z", "2027-01-16T07:00:00Z"),
    // It is tomorrow there already, or still yesterday.
    ("08:00", Tz::Pacific__Kiritimati, "2027-01-15T11:00:00Z", "2027-01-15T18:00:00Z"),
    ("23:30", Tz::Pacific__Pago_Pago, "2027-01-15T10:00:00Z", "2027-01-15T10:30:00Z"),
    ("00:00", BERLIN, "2027-01-15T22:59:59Z", "2027-01-15T23:00:00Z"),
    // On the clock before and after the jump.
    ("08:00", BERLIN, "2027-03-27T07:00:00Z", "2027-03-28T06:00:00Z"),
    ("08:00", BERLIN, "2027-10-30T06:00:00Z", "2027-10-31T07:00:00Z"),
    // 02:30 does not exist, so it is 03:30, once; the next day it is 02:30 again.
    ("02:30", BERLIN, "2027-03-27T01:30:00Z", "2027-03-28T01:30:00Z"),
    ("02:30", BERLIN, "2027-03-28T01:29:59Z", "2027-03-28T01:30:00Z"),
    ("02:30", BERLIN, "2027-03-28T01:30:00Z", "2027-03-29T00:30:00Z"),
    ("02:30", NEW_YORK, "2027-03-14T06:00:00Z", "2027-03-14T07:30:00Z"),
    // 02:30 comes twice, and counts once.
    ("02:30", BERLIN, "2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z"),
    ("02:30", BERLIN, "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"),
    ("01:30", NEW_YORK, "2027-11-07T05:30:00Z", "2027-11-08T06:30:00Z"),
    // The day that is left out has none of its own.
    ("08:00", Tz::Pacific__Apia, "2011-12-29T18:00:00Z", "2011-12-30T18:00:00Z"),
    ("08:00", Tz::Pacific__Apia, "2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z"),
    // Midnight does not exist, so the day begins at 01:00.
    ("00:00", Tz::America__Sao_Paulo, "2018-11-03T12:00:00Z", "2018-11-04T03:00:00Z"),
];

#[test]
fn a_daily_appointment_keeps_its_time_of_day() {
    for (time, zone, after, next) in APPOINTMENTS {
        assert_eq!(next_at(clock(time), zone, at(after)), at(next), "{time} {zone} after {after}");
    }
}

fn moments() -> impl Strategy<Value = (Instant, Tz)> {
    let zones = prop::sample::select(vec![
        BERLIN,
        NEW_YORK,
        Tz::UTC,
        Tz::Pacific__Apia,
        Tz::Australia__Lord_Howe,
        Tz::America__Sao_Paulo,
        Tz::Antarctica__Troll,
    ]);
    let start = at("2010-01-01T00:00:00Z");
    (0..30 * 366 * 86_400_i64, zones).prop_map(move |(after, zone)| (start + TimeDelta::seconds(after), zone))
}

proptest! {
    /// A day later at most, but for a day that is left out, or that has a jump in it.
    #[test]
    fn appointments_come_daily_and_one_after_the_other((after, zone) in moments(), minutes in 0..1_440_u16) {
        let time = ClockTime::from_minutes(minutes).unwrap();
        let first = next_at(time, zone, after);
        prop_assert!(after < first && first <= after + TimeDelta::hours(27), "{first}");
        let second = next_at(time, zone, first);
        prop_assert!(first + TimeDelta::hours(21) <= second, "{first} {second}");
        prop_assert_eq!(next_at(time, zone, first - TimeDelta::microseconds(1)), first);
    }

    /// Nobody is held for ever, and whoever waits until the end is not held again.
    #[test]
    fn quiet_hours_end_once((now, zone) in moments(), start in 0..1_440_u16, end in 0..1_440_u16) {
        prop_assume!(start != end);
        let time = |minutes| ClockTime::from_minutes(minutes).unwrap();
        let hours = QuietHours::new(time(start), time(end)).unwrap();
        if let Some(until) = hours.until(now, zone) {
            prop_assert!(now < until && until <= now + TimeDelta::hours(27), "{until}");
            // Where the clocks jump over the end, they may jump to the next start.
            let jumps = offset(until, zone) != offset(until - TimeDelta::microseconds(1), zone);
            prop_assert!(jumps || hours.until(until, zone).is_none());
            prop_assert_eq!(hours.until(until - TimeDelta::microseconds(1), zone), Some(until));
        }
    }
}
