//! The words of messages in each language, and how times read in them.

use chrono::{Datelike as _, NaiveDate, Timelike as _, Weekday};
use chrono_tz::Tz;
use docket_domain::{Due, Instant, Locale, Priority, TimeDelta};
use serde::Serialize;

/// What the templates say, in one language.
#[derive(Serialize)]
pub(crate) struct Words {
    /// The language's tag.
    pub(crate) lang: &'static str,
    pub(crate) reminder: &'static str,
    pub(crate) overdue: &'static str,
    pub(crate) due: &'static str,
    pub(crate) all_day: &'static str,
    pub(crate) priority: &'static str,
    pub(crate) open_task: &'static str,
    pub(crate) why_reminder: &'static str,
    pub(crate) why_digest: &'static str,
    pub(crate) why_test: &'static str,
    pub(crate) unsubscribe: &'static str,
    pub(crate) digest: &'static str,
    pub(crate) digest_for: &'static str,
    pub(crate) today: &'static str,
    pub(crate) more: &'static str,
    pub(crate) test: &'static str,
    pub(crate) test_body: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    reminder: "Reminder",
    overdue: "Overdue",
    due: "Due",
    all_day: "all day",
    priority: "Priority",
    open_task: "Open the task",
    why_reminder: "You get this because the task has a reminder.",
    why_digest: "You get this because you asked for a daily summary.",
    why_test: "You get this because you asked for a test.",
    unsubscribe: "Stop these messages",
    digest: "Daily summary",
    digest_for: "Your tasks for",
    today: "Due today",
    more: "more",
    test: "Test message",
    test_body: "This is a test: messages reach you on this channel.",
};

const GERMAN: Words = Words {
    lang: "de",
    reminder: "Erinnerung",
    overdue: "Überfällig",
    due: "Fällig",
    all_day: "ganztägig",
    priority: "Priorität",
    open_task: "Aufgabe öffnen",
    why_reminder: "Du bekommst diese Nachricht, weil die Aufgabe eine Erinnerung hat.",
    why_digest: "Du bekommst diese Nachricht, weil du eine tägliche Übersicht bestellt hast.",
    why_test: "Du bekommst diese Nachricht, weil du einen Test bestellt hast.",
    unsubscribe: "Diese Nachrichten abbestellen",
    digest: "Tagesübersicht",
    digest_for: "Deine Aufgaben für",
    today: "Heute fällig",
    more: "weitere",
    test: "Testnachricht",
    test_body: "Dies ist ein Test: Nachrichten erreichen dich auf diesem Weg.",
};

const ENGLISH_DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const GERMAN_DAYS: [&str; 7] =
    ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"];

const ENGLISH_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const GERMAN_MONTHS: [&str; 12] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

pub(crate) fn words(locale: Locale) -> &'static Words {
    match locale {
        Locale::En => &ENGLISH,
        Locale::De => &GERMAN,
    }
}

/// How a priority is called.
pub(crate) fn priority(locale: Locale, priority: Priority) -> &'static str {
    match (locale, priority) {
        (Locale::En, Priority::Low) => "Low",
        (Locale::En, Priority::Medium) => "Medium",
        (Locale::En, Priority::High) => "High",
        (Locale::En, Priority::Urgent) => "Urgent",
        (Locale::De, Priority::Low) => "Niedrig",
        (Locale::De, Priority::Medium) => "Mittel",
        (Locale::De, Priority::High) => "Hoch",
        (Locale::De, Priority::Urgent) => "Dringend",
    }
}

/// How programs call a priority.
pub(crate) fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Low => "LOW",
        Priority::Medium => "MEDIUM",
        Priority::High => "HIGH",
        Priority::Urgent => "URGENT",
    }
}

/// A day: `Friday, 4 December 2026`.
pub(crate) fn day(locale: Locale, day: NaiveDate) -> String {
    let (number, year) = (day.day(), day.year());
    let (weekday, month) = (index(day.weekday()), day.month0() as usize);
    match locale {
        Locale::En => format!("{}, {number} {} {year}", ENGLISH_DAYS[weekday], ENGLISH_MONTHS[month]),
        Locale::De => format!("{}, {number}. {} {year}", GERMAN_DAYS[weekday], GERMAN_MONTHS[month]),
    }
}

fn index(weekday: Weekday) -> usize {
    weekday.num_days_from_monday() as usize
}

/// A moment by the clocks of a zone: `Friday, 4 December 2026, 15:00 (Europe/Berlin)`.
pub(crate) fn moment(locale: Locale, instant: Instant, zone: Tz) -> String {
    format!(
        "{}, {} ({zone})",
        day(locale, instant.with_timezone(&zone).date_naive()),
        clock(locale, instant, zone)
    )
}

/// A time of day by the clocks of a zone: `15:00`.
pub(crate) fn clock(locale: Locale, instant: Instant, zone: Tz) -> String {
    let local = instant.with_timezone(&zone);
    let suffix = if locale == Locale::De { " Uhr" } else { "" };
    format!("{:02}:{:02}{suffix}", local.hour(), local.minute())
}

/// Whether what is due then is overdue now. A day is over when its zone has reached the next one.
pub(crate) fn is_overdue(due: Due, zone: Tz, now: Instant) -> bool {
    match due {
        Due::At(instant) => instant < now,
        Due::On(day) => day < now.with_timezone(&zone).date_naive(),
    }
}

/// What makes of a minute that is more than half over a whole one.
const NEAREST: TimeDelta = TimeDelta::seconds(29);

/// How far off it is: `Due in 30 minutes`, `Overdue by 2 days`.
pub(crate) fn standing(locale: Locale, due: Due, zone: Tz, now: Instant) -> String {
    match due {
        Due::At(instant) => {
            // To the nearest minute: a message is rendered a moment after the reminder's.
            let left = instant - now;
            let left = left + NEAREST * left.num_seconds().signum() as i32;
            match left.num_minutes() {
                0 => now_due(locale).to_owned(),
                minutes if minutes > 0 => ahead(locale, &span(locale, left)),
                _ => behind(locale, &span(locale, -left)),
            }
        }
        Due::On(day) => {
            let days = (day - now.with_timezone(&zone).date_naive()).num_days();
            match (locale, days) {
                (Locale::En, 0) => "Due today".to_owned(),
                (Locale::De, 0) => "Heute fällig".to_owned(),
                (Locale::En, 1) => "Due tomorrow".to_owned(),
                (Locale::De, 1) => "Morgen fällig".to_owned(),
                (_, days) if days > 0 => ahead(locale, &count(locale, Unit::Day, days)),
                (_, days) => behind(locale, &count(locale, Unit::Day, -days)),
            }
        }
    }
}

fn now_due(locale: Locale) -> &'static str {
    match locale {
        Locale::En => "Due now",
        Locale::De => "Jetzt fällig",
    }
}

fn ahead(locale: Locale, span: &str) -> String {
    match locale {
        Locale::En => format!("Due in {span}"),
        Locale::De => format!("Fällig in {span}"),
    }
}

fn behind(locale: Locale, span: &str) -> String {
    match locale {
        Locale::En => format!("Overdue by {span}"),
        Locale::De => format!("Seit {span} überfällig"),
    }
}

/// A span of time in its largest fitting unit: minutes below two hours, hours below two days.
fn span(locale: Locale, span: TimeDelta) -> String {
    match span.num_minutes() {
        minutes @ ..120 => count(locale, Unit::Minute, minutes),
        _ if span.num_hours() < 48 => count(locale, Unit::Hour, span.num_hours()),
        _ => count(locale, Unit::Day, span.num_days()),
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Minute,
    Hour,
    Day,
}

/// German takes the dative here, which `in` and `seit` both want.
fn count(locale: Locale, unit: Unit, count: i64) -> String {
    let (one, many) = match (locale, unit) {
        (Locale::En, Unit::Minute) => ("minute", "minutes"),
        (Locale::En, Unit::Hour) => ("hour", "hours"),
        (Locale::En, Unit::Day) => ("day", "days"),
        (Locale::De, Unit::Minute) => ("Minute", "Minuten"),
        (Locale::De, Unit::Hour) => ("Stunde", "Stunden"),
        (Locale::De, Unit::Day) => ("Tag", "Tagen"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        text.parse().unwrap()
    }

    #[test]
    fn a_moment_reads_by_the_clocks_of_the_zone_also_at_night_when_they_change() {
        let read = |locale, instant: &str, zone| moment(locale, at(instant), zone);
        let (berlin, tokyo) = (Tz::Europe__Berlin, Tz::Asia__Tokyo);
        for (locale, instant, zone, expect) in [
            (Locale::En, "2026-12-04T14:00:00Z", berlin, "Friday, 4 December 2026, 15:00 (Europe/Berlin)"),
            (
                Locale::De,
                "2026-12-04T14:00:00Z",
                berlin,
                "Freitag, 4. Dezember 2026, 15:00 Uhr (Europe/Berlin)",
            ),
            (Locale::En, "2026-12-31T15:30:00Z", tokyo, "Friday, 1 January 2027, 00:30 (Asia/Tokyo)"),
            (Locale::De, "2026-03-29T01:30:00Z", berlin, "Sonntag, 29. März 2026, 03:30 Uhr (Europe/Berlin)"),
            (Locale::En, "2026-10-25T01:30:00Z", berlin, "Sunday, 25 October 2026, 02:30 (Europe/Berlin)"),
        ] {
            assert_eq!(read(locale, instant, zone), expect);
        }
    }

    #[test]
    fn how_far_off_it_is_reads_as_people_say_it() {
        let now = at("2026-12-04T14:00:00Z");
        let check = |due: &str, english: &str, german: &str| {
            let due = Due::At(at(due));
            assert_eq!(standing(Locale::En, due, Tz::UTC, now), english);
            assert_eq!(standing(Locale::De, due, Tz::UTC, now), german);
        };
        check("2026-12-04T14:30:00Z", "Due in 30 minutes", "Fällig in 30 Minuten");
        check("2026-12-04T14:01:00Z", "Due in 1 minute", "Fällig in 1 Minute");
        check("2026-12-04T14:33:59.985Z", "Due in 34 minutes", "Fällig in 34 Minuten");
        check("2026-12-04T13:26:00.015Z", "Overdue by 34 minutes", "Seit 34 Minuten überfällig");
        check("2026-12-04T14:00:30Z", "Due now", "Jetzt fällig");
        check("2026-12-04T13:59:30Z", "Due now", "Jetzt fällig");
        check("2026-12-04T15:30:00Z", "Due in 90 minutes", "Fällig in 90 Minuten");
        check("2026-12-05T12:00:00Z", "Due in 22 hours", "Fällig in 22 Stunden");
        check("2026-12-07T14:00:00Z", "Due in 3 days", "Fällig in 3 Tagen");
        check("2026-12-04T13:00:00Z", "Overdue by 60 minutes", "Seit 60 Minuten überfällig");
        check("2026-12-02T14:00:00Z", "Overdue by 2 days", "Seit 2 Tagen überfällig");
    }

    #[test]
    fn a_day_is_near_or_over_by_the_calendar_of_its_zone() {
        // The 5th has begun in Tokyo.
        let now = at("2026-12-04T16:00:00Z");
        let check = |date: &str, zone, expect: &str, overdue: bool| {
            let due = Due::On(date.parse().unwrap());
            assert_eq!(standing(Locale::En, due, zone, now), expect, "{date}");
            assert_eq!(is_overdue(due, zone, now), overdue, "{date}");
        };
        check("2026-12-04", Tz::UTC, "Due today", false);
        check("2026-12-04", Tz::Asia__Tokyo, "Overdue by 1 day", true);
        check("2026-12-05", Tz::UTC, "Due tomorrow", false);
        check("2026-12-08", Tz::UTC, "Due in 4 days", false);
    }
}
