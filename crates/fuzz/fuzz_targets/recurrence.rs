//! Any rule at any instant in any zone: the next occurrence is found, comes later, and is the one that a preview shows.
//!
//! Time is measured by libFuzzer: an input that takes longer than `-timeout` is a finding.
#![no_main]

use std::ops::Range;

use arbitrary::{Arbitrary, Result, Unstructured};
use chrono::{DateTime, Datelike as _, NaiveDate, SubsecRound as _};
use chrono_tz::Tz;
use docket_domain::recurrence::{Anchor, End, Missed, MonthEnd, Next, Pattern, Recurrence, next, preview};
use docket_domain::series::{WallClock, resolve, start_of_day};
use docket_domain::{Due, Instant, Series, SeriesId};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

/// The most occurrences that a preview answers.
const LIMIT: usize = 10;

#[derive(Debug)]
struct Input {
    rule: Recurrence,
    zone: Tz,
    due: Due,
    series: Series,
    completions: [Instant; 4],
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let zone = *u.choose(&chrono_tz::TZ_VARIANTS)?;
        let due = due(u)?;
        let id = SeriesId::from_uuid(Uuid::from_u128(1));
        let mut series = Series::first(id, due, zone);
        if u.arbitrary()? {
            // As after a change of the due time.
            let planned = self::due(u)?;
            series = Series { index: u.int_in_range(1..=u32::MAX)?, ..Series::first(id, planned, zone) };
            series = series.rescheduled(due, zone);
        }
        let completions = [instant(u)?, instant(u)?, instant(u)?, instant(u)?];
        Ok(Self { rule: rule(u)?, zone, due, series, completions })
    }
}

fn rule(u: &mut Unstructured<'_>) -> Result<Recurrence> {
    Ok(Recurrence {
        pattern: *u.choose(&[Pattern::Daily, Pattern::Weekly, Pattern::Monthly, Pattern::Yearly])?,
        interval: u.int_in_range(1..=Recurrence::MAX_INTERVAL)?,
        anchor: *u.choose(&[Anchor::DueTime, Anchor::CompletionTime])?,
        month_end: *u.choose(&[MonthEnd::Clamp, MonthEnd::Skip])?,
        missed: *u.choose(&[Missed::NextFuture, Missed::Each])?,
        end: match u.int_in_range(0..=2)? {
            0 => End::Never,
            1 => End::Count(u.int_in_range(1..=Recurrence::MAX_COUNT)?),
            _ => End::Until(instant(u)?),
        },
    })
}

/// Mostly what the API can say, and now and then what only `chrono` can.
fn instant(u: &mut Unstructured<'_>) -> Result<Instant> {
    let (least, most) = match u.int_in_range(0..=7)? {
        0 => (DateTime::<chrono::Utc>::MIN_UTC.timestamp(), DateTime::<chrono::Utc>::MAX_UTC.timestamp()),
        // The edges of the years 0 to 9999.
        1 => (-62_167_305_600, -62_167_132_800),
        2 => (253_402_128_000, 253_402_473_600),
        // The years in which zones change their clocks most.
        3 | 4 => (0, 2_000_000_000),
        _ => (0, 253_402_300_799),
    };
    let instant = DateTime::from_timestamp(u.int_in_range(least..=most)?, u.int_in_range(0..=999_999_999)?);
    Ok(instant.unwrap_or_default().trunc_subsecs(6))
}

fn due(u: &mut Unstructured<'_>) -> Result<Due> {
    if u.arbitrary()? {
        return Ok(Due::At(instant(u)?));
    }
    let day = instant(u)?.date_naive();
    Ok(Due::On(*u.choose(&[day, NaiveDate::MIN, NaiveDate::MAX, day, day, day, day, day])?))
}

/// Beyond, times become the nearest that can be worked with.
const YEARS: Range<i32> = -199_999..199_999;

fuzz_target!(|input: Input| {
    let Input { rule, zone, due, series, completions } = input;
    let wall = WallClock::of(due, zone);
    assert_eq!(wall.to_string().parse::<WallClock>(), Ok(wall));
    let all = preview(&rule, &series, due, zone, LIMIT);
    assert!(all.len() <= LIMIT);
    if ![wall.day(), series.occurrence_time.date_naive()].iter().all(|day| YEARS.contains(&day.year())) {
        // It is enough that nothing panics.
        for completed in completions {
            let _ = next(&rule, &series, due, zone, completed);
        }
        return;
    }

    if let WallClock::Time(time) = wall {
        // Clocks that are set back show a time twice, and then it means the first; at most a day lies between.
        let apart = due.instant(zone) - resolve(time, zone);
        assert!((0..=86_400).contains(&apart.num_seconds()), "{apart}");
    }
    assert!(start_of_day(wall.day(), zone) <= due.instant(zone));

    for completed in completions {
        let Some(found) = next(&rule, &series, due, zone, completed) else { continue };
        follows(&rule, zone, &series, &found);
        if rule.anchor == Anchor::DueTime {
            assert!(found.series.occurrence_time > due.instant(zone));
            match rule.missed {
                Missed::NextFuture => assert!(found.series.occurrence_time > completed),
                Missed::Each => {
                    assert_eq!(next(&rule, &series, due, zone, DateTime::UNIX_EPOCH), Some(found))
                }
            }
            if rule.month_end == MonthEnd::Skip && matches!(rule.pattern, Pattern::Monthly | Pattern::Yearly)
            {
                let shown = WallClock::of(found.due, zone).day().day();
                assert!(shown == series.start.day().day() || gap_shifts(&found, zone), "{found:?}");
            }
        }
    }

    assert_eq!(preview(&rule, &series, due, zone, LIMIT / 2), all[..all.len().min(LIMIT / 2)]);
    let (mut place, mut due) = (series, due);
    for shown in all {
        assert_eq!(next(&rule, &place, due, zone, due.instant(zone)), Some(shown));
        follows(&rule, zone, &place, &shown);
        (place, due) = (shown.series, shown.due);
    }
});

/// What holds of every occurrence and the one before it.
fn follows(rule: &Recurrence, zone: Tz, before: &Series, found: &Next) {
    let (place, due) = (&found.series, found.due);
    assert_eq!(place.occurrence_time, due.instant(zone));
    assert!(place.occurrence_time > before.occurrence_time, "not later");
    assert!(place.index >= before.index && (place.index > before.index || place.index == u32::MAX));
    assert!(place.start_index <= place.index && place.id == before.id);
    assert!(place.occurrence_time.year() <= 9999);
    match rule.end {
        End::Never => {}
        End::Count(count) => assert!(place.index <= count),
        End::Until(until) => assert!(place.occurrence_time <= until),
    }
}

/// Whether the clocks skipped the planned time, so that it came later than planned, perhaps on the next day.
fn gap_shifts(found: &Next, zone: Tz) -> bool {
    let shown = WallClock::of(found.due, zone);
    match (shown, found.series.start) {
        (WallClock::Time(shown), WallClock::Time(planned)) => shown.time() != planned.time(),
        _ => false,
    }
}
