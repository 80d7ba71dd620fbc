//! The recorded statements as a script for pgbench: the same text, the same parameters, other tasks and users each time.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use regex::Regex;

use crate::method::Method;
use crate::record::{Statement, TASK};
use crate::world::{USERS, id_of, user_of};

/// How far from now a number may be to be a moment of the recording, in microseconds.
const AROUND_NOW: i64 = 3_600_000_000;

/// What pgbench runs.
#[derive(Debug)]
pub(crate) struct Script {
    /// The file.
    pub(crate) text: String,
    /// The variables, as `name=value`.
    pub(crate) variables: Vec<String>,
    /// How many statements are in a transaction.
    pub(crate) statements: usize,
}

/// Makes the script. `now` is when the statements were recorded, in microseconds.
pub(crate) fn script(method: Method, statements: &[Statement], now: i64) -> Result<Script> {
    let mut script = Script { text: prelude(method), variables: Vec::new(), statements: statements.len() };
    let mut places = Places { now, fresh: HashMap::new(), pattern: Regex::new(PATTERN)? };
    let parameter = Regex::new(r"\$([0-9]+)")?;
    for (index, statement) in statements.iter().enumerate() {
        let mut terms = Vec::new();
        for (number, (value, kind)) in statement.values.iter().zip(&statement.types).enumerate() {
            terms.push(match value {
                None => format!("NULL::{kind}"),
                Some(value) => match places.term(value, kind) {
                    Some(term) => term,
                    None => {
                        let name = format!("s{index}p{}", number + 1);
                        script.variables.push(format!("{name}={value}"));
                        format!(":{name}")
                    }
                },
            });
        }
        // Full lines of comment would be parsed once more for nothing.
        let lines = statement.sql.lines().filter(|line| !line.trim_start().starts_with("--"));
        // Docket goes another way when a batch waits too long for a lock; pgbench has none, and would end.
        let sql = lines.collect::<Vec<_>>().join("\n").replace("'200ms'", "'1min'");
        let mut text = String::new();
        let mut rest = 0;
        for found in parameter.captures_iter(&sql) {
            let whole = found.get(0).context("a match has a text")?;
            let number: usize = found[1].parse()?;
            text.push_str(&sql[rest..whole.start()]);
            text.push_str(terms.get(number - 1).with_context(|| format!("${number} has no value"))?);
            rest = whole.end();
        }
        writeln!(script.text, "{text}{};", &sql[rest..])?;
    }
    Ok(script)
}

/// What changes from one transaction to the next.
fn prelude(method: Method) -> String {
    let task = match method {
        // Every client has its own part of the open tasks.
        Method::Complete => "(:seq - :first - 1) * :clients + :client_id",
        _ => "random(0, :tasks - 1)",
    };
    format!(
        "\\set seq :seq + 1\n\\set fresh :seq * 1024 + :client_id\n\\set now :epoch + :seq * 1000\n\
         \\set task {task}\n\\set user :task % {USERS}\n"
    )
}

/// An id, a user, or a moment.
const PATTERN: &str = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|user-[0-9]+|[0-9]{16}";

struct Places {
    now: i64,
    /// Ids that are new in each call, in the order of their first appearance.
    fresh: HashMap<String, usize>,
    pattern: Regex,
}

impl Places {
    /// The value as an expression, if it changes from call to call.
    fn term(&mut self, value: &str, kind: &str) -> Option<String> {
        if kind.contains("bytea") {
            // Written, and never looked at by the database.
            return None;
        }
        let moment = |text: &str| text.parse::<i64>().is_ok_and(|time| (time - self.now).abs() < AROUND_NOW);
        let mut parts = Vec::new();
        let mut rest = 0;
        for found in self.pattern.find_iter(value) {
            let text = found.as_str();
            let term = if text.starts_with("user-") {
                if text != user_of(TASK) {
                    continue;
                }
                "'user-' || :user::text".to_owned()
            } else if text == id_of(TASK) {
                "'00000000-0000-7000-8000-' || lpad(to_hex(:task::bigint), 12, '0')".to_owned()
            } else if text.contains('-') {
                let next = self.fresh.len() + 1;
                let number = *self.fresh.entry(text.to_owned()).or_insert(next);
                // Later ones are greater, as those of Docket are.
                format!("'{number:08x}-0000-7000-8000-' || lpad(to_hex(:fresh::bigint), 12, '0')")
            } else if kind.contains("int8") && moment(text) {
                if text == value {
                    return Some(":now".to_owned());
                }
                ":now::text".to_owned()
            } else {
                continue;
            };
            parts.push(quoted(&value[rest..found.start()]));
            parts.push(Some(term));
            rest = found.end();
        }
        if parts.is_empty() {
            return None;
        }
        parts.push(quoted(&value[rest..]));
        Some(format!("({})::{kind}", parts.into_iter().flatten().collect::<Vec<_>>().join(" || ")))
    }
}

fn quoted(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| format!("'{}'", text.replace('\'', "''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000_000;

    fn term(value: &str, kind: &str) -> Option<String> {
        let mut places = Places { now: NOW, fresh: HashMap::new(), pattern: Regex::new(PATTERN).unwrap() };
        places.term(value, kind)
    }

    #[test]
    fn what_changes_becomes_an_expression() {
        let check = |value: &str, kind: &str, expect: Option<&str>| {
            assert_eq!(term(value, kind).as_deref(), expect, "{value}")
        };
        check("a title", "text", None);
        check("1790000000000005", "int8", Some(":now"));
        check("{1790000000000005}", "_int8", Some("('{' || :now::text || '}')::_int8"));
        check("1590000000000005", "int8", None);
        check("user-123", "text", Some("('user-' || :user::text)::text"));
        check("{user-123}", "_text", Some("('{' || 'user-' || :user::text || '}')::_text"));
        check("\\x00000000-0000-7000-8000-00000000007b", "bytea", None);
        let task = "'00000000-0000-7000-8000-' || lpad(to_hex(:task::bigint), 12, '0')";
        check(&id_of(TASK), "uuid", Some(&format!("({task})::uuid")));
        let fresh = "('00000001-0000-7000-8000-' || lpad(to_hex(:fresh::bigint), 12, '0'))::uuid";
        check("0199aaaa-0000-7000-8000-000000000001", "uuid", Some(fresh));
    }

    #[test]
    fn statements_keep_their_text_and_order() {
        let one = |sql: &str, values: &[Option<&str>], types: &[&str]| Statement {
            sql: sql.to_owned(),
            values: values.iter().map(|value| value.map(str::to_owned)).collect(),
            types: types.iter().map(|&kind| kind.to_owned()).collect(),
        };
        let statements = [
            one("BEGIN", &[], &[]),
            one(
                "-- About: it.\nUPDATE t SET a = $2, b = $10::text, c = $1",
                &[Some("x y"), None, None, None, None, None, None, None, None, Some("user-123")],
                &["text"; 10],
            ),
            one("COMMIT", &[], &[]),
        ];
        let script = script(Method::Update, &statements, NOW).unwrap();
        let (_, sql) = script.text.split_once("BEGIN").unwrap();
        assert_eq!(
            sql,
            ";\nUPDATE t SET a = NULL::text, b = ('user-' || :user::text)::text::text, c = :s1p1;\nCOMMIT;\n"
        );
        assert_eq!(script.variables, ["s1p1=x y"]);
    }
}
