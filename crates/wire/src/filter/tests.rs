//! What filters and orders mean, and what is said about those that mean nothing.

use docket_domain::filter::Condition::{DueBefore, DueFrom, Priority as Priorities, State, Tag, Text};

use super::*;

/// 2026-03-28 23:30 in Berlin: the night after has the change to summer time.
const NOW: &str = "2026-03-28T22:30:00.123456Z";

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn read(text: &str) -> Result<Vec<Condition>, String> {
    parse(text, Tz::Europe__Berlin, at(NOW)).map(|filter| filter.0).map_err(|error| error.0)
}

#[test]
fn a_filter_is_its_conditions() {
    use docket_domain::content::Priority::{High, Low, Medium, Urgent};
    let table: Vec<(&str, Vec<Condition>)> = vec![
        ("", vec![]),
        ("  \t", vec![]),
        ("state = OPEN", vec![State(true, StateName::Open)]),
        ("state!=COMPLETED", vec![State(false, StateName::Completed)]),
        ("priority = HIGH", vec![Priorities(vec![High])]),
        ("priority != HIGH", vec![Priorities(vec![Low, Medium, Urgent])]),
        ("priority < LOW", vec![Priorities(vec![])]),
        ("priority <= MEDIUM", vec![Priorities(vec![Low, Medium])]),
        ("priority > MEDIUM", vec![Priorities(vec![High, Urgent])]),
        ("priority>=HIGH", vec![Priorities(vec![High, Urgent])]),
        ("tags:home", vec![Tag("home".into())]),
        (r#"tags : "at \"home\" \\ AND""#, vec![Tag(r#"at "home" \ AND"#.into())]),
        ("text:müsli-riegel", vec![Text("müsli-riegel".into())]),
        ("text:\" two  words \"", vec![Text(" two  words ".into())]),
        ("text:AND", vec![Text("AND".into())]),
        ("due < 2026-01-05T10:00:00+01:00", vec![DueBefore(at("2026-01-05T09:00:00Z"))]),
        ("due <= 2026-01-05T10:00:00.5Z", vec![DueBefore(at("2026-01-05T10:00:00.500001Z"))]),
        ("due > 2026-01-05T10:00:00Z", vec![DueFrom(at("2026-01-05T10:00:00.000001Z"))]),
        ("due >= 2026-01-05T10:00:00.0000019Z", vec![DueFrom(at("2026-01-05T10:00:00.000001Z"))]),
        (
            "due = \"2026-01-05T10:00:00Z\"",
            vec![DueFrom(at("2026-01-05T10:00:00Z")), DueBefore(at("2026-01-05T10:00:00.000001Z"))],
        ),
        ("due < 2026-01-05", vec![DueBefore(at("2026-01-04T23:00:00Z"))]),
        ("due <= 2026-01-05", vec![DueBefore(at("2026-01-05T23:00:00Z"))]),
        ("due > 2026-01-05", vec![DueFrom(at("2026-01-05T23:00:00Z"))]),
        ("due >= 2026-01-05", vec![DueFrom(at("2026-01-04T23:00:00Z"))]),
        ("due < now()", vec![DueBefore(at(NOW))]),
        ("due < today()", vec![DueBefore(at("2026-03-27T23:00:00Z"))]),
        // The 29th has 23 hours.
        (
            "due = tomorrow()",
            vec![DueFrom(at("2026-03-28T23:00:00Z")), DueBefore(at("2026-03-29T22:00:00Z"))],
        ),
        (
            "due <= 9999-12-31",
            vec![DueBefore(start_of_day(NaiveDate::from_ymd_opt(10000, 1, 1).unwrap(), Tz::Europe__Berlin))],
        ),
        (
            "state = OPEN AND priority >= HIGH AND tags:home AND due < today()",
            vec![
                State(true, StateName::Open),
                Priorities(vec![High, Urgent]),
                Tag("home".into()),
                DueBefore(at("2026-03-27T23:00:00Z")),
            ],
        ),
    ];
    for (text, expected) in table {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
}

#[test]
fn a_broken_filter_says_where_and_why() {
    let table = [
        ("owner = me", "character 1: `owner` can not be compared; state, priority, tags, due and text can"),
        ("state = OPEN OR state = COMPLETED", "character 14: `OR` is not supported"),
        ("state = OPEN and tags:home", "character 14: expected `AND`"),
        ("state = OPEN AND", "character 17: expected a comparison"),
        ("AND state = OPEN", "character 1: `AND` can not be compared"),
        ("NOT state = OPEN", "character 1: `NOT` is not supported"),
        ("-state = OPEN", "character 1: `-` is not supported"),
        ("(state = OPEN)", "character 1: parentheses are not supported"),
        ("state = OPEN)", "character 13: expected `AND`"),
        ("groceries", "character 1: `groceries` can not be compared"),
        ("text groceries", "character 6: expected one of ="),
        ("text", "character 5: expected one of ="),
        ("state ~ OPEN", "character 7: expected one of ="),
        ("state = ", "character 9: expected a value"),
        ("state == OPEN", "character 8: expected a value"),
        ("state < OPEN", "character 9: `state` is compared with = or !="),
        ("state = open", "character 9: `state` is OPEN or COMPLETED"),
        ("priority >= 3", "character 13: `priority` is LOW, MEDIUM, HIGH or URGENT"),
        ("priority:LOW", "character 10: `priority` is compared with"),
        ("tags = home", "character 8: `tags` is compared with `:`"),
        ("tags:\"\"", "character 6: a tag must have 1 to 64 characters"),
        ("text:\"\"", "character 6: the text to look for must not be empty"),
        ("text:\"a\0\"", "character 6: the text to look for must not contain control characters"),
        ("tags:\"a\0\"", "character 6: a tag must not contain control characters"),
        ("text:now()", "character 6: `text` takes no function"),
        ("text:\"half", "character 6: the closing double quote is missing"),
        (r#"text:"\n""#, "character 6: in quotes a backslash"),
        ("tags:ä AND due < 2026-02-30", "character 18: `due` is compared with an RFC 3339 instant, a date"),
        ("due < 1969-12-31T23:59:59Z", "character 7: `due` is compared with an RFC 3339 instant"),
        ("due < 2026-1-5", "character 7: `due` is compared with an RFC 3339 instant"),
        ("due < yesterday()", "character 7: the functions are now(), today() and tomorrow()"),
        ("due < today", "character 7: `due` is compared with"),
        ("due < today(1)", "character 13: expected `)`"),
        ("due:2026-01-05", "character 5: `due` is compared with =, <, <=, > or >="),
        ("due != 2026-01-05", "character 8: `due` is compared with =, <, <=, > or >="),
    ];
    for (text, expected) in table {
        let error = read(text).unwrap_err();
        assert!(error.starts_with(&format!("is not understood at {expected}")), "{text}: {error}");
    }
    assert_eq!(read(&"x".repeat(1_025)), Err("must have at most 1024 bytes".to_owned()));
    assert!(read(&"x".repeat(1_024)).unwrap_err().len() < 200, "a message does not repeat a long filter");
}

#[test]
fn an_order_is_a_field_and_a_direction() {
    let table = [
        ("", Some((OrderField::CreateTime, false))),
        ("create_time", Some((OrderField::CreateTime, false))),
        ("update_time desc", Some((OrderField::UpdateTime, true))),
        ("  due   desc ", Some((OrderField::Due, true))),
        ("priority", Some((OrderField::Priority, false))),
        ("title", None),
        ("due asc", None),
        ("due desc desc", None),
        ("due,priority", None),
        ("DUE", None),
    ];
    for (text, expected) in table {
        let expected = expected.map(|(field, descending)| Order { field, descending });
        assert_eq!(parse_order(text).ok(), expected, "{text}");
    }
}
