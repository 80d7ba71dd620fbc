//! The occurrences of rules: cases by table, and random rules against a slow second opinion.

use crate::support::{Oracle, at, due, every, first, said};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use docket_domain::recurrence::{self, Anchor, End, Missed, MonthEnd, Next, Pattern, Recurrence};
use docket_domain::series::WallClock;
use docket_domain::{Due, Instant};
use proptest::prelude::*;

const BERLIN: Tz = Tz::Europe__Berlin;
const FAR: usize = 12;

/// What follows `start`, each occurrence completed when it is due, as far as `expected` goes and one more if it ended.
fn check(rule: Recurrence, zone: Tz, start: &str, expected: &[&str]) {
    let start = due(start);
    let found = recurrence::preview(&rule, &first(start, zone), start, zone, expected.len());
    let found: Vec<String> = found.iter().map(|next| said(next.due, zone)).collect();
    assert_eq!(found, expected, "{rule:?} from {start:?}");
}

fn skipping(rule: Recurrence) -> Recurrence {
    Recurrence { month_end: MonthEnd::Skip, ..rule }
}

#[test]
fn calendars() {
    use Pattern::{Daily, Monthly, Weekly, Yearly};
    let newyork = Tz::America__New_York;
    let nine = "2027-01-31T09:00:00+01:00";
    #[rustfmt::skip]
    let cases: &[(Recurrence, Tz, &str, &[&str])] = &[
        (every(1, Monthly), BERLIN, nine,
            &["2027-02-28T09:00:00+01:00", "2027-03-31T09:00:00+02:00", "2027-04-30T09:00:00+02:00"]),
        (skipping(every(1, Monthly)), BERLIN, nine,
            &["2027-03-31T09:00:00+02:00", "2027-05-31T09:00:00+02:00", "2027-07-31T09:00:00+02:00"]),
        (every(13, Monthly), BERLIN, nine, &["2028-02-29T09:00:00+01:00", "2029-03-31T09:00:00+02:00"]),
        (every(1, Monthly), BERLIN, "2026-12-31", &["2027-01-31", "2027-02-28", "2027-03-31"]),
        (every(2, Monthly), BERLIN, "2026-12-31", &["2027-02-28", "2027-04-30", "2027-06-30"]),
        (every(1, Yearly), BERLIN, "2028-02-29", &["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        (skipping(every(1, Yearly)), BERLIN, "2028-02-29", &["2032-02-29", "2036-02-29"]),
        (skipping(every(1, Yearly)), BERLIN, "2096-02-29", &["2104-02-29"]),
        (skipping(every(6, Yearly)), BERLIN, "2028-02-29", &["2040-02-29", "2052-02-29"]),
        (every(1, Yearly), BERLIN, "2026-12-31T23:59:59.999999+01:00", &["2027-12-31T23:59:59.999999+01:00"]),
        (every(1, Daily), BERLIN, "2026-12-31", &["2027-01-01", "2027-01-02"]),
        (every(3, Daily), BERLIN, "2027-02-27", &["2027-03-02", "2027-03-05"]),
        (every(2, Weekly), newyork, "2026-12-28T08:30:00-05:00",
            &["2027-01-11T08:30:00-05:00", "2027-01-25T08:30:00-05:00"]),
        // 02:30 does not exist on 28 March: it is read with the offset before the gap, and comes back the day after.
        (every(1, Daily), BERLIN, "2027-03-27T02:30:00+01:00",
            &["2027-03-28T03:30:00+02:00", "2027-03-29T02:30:00+02:00"]),
        // 01:30 comes twice on 7 November: the first counts.
        (every(1, Daily), newyork, "2027-11-06T01:30:00-04:00",
            &["2027-11-07T01:30:00-04:00", "2027-11-08T01:30:00-05:00"]),
        (every(1, Weekly), Tz::Australia__Lord_Howe, "2026-09-27T02:15:00+10:30",
            &["2026-10-04T02:45:00+11:00", "2026-10-11T02:15:00+11:00"]),
        // The last days that can be said.
        (every(1, Daily), BERLIN, "9999-12-30", &["9999-12-31"]),
    ];
    for (rule, zone, start, expected) in cases {
        check(*rule, *zone, start, expected);
    }
}

#[test]
fn ends() {
    let daily = every(1, Pattern::Daily);
    let ending = |end| Recurrence { end, ..daily };
    let cases: &[(Recurrence, Tz, &str, &[&str])] = &[
        (ending(End::Count(3)), BERLIN, "2027-01-01", &["2027-01-02", "2027-01-03"]),
        (ending(End::Count(1)), BERLIN, "2027-01-01", &[]),
        (ending(End::Until(at("2027-01-02T23:00:00Z"))), BERLIN, "2027-01-01", &["2027-01-02", "2027-01-03"]),
        (ending(End::Until(at("2027-01-02T22:59:59.999999Z"))), BERLIN, "2027-01-01", &["2027-01-02"]),
        (daily, BERLIN, "9999-12-30", &["9999-12-31"]),
        // The evening of 31 December lies beyond the last instant that can be said.
        (daily, Tz::America__New_York, "9999-12-29T20:00:00-05:00", &["9999-12-30T20:00:00-05:00"]),
        (every(999, Pattern::Yearly), BERLIN, "9001-01-01", &[]),
        // Of the years 2000, 2100 and so on each fourth has a 29 February.
        (skipping(every(100, Pattern::Yearly)), BERLIN, "2000-02-29", &["2400-02-29", "2800-02-29"]),
        (skipping(every(100, Pattern::Yearly)), BERLIN, "9600-02-29", &[]),
        (skipping(every(12, Pattern::Monthly)), BERLIN, "9996-02-29", &[]),
        (
            Recurrence { end: End::Count(3), ..skipping(every(1, Pattern::Monthly)) },
            BERLIN,
            "2027-01-31",
            &["2027-03-31", "2027-05-31"],
        ),
    ];
    for (rule, zone, start, expected) in cases {
        let start = due(start);
        let found = recurrence::preview(rule, &first(start, *zone), start, *zone, FAR);
        let found: Vec<String> = found.iter().map(|next| said(next.due, *zone)).take(2).collect();
        assert_eq!(found, *expected, "{rule:?} from {start:?}");
    }
}

/// The occurrence after `start` when that is completed at `completed`, and its index.
fn after(rule: &Recurrence, start: &str, completed: &str) -> Option<(String, u32)> {
    let start = due(start);
    let next = recurrence::next(rule, &first(start, BERLIN), start, BERLIN, at(completed))?;
    Some((said(next.due, BERLIN), next.series.index))
}

#[test]
fn missed_instants() {
    type Expected = Option<(&'static str, u32)>;
    let each = every(1, Pattern::Daily);
    let future = Recurrence { missed: Missed::NextFuture, ..each };
    let three = Recurrence { end: End::Count(3), ..future };
    let monthly = skipping(Recurrence { missed: Missed::NextFuture, ..every(1, Pattern::Monthly) });
    #[rustfmt::skip]
    let cases: &[(&Recurrence, &str, &str, Expected)] = &[
        (&each,   "2027-01-01", "2027-01-09T12:00:00Z", Some(("2027-01-02", 2))),
        (&future, "2027-01-01", "2027-01-09T12:00:00Z", Some(("2027-01-10", 10))),
        // Due yesterday, completed today: today has begun, so tomorrow is next.
        (&future, "2027-01-08", "2027-01-09T12:00:00Z", Some(("2027-01-10", 3))),
        // Completed at the very instant of a later one: strictly after.
        (&future, "2027-01-01T09:00:00Z", "2027-01-03T09:00:00Z", Some(("2027-01-04T10:00:00+01:00", 4))),
        (&future, "2027-01-01T09:00:00Z", "2027-01-03T08:59:59.999999Z", Some(("2027-01-03T10:00:00+01:00", 3))),
        // Completed days early: the plan stands.
        (&future, "2027-01-08", "2027-01-01T12:00:00Z", Some(("2027-01-09", 2))),
        // Those passed over count, the months that the rule leaves out do not.
        (&three, "2027-01-01", "2027-01-02T12:00:00Z", Some(("2027-01-03", 3))),
        (&three, "2027-01-01", "2027-01-03T12:00:00Z", None),
        (&monthly, "2027-01-31", "2027-06-01T12:00:00Z", Some(("2027-07-31", 4))),
    ];
    for (rule, start, completed, expected) in cases {
        let expected = expected.map(|(due, index)| (due.to_owned(), index));
        assert_eq!(after(rule, start, completed), expected, "{rule:?} from {start} completed {completed}");
    }
}

#[test]
fn counted_from_completion() {
    let from = |rule| Recurrence { anchor: Anchor::CompletionTime, missed: Missed::NextFuture, ..rule };
    let (daily, weekly) = (from(every(3, Pattern::Daily)), from(every(1, Pattern::Weekly)));
    let monthly = from(every(1, Pattern::Monthly));
    let (skip, leap) = (skipping(monthly), skipping(from(every(1, Pattern::Yearly))));
    let two = Recurrence { end: End::Count(2), ..daily };
    let one = Recurrence { end: End::Count(1), ..daily };
    let nine = "2027-01-01T09:00:00+01:00";
    #[rustfmt::skip]
    let cases: &[(&Recurrence, &str, &str, Option<&str>)] = &[
        (&daily,   nine, "2027-01-09T12:00:00Z", Some("2027-01-12T09:00:00+01:00")),
        // 23:30 UTC is the next day already in Berlin; the clock changes in between.
        (&daily,   nine, "2027-03-26T23:30:00Z", Some("2027-03-30T09:00:00+02:00")),
        (&monthly, nine, "2027-01-31T12:00:00Z", Some("2027-02-28T09:00:00+01:00")),
        (&skip,    nine, "2027-01-31T12:00:00Z", Some("2027-03-31T09:00:00+02:00")),
        (&leap,    "2027-01-01", "2096-02-29T12:00:00Z", Some("2104-02-29")),
        (&daily,   "2027-01-01", "2027-01-09T12:00:00Z", Some("2027-01-12")),
        // Completed long before it was due: never before the occurrence itself.
        (&weekly,  "2027-02-05", "2027-01-09T12:00:00Z", Some("2027-02-06")),
        (&two,     nine, "2027-01-09T12:00:00Z", Some("2027-01-12T09:00:00+01:00")),
        (&one,     nine, "2027-01-09T12:00:00Z", None),
    ];
    for (rule, start, completed, expected) in cases {
        let expected = expected.map(|due| (due.to_owned(), 2));
        assert_eq!(after(rule, start, completed), expected, "{rule:?} from {start} completed {completed}");
    }

    // The next position counts from where the completion put it.
    let start = due(nine);
    let next =
        recurrence::next(&monthly, &first(start, BERLIN), start, BERLIN, at("2027-01-31T12:00:00Z")).unwrap();
    assert_eq!(
        (next.series.start.to_string(), next.series.start_index),
        ("2027-02-28T09:00:00".to_owned(), 2)
    );
}

#[test]
fn rescheduled_occurrences() {
    let rule = every(1, Pattern::Weekly);
    let planned = first(due("2027-01-04"), BERLIN);
    let cases = [("2027-01-06", "2027-01-13"), ("2027-01-03", "2027-01-10"), ("2026-12-20", "2027-01-10")];
    for (moved, expected) in cases {
        let moved = due(moved);
        let series = planned.rescheduled(moved, BERLIN);
        assert_eq!(series.occurrence_time, planned.occurrence_time);
        let next = recurrence::next(&rule, &series, moved, BERLIN, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(said(next.due, BERLIN), expected, "moved to {moved:?}");
    }
}

/// Eight thousand years in one go: the answer is that of arithmetic, for every pattern.
#[test]
fn long_jumps() {
    let start = due("1970-01-31T09:00:00Z");
    let late = "9999-10-15T00:00:00Z";
    let cases = [
        (every(1, Pattern::Daily), "9999-10-15T09:00:00+00:00"),
        (every(1, Pattern::Weekly), "9999-10-16T09:00:00+00:00"),
        (every(1, Pattern::Monthly), "9999-10-31T09:00:00+00:00"),
        (skipping(every(1, Pattern::Monthly)), "9999-10-31T09:00:00+00:00"),
    ];
    for (rule, expected) in cases {
        let rule = Recurrence { missed: Missed::NextFuture, ..rule };
        let next = recurrence::next(&rule, &first(start, Tz::UTC), start, Tz::UTC, at(late)).unwrap();
        assert_eq!(said(next.due, Tz::UTC), expected, "{rule:?}");
        let (days, months) = ((at(late) - at("1970-01-31T00:00:00Z")).num_days(), (9999 - 1970) * 12 + 9);
        let index = match (rule.pattern, rule.month_end) {
            (Pattern::Daily, _) => days + 1,
            (Pattern::Weekly, _) => (days + 1) / 7 + 1,
            (_, MonthEnd::Clamp) => months + 1,
            // Seven months of a year have a 31st; January 1970 to October 9999 is two such months short.
            (_, MonthEnd::Skip) => (9999 - 1970 + 1) * 7 - 1,
        };
        assert_eq!(i64::from(next.series.index), index, "{rule:?}");
        assert_eq!(recurrence::next(&rule, &next.series, next.due, Tz::UTC, Instant::MAX_UTC), None);
    }
}

fn rules() -> impl Strategy<Value = Recurrence> {
    let patterns = prop_oneof![
        Just(Pattern::Daily),
        Just(Pattern::Weekly),
        Just(Pattern::Monthly),
        Just(Pattern::Yearly)
    ];
    let month_ends = prop_oneof![Just(MonthEnd::Clamp), Just(MonthEnd::Skip)];
    (patterns, 1..6_u32, month_ends)
        .prop_map(|(pattern, interval, month_end)| Recurrence { month_end, ..every(interval, pattern) })
}

/// A due time between 1972 and 2008: the second opinion reads no transition after 2039.
fn dues() -> impl Strategy<Value = Due> {
    let start = at("1972-01-01T00:00:00Z");
    let length = TimeDelta::days(36 * 365).num_microseconds().unwrap();
    let month_end = (0..430_u32, 0..4_u64).prop_map(|(months, back)| {
        let end = chrono::NaiveDate::from_ymd_opt(1972, 1, 31).unwrap() + chrono::Months::new(months);
        end - chrono::Days::new(back)
    });
    prop_oneof![
        (0..length).prop_map(move |micros| Due::At(start + TimeDelta::microseconds(micros))),
        month_end.clone().prop_map(|day| Due::At(day.and_hms_opt(2, 30, 0).unwrap().and_utc())),
        month_end.prop_map(Due::On),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// With EACH the series is the oracle's list, nothing missed and nothing doubled; with NEXT_FUTURE it is the first
    /// of that list after the completion; and the index is the place in the list.
    #[test]
    fn agrees_with_a_slow_calendar(rule in rules(), start in dues(), zone in 0..4_usize, late in 0..900_i64) {
        let oracle = Oracle::new([BERLIN, Tz::America__Sao_Paulo, Tz::Australia__Lord_Howe, Tz::Pacific__Apia][zone]);
        let zone = oracle.zone;
        let count = if rule.pattern == Pattern::Yearly { 3 } else { 14 };
        let mut expected = oracle.instants(&rule, WallClock::of(start, zone), count);
        // Apia left out a day: two wall clocks, one instant.
        expected.dedup();
        // A due time in the second pass of a repeated hour starts on the wall clock of the first.
        expected[0] = start.instant(zone);
        let series = first(start, zone);
        let found: Vec<Next> = recurrence::preview(&rule, &series, start, zone, expected.len() - 1);
        let times: Vec<Instant> = found.iter().map(|next| next.series.occurrence_time).collect();
        prop_assert_eq!(&times, &expected[1..]);
        for next in &found {
            prop_assert_eq!(next.due.instant(zone), next.series.occurrence_time);
            prop_assert_eq!(next.series.start, series.start);
        }

        let completed = start.instant(zone) + TimeDelta::hours(late);
        let future = Recurrence { missed: Missed::NextFuture, ..rule };
        let next = recurrence::next(&future, &series, start, zone, completed).unwrap();
        if let Some(place) = expected.iter().skip(1).position(|instant| *instant > completed) {
            prop_assert_eq!(next.series.occurrence_time, expected[place + 1]);
            prop_assert_eq!(next.series.index, found[place].series.index);
        }
    }
}
