//! Reads the filter and the order of a listing: a subset of AIP-160, as `ListTasksRequest` describes it.

mod cursor;

use chrono::{DateTime, NaiveDate, SubsecRound as _, TimeDelta};
use chrono_tz::Tz;
use docket_domain::content::{Invalid, Priority};
use docket_domain::filter::{Condition, Filter, Order, OrderField, StateName};
use docket_domain::series::start_of_day;
use docket_domain::{Description, Instant, Tags};

use crate::value;
use cursor::{Cursor, Operator, Value, shorten};

/// The longest filter.
const MAX_BYTES: usize = 1_024;

/// Reads a filter. Days are those of `zone`, and `now` is what `now()` and `today()` mean.
pub(crate) fn parse(text: &str, zone: Tz, now: Instant) -> Result<Filter, Invalid> {
    if text.len() > MAX_BYTES {
        return Err(Invalid(format!("must have at most {MAX_BYTES} bytes")));
    }
    let mut cursor = Cursor::new(text);
    let mut conditions = Vec::new();
    if !cursor.at_end() {
        let context = Context { zone, now };
        loop {
            context.comparison(&mut cursor, &mut conditions)?;
            if cursor.at_end() {
                break;
            }
            cursor.and()?;
        }
    }
    Ok(Filter(conditions))
}

/// Reads an order: a field, and optionally ` desc`.
pub(crate) fn parse_order(text: &str) -> Result<Order, Invalid> {
    let mut words = text.split_ascii_whitespace();
    let Some(name) = words.next() else { return Ok(Order::default()) };
    let field = match name {
        "create_time" => Some(OrderField::CreateTime),
        "update_time" => Some(OrderField::UpdateTime),
        "due" => Some(OrderField::Due),
        "priority" => Some(OrderField::Priority),
        _ => None,
    };
    match (field, words.next(), words.next()) {
        (Some(field), None, None) => Ok(Order { field, descending: false }),
        (Some(field), Some("desc"), None) => Ok(Order { field, descending: true }),
        _ => {
            let rule = "must be create_time, update_time, due or priority, optionally followed by ` desc`";
            Err(Invalid(rule.to_owned()))
        }
    }
}

/// What the words of a filter mean depends on where and when it is asked.
struct Context {
    zone: Tz,
    now: Instant,
}

impl Context {
    fn comparison(&self, cursor: &mut Cursor<'_>, conditions: &mut Vec<Condition>) -> Result<(), Invalid> {
        let start = cursor.position();
        let name = cursor.field()?;
        let read = match name {
            "state" => state,
            "priority" => priority,
            "tags" => tag,
            "text" => text,
            "due" => {
                let (operator, value) = cursor.operator_and_value()?;
                return self.due(operator, &value, conditions);
            }
            _ => {
                let name = shorten(name);
                let rule = format!("`{name}` can not be compared; state, priority, tags, due and text can");
                return Err(start.error(rule));
            }
        };
        let (operator, value) = cursor.operator_and_value()?;
        conditions.push(read(operator, &value)?);
        Ok(())
    }

    /// A comparison with a day means the whole day: `<=` its end, `>` what comes after it.
    fn due(&self, operator: Operator, value: &Value, conditions: &mut Vec<Condition>) -> Result<(), Invalid> {
        let (from, until) = self.span(value)?;
        match operator {
            Operator::Less => conditions.push(Condition::DueBefore(from)),
            Operator::LessOrEqual => conditions.push(Condition::DueBefore(until)),
            Operator::Greater => conditions.push(Condition::DueFrom(until)),
            Operator::GreaterOrEqual => conditions.push(Condition::DueFrom(from)),
            Operator::Equal => conditions.extend([Condition::DueFrom(from), Condition::DueBefore(until)]),
            Operator::NotEqual | Operator::Has => {
                return Err(value.start.error("`due` is compared with =, <, <=, > or >="));
            }
        }
        Ok(())
    }

    /// The stretch of time that a value names, its end not included.
    fn span(&self, value: &Value) -> Result<(Instant, Instant), Invalid> {
        let today = self.now.with_timezone(&self.zone).date_naive();
        let day = match (value.text.as_str(), value.is_call) {
            ("now", true) => return Ok(microsecond(self.now)),
            ("today", true) => Some(today),
            ("tomorrow", true) => today.succ_opt(),
            (_, true) => {
                return Err(value.start.error("the functions are now(), today() and tomorrow()"));
            }
            (text, false) => match DateTime::parse_from_rfc3339(text) {
                Ok(instant) => return Ok(microsecond(self.in_range(value, instant.to_utc())?)),
                Err(_) => value::date(text).ok(),
            },
        };
        day.and_then(|day| self.whole_day(day)).ok_or_else(|| due_value(value))
    }

    fn in_range(&self, value: &Value, instant: Instant) -> Result<Instant, Invalid> {
        value::instant(value::timestamp(instant)).map_err(|_| due_value(value))
    }

    fn whole_day(&self, day: NaiveDate) -> Option<(Instant, Instant)> {
        Some((start_of_day(day, self.zone), start_of_day(day.succ_opt()?, self.zone)))
    }
}

fn due_value(value: &Value) -> Invalid {
    value.start.error(
        "`due` is compared with an RFC 3339 instant, a date YYYY-MM-DD, now(), today() or tomorrow(), \
         in the years 1970 to 9999",
    )
}

/// Due times have microseconds, so `<= t` is `< t + 1 µs`.
fn microsecond(instant: Instant) -> (Instant, Instant) {
    let from = instant.trunc_subsecs(6);
    (from, from + TimeDelta::microseconds(1))
}

fn state(operator: Operator, value: &Value) -> Result<Condition, Invalid> {
    let equal = match operator {
        Operator::Equal => true,
        Operator::NotEqual => false,
        _ => return Err(value.start.error("`state` is compared with = or !=")),
    };
    match (value.text.as_str(), value.is_call) {
        ("OPEN", false) => Ok(Condition::State(equal, StateName::Open)),
        ("COMPLETED", false) => Ok(Condition::State(equal, StateName::Completed)),
        _ => Err(value.start.error("`state` is OPEN or COMPLETED")),
    }
}

fn priority(operator: Operator, value: &Value) -> Result<Condition, Invalid> {
    let wanted = match (value.text.as_str(), value.is_call) {
        ("LOW", false) => Priority::Low,
        ("MEDIUM", false) => Priority::Medium,
        ("HIGH", false) => Priority::High,
        ("URGENT", false) => Priority::Urgent,
        _ => return Err(value.start.error("`priority` is LOW, MEDIUM, HIGH or URGENT")),
    };
    let holds: fn(&Priority, &Priority) -> bool = match operator {
        Operator::Equal => Priority::eq,
        Operator::NotEqual => Priority::ne,
        Operator::Less => Priority::lt,
        Operator::LessOrEqual => Priority::le,
        Operator::Greater => Priority::gt,
        Operator::GreaterOrEqual => Priority::ge,
        Operator::Has => return Err(value.start.error("`priority` is compared with =, !=, <, <=, > or >=")),
    };
    let all = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];
    Ok(Condition::Priority(all.into_iter().filter(|one| holds(one, &wanted)).collect()))
}

fn tag(operator: Operator, value: &Value) -> Result<Condition, Invalid> {
    let text = has("tags", operator, value)?;
    let tag = Tags::parse_one(text).map_err(|rule| value.start.error(format!("a tag {rule}")))?;
    Ok(Condition::Tag(tag))
}

fn text(operator: Operator, value: &Value) -> Result<Condition, Invalid> {
    let text = has("text", operator, value)?;
    if text.is_empty() {
        return Err(value.start.error("the text to look for must not be empty"));
    }
    // No text has them, and not every database takes them.
    Description::parse(text).map_err(|rule| value.start.error(format!("the text to look for {rule}")))?;
    Ok(Condition::Text(text.to_owned()))
}

fn has<'a>(name: &str, operator: Operator, value: &'a Value) -> Result<&'a str, Invalid> {
    match (operator, value.is_call) {
        (Operator::Has, false) => Ok(&value.text),
        (Operator::Has, true) => Err(value.start.error(format!("`{name}` takes no function"))),
        _ => Err(value.start.error(format!("`{name}` is compared with `:`"))),
    }
}

#[cfg(test)]
mod tests;
