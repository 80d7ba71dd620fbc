//! Fields of a task that break their rules, as `CreateTask` gets them.

use docket_proto::v1::recurrence::{End, Pattern, Rule};
use docket_proto::v1::reminder::Moment;
use docket_proto::v1::task::Due;
use docket_proto::v1::{CreateTaskRequest, Recurrence, Reminder, Task};
use docket_testkit::{once, repeating};
use pbjson_types::{Duration, Timestamp};

use super::{Row, World, at_fault, good, row};
use crate::harness::{due_at, uuid};

/// A task, what it is called here, and the fields at fault.
type Broken = (&'static str, Task, &'static [&'static str]);

const TITLE: &[&str] = &["task.title"];
const TAGS: &[&str] = &["task.tags"];
const DUE_TIME: &[&str] = &["task.due_time"];
const DUE_DATE: &[&str] = &["task.due_date"];
const ZONE: &[&str] = &["task.time_zone"];
const UNTIL: &[&str] = &["task.recurrence.until"];

pub(super) fn rows(world: &World) -> Vec<Row> {
    let tables = [texts(), times(), rules(), reminders()];
    let mut rows: Vec<Row> = tables
        .into_iter()
        .flatten()
        .map(|(name, task, fields)| row(name, world.create(task), at_fault(fields)))
        .collect();
    rows.extend(together(world));
    rows.extend(good_ones(world));
    rows
}

fn titled(title: &str) -> Task {
    once(title)
}

fn tagged(tags: &[&str]) -> Task {
    Task { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..once("Tagged") }
}

fn texts() -> Vec<Broken> {
    let described = |text: &str| Task { description: text.to_owned(), ..once("Described") };
    let named = |id: &str| Task { task_id: id.to_owned(), ..once("Named") };
    let priority = |priority| Task { priority, ..once("Weighed") };
    vec![
        ("an empty title", titled(""), TITLE),
        ("a blank title", titled(" \t\n\u{a0}\u{3000}"), TITLE),
        ("a title of 501 letters", titled(&"ä".repeat(501)), TITLE),
        ("a title of 900,000 letters", titled(&"x".repeat(900_000)), TITLE),
        ("a title of 10 MB", titled(&"x".repeat(10_000_000)), &["request"]),
        ("a title with NUL", titled("a\0b"), TITLE),
        ("a title of two lines", titled("a\nb"), TITLE),
        ("a title with a bell", titled("a\u{7}b"), TITLE),
        ("a title with DEL", titled("a\u{7f}b"), TITLE),
        ("a title with a C1 control", titled("a\u{9b}31mb"), TITLE),
        ("a description of 16,385 bytes", described(&"x".repeat(16_385)), &["task.description"]),
        (
            "a description of umlauts, too long by a byte",
            described(&format!("x{}", "ä".repeat(8_192))),
            &["task.description"],
        ),
        ("a description with NUL", described("a\0"), &["task.description"]),
        ("a description that paints the terminal", described("\u{1b}[31m"), &["task.description"]),
        ("a priority beyond the last", priority(5), &["task.priority"]),
        ("a negative priority", priority(-1), &["task.priority"]),
        ("the least priority", priority(i32::MIN), &["task.priority"]),
        ("the greatest priority", priority(i32::MAX), &["task.priority"]),
        ("33 tags", Task { tags: (0..33).map(|n| n.to_string()).collect(), ..once("Tagged") }, TAGS),
        ("an empty tag", tagged(&["home", ""]), &["task.tags[1]"]),
        ("a blank tag", tagged(&["\u{2003}"]), &["task.tags[0]"]),
        ("a tag of 65 letters", tagged(&[&"x".repeat(65)]), &["task.tags[0]"]),
        ("a tag with a line break", tagged(&["a\r\nb"]), &["task.tags[0]"]),
        ("a tag twice", tagged(&["home", "work", "home"]), TAGS),
        ("a tag twice but for spaces", tagged(&["home", " home "]), TAGS),
        ("a name that is a number", named("7"), &["task.task_id"]),
        ("the name of nobody", named("00000000-0000-0000-0000-000000000000"), &["task.task_id"]),
        ("a name in braces", named("{0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f}"), &["task.task_id"]),
        ("a name without hyphens", named("0192f0c12b3c7d4e8f506a7b8c9d0e1f"), &["task.task_id"]),
        ("a name that is a URN", named("urn:uuid:0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f"), &["task.task_id"]),
        (
            "a name with a letter that is no digit",
            named("0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1g"),
            &["task.task_id"],
        ),
        ("a name of 100,000 letters", named(&"0".repeat(100_000)), &["task.task_id"]),
    ]
}

fn times() -> Vec<Broken> {
    let at = |seconds, nanos| Task { due: Some(Due::DueTime(Timestamp { seconds, nanos })), ..once("Timed") };
    let on = |day: &str| Task { due: Some(Due::DueDate(day.to_owned())), ..once("Dated") };
    let zone = |zone: &str| Task { time_zone: zone.to_owned(), ..once("Zoned") };
    vec![
        ("due before 1970", at(-1, 0), DUE_TIME),
        ("due before 1970, by nanoseconds", at(-1, 999_999_999), DUE_TIME),
        ("due in the year 10000", at(253_402_300_800, 0), DUE_TIME),
        ("due before the big bang", at(i64::MIN, 0), DUE_TIME),
        ("due after everything", at(i64::MAX, 999_999_999), DUE_TIME),
        ("negative nanoseconds", at(1_800_000_000, -1), DUE_TIME),
        ("a second of nanoseconds", at(1_800_000_000, 1_000_000_000), DUE_TIME),
        ("the least nanoseconds", at(1_800_000_000, i32::MIN), DUE_TIME),
        ("an empty day", on(""), DUE_DATE),
        ("the 30th of February", on("2027-02-30"), DUE_DATE),
        ("the 29th of February of no leap year", on("2027-02-29"), DUE_DATE),
        ("the 13th month", on("2027-13-01"), DUE_DATE),
        ("the month 0", on("2027-00-10"), DUE_DATE),
        ("the day 0", on("2027-01-00"), DUE_DATE),
        ("the 31st of April", on("2027-04-31"), DUE_DATE),
        ("a day of another century", on("27-01-31"), DUE_DATE),
        ("a day without zeros", on("2027-1-31"), DUE_DATE),
        ("a day with a time", on("2027-01-31T00:00:00Z"), DUE_DATE),
        ("a day with a space", on(" 2027-01-31"), DUE_DATE),
        ("a day as Americans write it", on("01/31/2027"), DUE_DATE),
        ("a day in Arabic digits", on("٢٠٢٧-٠١-٣١"), DUE_DATE),
        ("a day before 1970", on("1969-12-31"), DUE_DATE),
        ("a day after 9999", on("10000-01-01"), DUE_DATE),
        ("a negative year", on("-027-01-31"), DUE_DATE),
        ("a zone that is not on this planet", zone("Mars/Olympus"), ZONE),
        ("a zone in small letters", zone("europe/berlin"), ZONE),
        ("an offset", zone("+02:00"), ZONE),
        ("an offset of UTC", zone("UTC+2"), ZONE),
        ("a zone with a space", zone("Europe/Berlin "), ZONE),
        ("a zone with NUL", zone("Europe/Berlin\0"), ZONE),
        ("a zone that is a path", zone("../../etc/passwd"), ZONE),
        ("a zone as POSIX has it", zone("CET-1CEST,M3.5.0,M10.5.0/3"), ZONE),
        ("a zone of 100,000 letters", zone(&"x".repeat(100_000)), ZONE),
    ]
}

fn repeated(change: impl FnOnce(&mut Recurrence)) -> Task {
    let mut task = repeating("Repeated", Pattern::Monthly, "2027-01-31T08:00:00Z", "Europe/Berlin");
    change(task.recurrence.as_mut().unwrap());
    task
}

fn rules() -> Vec<Broken> {
    let until = |seconds, nanos| repeated(|rule| rule.end = Some(End::Until(Timestamp { seconds, nanos })));
    let count = |count| repeated(|rule| rule.end = Some(End::Count(count)));
    let rule = |number| repeated(|rule| rule.rule = Some(Rule::Pattern(number)));
    let rrule = |text: &str| repeated(|rule| rule.rule = Some(Rule::Rrule(text.to_owned())));
    vec![
        ("a recurrence without a rule", repeated(|rule| rule.rule = None), &["task.recurrence.pattern"]),
        ("a pattern that is none", rule(0), &["task.recurrence.pattern"]),
        ("an unknown pattern", rule(5), &["task.recurrence.pattern"]),
        ("a negative pattern", rule(-2), &["task.recurrence.pattern"]),
        ("a recurrence rule", rrule("FREQ=DAILY;COUNT=3"), &["task.recurrence.rrule"]),
        ("an empty recurrence rule", rrule(""), &["task.recurrence.rrule"]),
        ("a negative interval", repeated(|rule| rule.interval = -1), &["task.recurrence.interval"]),
        ("an interval of 1,000", repeated(|rule| rule.interval = 1_000), &["task.recurrence.interval"]),
        ("the longest interval", repeated(|rule| rule.interval = i32::MAX), &["task.recurrence.interval"]),
        ("an unknown anchor", repeated(|rule| rule.anchor = 3), &["task.recurrence.anchor"]),
        ("an unknown end of months", repeated(|rule| rule.month_end = 3), &["task.recurrence.month_end"]),
        ("an unknown way with missed ones", repeated(|rule| rule.missed = -1), &["task.recurrence.missed"]),
        ("a count of 0", count(0), &["task.recurrence.count"]),
        ("a negative count", count(-1), &["task.recurrence.count"]),
        ("a count of 100,001", count(100_001), &["task.recurrence.count"]),
        ("an end before the due time", until(1_801_382_399, 0), UNTIL),
        ("an end before 1970", until(-1, 0), UNTIL),
        ("an end after 9999", until(253_402_300_800, 0), UNTIL),
        ("an end with bad nanoseconds", until(1_900_000_000, -1), UNTIL),
        ("a recurrence that is never due", Task { due: None, ..repeated(|_| {}) }, &["task.recurrence"]),
        (
            "an end in the night before the day",
            Task { due: Some(Due::DueDate("2027-01-31".to_owned())), ..until(1_801_349_999, 0) },
            UNTIL,
        ),
    ]
}

fn reminders() -> Vec<Broken> {
    let timed = || due_at("Reminded", "2027-03-01T08:00:00Z");
    let reminded = |moment: Option<Moment>, channels: &[i32]| Task {
        reminders: vec![Reminder { moment, channels: channels.to_vec() }],
        ..timed()
    };
    let before = |seconds, nanos| Some(Moment::Offset(Duration { seconds, nanos }));
    let offset = |seconds, nanos| reminded(before(seconds, nanos), &[]);
    let at = |seconds, nanos| reminded(Some(Moment::RemindTime(Timestamp { seconds, nanos })), &[]);
    let eleven = vec![Reminder { moment: before(60, 0), channels: vec![] }; 11];
    vec![
        ("11 reminders", Task { reminders: eleven, ..timed() }, &["task.reminders"]),
        ("a reminder at no moment", reminded(None, &[1]), &["task.reminders[0]"]),
        ("a reminder after the due time", offset(-1, 0), &["task.reminders[0].offset"]),
        ("half a second before", offset(0, 500_000_000), &["task.reminders[0].offset"]),
        ("seconds and nanoseconds that disagree", offset(1, -1), &["task.reminders[0].offset"]),
        ("a year and two days before", offset(367 * 86_400, 0), &["task.reminders[0].offset"]),
        ("the longest time before", offset(i64::MAX, i32::MAX), &["task.reminders[0].offset"]),
        ("a reminder before 1970", at(-1, 0), &["task.reminders[0].remind_time"]),
        ("a reminder with bad nanoseconds", at(1, 1_000_000_000), &["task.reminders[0].remind_time"]),
        ("a channel that is none", reminded(before(0, 0), &[0]), &["task.reminders[0].channels[0]"]),
        ("an unknown channel", reminded(before(0, 0), &[1, 4]), &["task.reminders[0].channels[1]"]),
        ("a channel twice", reminded(before(0, 0), &[2, 1, 2]), &["task.reminders[0].channels[2]"]),
        ("before a task that is never due", Task { due: None, ..offset(60, 0) }, &["task.reminders"]),
    ]
}

/// Everything wrong is told at once, and no more than an answer can carry.
fn together(world: &World) -> Vec<Row> {
    let broken = Task {
        task_id: "7".to_owned(),
        title: String::new(),
        description: "\0".to_owned(),
        priority: 9,
        tags: vec!["a".to_owned(), String::new(), "a".to_owned()],
        time_zone: "Nowhere".to_owned(),
        due: Some(Due::DueDate("2027-02-30".to_owned())),
        recurrence: Some(Recurrence {
            rule: None,
            interval: -1,
            anchor: 9,
            month_end: 9,
            missed: 9,
            end: Some(End::Count(-1)),
        }),
        reminders: vec![Reminder { moment: None, channels: vec![0, 9] }],
        ..Task::default()
    };
    let all = [
        "task.task_id",
        "task.title",
        "task.description",
        "task.priority",
        "task.tags[1]",
        "task.tags",
        "task.due_date",
        "task.time_zone",
        "task.recurrence.pattern",
        "task.recurrence.interval",
        "task.recurrence.anchor",
        "task.recurrence.month_end",
        "task.recurrence.missed",
        "task.recurrence.count",
        "task.reminders[0]",
        "task.reminders[0].channels[0]",
        "task.reminders[0].channels[1]",
        "request_id",
    ];
    let request =
        CreateTaskRequest { task: Some(broken), request_id: "again".to_owned(), ..Default::default() };
    let flood = Task { tags: vec![String::new(); 50_000], ..once("Flooded") };
    let first: Vec<String> = (0..32).map(|n| format!("task.tags[{n}]")).collect();
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    vec![
        row("everything at once", world.call("CreateTask", &request), at_fault(&all)),
        row("50,000 broken tags", world.create(flood), at_fault(&first)),
    ]
}

/// What looks bad and is not.
fn good_ones(world: &World) -> Vec<Row> {
    let ignored = Task {
        user_id: "mallory".to_owned(),
        state: 99,
        series_id: "none".to_owned(),
        version: -1,
        etag: "x".repeat(10_000),
        create_time: Some(Timestamp { seconds: i64::MIN, nanos: -1 }),
        purge_time: Some(Timestamp { seconds: i64::MAX, nanos: i32::MAX }),
        ..once("Read only")
    };
    let last = Task { due: Some(Due::DueDate("9999-12-31".to_owned())), ..once("The last day") };
    vec![
        good("output-only fields, all of them wrong", world.create(ignored)),
        good(
            "a family in one letter, and a word from right to left",
            world.create(titled("👩‍👩‍👧 \u{202b}שלום\u{202c}")),
        ),
        good("a title of 500 letters and spaces", world.create(titled(&format!(" {} ", "ä".repeat(500))))),
        good(
            "a description of 16,384 bytes",
            world.create(Task { description: "\r\n\t".repeat(5_461), ..once("Long") }),
        ),
        good("the last day", world.create(last)),
        good("a name in capitals", world.create(Task { task_id: uuid().to_uppercase(), ..once("Shouted") })),
        good(
            "an end at the due time",
            world.create(repeated(|rule| {
                rule.end = Some(End::Until(Timestamp { seconds: 1_801_382_400, nanos: 0 }));
            })),
        ),
    ]
}
