//! Wall clocks at every jump of some zones' clocks, found by a scan.

use crate::support::{Oracle, Transition, at, every, first, transitions};
use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use docket_domain::recurrence::{self, Pattern};
use docket_domain::series::{WallClock, resolve, start_of_day};
use docket_domain::{Due, Instant};
use proptest::prelude::*;

const ZONES: [Tz; 5] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kathmandu,
    Tz::America__Sao_Paulo,
];

/// Zones with rarer jumps: a whole day left out, jumps one minute past midnight, of two hours, twice within weeks.
const ODD_ZONES: [Tz; 5] = [
    Tz::Pacific__Apia,
    Tz::Pacific__Kwajalein,
    Tz::America__St_Johns,
    Tz::Antarctica__Troll,
    Tz::Africa__Casablanca,
];

/// Wall clocks shortly before, in and after a jump.
fn walls_around(one: Transition) -> Vec<NaiveDateTime> {
    let (from, to) = one.walls();
    let (low, high) = (from.min(to), from.max(to));
    let (micro, minute) = (TimeDelta::microseconds(1), TimeDelta::minutes(1));
    vec![low - minute, low - micro, low, low + (high - low) / 2, high - micro, high, high + minute]
}

/// The same wall clock, `steps` units of `pattern` before.
fn back(wall: NaiveDateTime, pattern: Pattern, steps: u32) -> Option<NaiveDateTime> {
    let month =
        |months| wall.checked_sub_months(chrono::Months::new(months)).filter(|day| day.day() == wall.day());
    match pattern {
        Pattern::Daily => Some(wall - TimeDelta::days(steps.into())),
        Pattern::Weekly => Some(wall - TimeDelta::weeks(steps.into())),
        Pattern::Monthly => month(steps),
        Pattern::Yearly => month(12 * steps),
    }
}

#[test]
fn the_scan_finds_what_history_knows() {
    let counts: Vec<usize> = ZONES.iter().map(|zone| transitions(*zone).len()).collect();
    // Kathmandu moved its clocks once, at the start of 1986; the others for decades.
    assert!(counts[3] == 1 && [0, 1, 2, 4].iter().all(|zone| counts[*zone] > 50), "{counts:?}");
}

/// A series that steps over a jump keeps its wall clock, but for the one time that does not exist: that is later by the
/// length of the gap, and the one after is back on the clock.
#[test]
fn series_keep_their_wall_clock_across_every_transition() {
    for pattern in [Pattern::Daily, Pattern::Weekly, Pattern::Monthly, Pattern::Yearly] {
        let mut in_gaps = 0;
        for zone in ZONES {
            let oracle = Oracle::new(zone);
            let walls = oracle.transitions.iter().copied().flat_map(walls_around);
            for (wall, start) in walls.filter_map(|wall| Some((wall, back(wall, pattern, 2)?))) {
                in_gaps += follow(&oracle, pattern, start, wall);
            }
        }
        assert!(in_gaps > 200, "only {in_gaps} occurrences of {pattern:?} fell into a gap");
    }
}

/// Follows a series from `start` over its second occurrence, planned for `wall`, to the third; says how many were in gaps.
fn follow(oracle: &Oracle, pattern: Pattern, start: NaiveDateTime, wall: NaiveDateTime) -> usize {
    let zone = oracle.zone;
    let start = Due::At(resolve(start, zone));
    let WallClock::Time(clock) = WallClock::of(start, zone) else { panic!("{start:?} became a day") };
    let found = recurrence::preview(&every(1, pattern), &first(start, zone), start, zone, 3);
    assert_eq!(found.len(), 3);
    if clock.time() == wall.time() {
        assert_eq!(found[1].due, Due::At(oracle.resolve(wall)), "{zone} {start:?} {pattern:?}");
    }
    let (mut last, mut in_gaps) = (start.instant(zone), 0);
    for next in found {
        let Due::At(instant) = next.due else { panic!("an all-day occurrence of a timed task") };
        assert!(instant > last, "{zone} {start:?} {pattern:?}: {instant} is not after {last}");
        last = instant;
        let local = instant.with_timezone(&zone).naive_local();
        let wanted = local.date().and_time(clock.time());
        let gap = oracle.transitions.iter().find(|gap| gap.skips(wanted));
        in_gaps += usize::from(gap.is_some());
        let shift = gap.map_or(TimeDelta::zero(), |gap| gap.after - gap.before);
        assert_eq!(local, wanted + shift, "{zone} {start:?} {pattern:?}");
    }
    in_gaps
}

/// Wall clocks and starts of days at each jump, against the second opinion.
#[test]
fn wall_clocks_at_every_transition() {
    for zone in ZONES.into_iter().chain(ODD_ZONES) {
        let oracle = Oracle::new(zone);
        for one in &oracle.transitions {
            for wall in walls_around(*one) {
                assert_eq!(resolve(wall, zone), oracle.resolve(wall), "{zone} {wall}");
                for day in [wall.date(), wall.date().succ_opt().unwrap()] {
                    assert_eq!(start_of_day(day, zone), oracle.start_of_day(day), "{zone} {day}");
                }
            }
        }
    }
}

#[test]
fn days_without_a_midnight() {
    let cases = [
        (Tz::Europe__Berlin, "2027-03-28", "2027-03-28T00:00:00+01:00"),
        // The clocks went from 00:00 to 01:00.
        (Tz::America__Sao_Paulo, "2018-11-04", "2018-11-04T01:00:00-02:00"),
        // And back from 00:00 to 23:00, which repeats no midnight.
        (Tz::America__Sao_Paulo, "2018-02-18", "2018-02-18T00:00:00-03:00"),
        // Back from 00:01 to 23:01: midnight came twice.
        (Tz::America__St_Johns, "2006-10-29", "2006-10-29T00:00:00-02:30"),
        // The clocks went from 23:30 on the day before to 00:30.
        (Tz::America__Toronto, "1919-03-31", "1919-03-31T00:30:00-04:00"),
        // There was no such day.
        (Tz::Pacific__Apia, "2011-12-30", "2011-12-31T00:00:00+14:00"),
    ];
    for (zone, day, expected) in cases {
        assert_eq!(start_of_day(day.parse().unwrap(), zone), at(expected), "{zone} {day}");
    }
}

#[test]
fn all_day_series_name_each_day_once() {
    for zone in ZONES {
        for one in transitions(zone) {
            let start = (one.walls().0 - TimeDelta::days(2)).date();
            let series = first(Due::On(start), zone);
            let found = recurrence::preview(&every(1, Pattern::Daily), &series, Due::On(start), zone, 4);
            let found: Vec<Due> = found.into_iter().map(|next| next.due).collect();
            let expected: Vec<Due> = start.iter_days().skip(1).take(4).map(Due::On).collect();
            assert_eq!(found, expected, "{zone}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Every zone, every date of the API: an instant that shows the wall clock and is the first to do so, or that lies
    /// past a gap by as much as the wall clock lies in it.
    #[test]
    fn every_wall_clock_has_an_instant(zone in 0..chrono_tz::TZ_VARIANTS.len(), day in 0..2_932_896_i64, micros in 0..86_400_000_000_i64) {
        let zone = chrono_tz::TZ_VARIANTS[zone];
        let day: NaiveDate = chrono::DateTime::UNIX_EPOCH.date_naive() + TimeDelta::days(day);
        let wall = day.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::microseconds(micros);
        let instant: Instant = resolve(wall, zone);
        let local = instant.with_timezone(&zone).naive_local();
        prop_assert!(local == wall || zone.from_local_datetime(&wall).earliest().is_none() && local > wall);

        let start = start_of_day(day, zone);
        let date = |instant: Instant| instant.with_timezone(&zone).date_naive();
        prop_assert!(date(start) >= day && date(start - TimeDelta::microseconds(1)) < day);
        let weekly = every(1, Pattern::Weekly);
        if let Some(next) = recurrence::next(&weekly, &first(Due::On(day), zone), Due::On(day), zone, start) {
            let Due::On(next) = next.due else { panic!("a timed occurrence of an all-day task") };
            prop_assert_eq!(next.weekday(), day.weekday());
        } else {
            prop_assert!(day >= NaiveDate::from_ymd_opt(9999, 12, 25).unwrap());
        }
    }
}
