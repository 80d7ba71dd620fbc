//! The statements that Docket sends for one call, as PostgreSQL's own log has them: so the reference cannot drift from it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use regex::Regex;
use serde_json::Value;

use crate::load::Caller;
use crate::method::Method;
use crate::world::World;

/// The user and the task of the recorded calls.
pub(crate) const TASK: u64 = 123;

/// How often a call is recorded until two recordings are the same.
const ATTEMPTS: usize = 6;

/// A statement with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    /// The text, with `$1` for the first parameter.
    pub(crate) sql: String,
    /// The parameters as text; absent for NULL.
    pub(crate) values: Vec<Option<String>>,
    /// The types of the parameters.
    pub(crate) types: Vec<String>,
}

/// Records what each method sends.
pub(crate) async fn record(world: &World, methods: &[Method]) -> Result<Vec<(Method, Vec<Statement>)>> {
    let mut recorded = Vec::new();
    let caller = Caller::new(world.channels())?;
    for method in methods {
        let recording = record_one(world, &caller, *method).await;
        recorded.push((*method, recording.with_context(|| format!("recording {}", method.name()))?));
    }
    Ok(recorded)
}

async fn record_one(world: &World, caller: &Caller, method: Method) -> Result<Vec<Statement>> {
    let data = method.data(1);
    world.reset(data).await?;
    let client = world.database().superuser_client().await;
    let mut last: Vec<Statement> = Vec::new();
    for attempt in 0..ATTEMPTS {
        // Beside the measured ones, and another each time: a task is completed once.
        let task = TASK + crate::world::USERS * attempt as u64;
        log_statements(world, true).await?;
        let (first, end) = (mark(method, attempt, "begin"), mark(method, attempt, "end"));
        client.batch_execute(&first).await?;
        caller.call(method, 0, task).await?;
        client.batch_execute(&end).await?;
        let log = log_until(world, &end).await?;
        log_statements(world, false).await?;
        let mut statements = between(&log, &first, &end)?;
        for statement in &mut statements {
            // Names the recorded task the same way, whichever it was.
            for value in statement.values.iter_mut().flatten() {
                *value = value.replace(&crate::world::id_of(task), &crate::world::id_of(TASK));
            }
        }
        let texts = |statements: &[Statement]| -> Vec<String> {
            statements.iter().map(|one| one.sql.clone()).collect()
        };
        if !last.is_empty() && texts(&last) == texts(&statements) {
            client.batch_execute("SET search_path = tasks").await?;
            for statement in &mut statements {
                let prepared = client.prepare(&statement.sql).await?;
                statement.types = prepared.params().iter().map(|kind| kind.name().to_owned()).collect();
                ensure!(statement.types.len() == statement.values.len(), "parameters of {}", statement.sql);
            }
            return Ok(statements);
        }
        last = statements;
    }
    bail!("no two calls send the same statements")
}

fn mark(method: Method, attempt: usize, which: &str) -> String {
    format!("SELECT 'bench {} {attempt} {which}'", method.name())
}

/// Switches the log of statements on or off.
async fn log_statements(world: &World, on: bool) -> Result<()> {
    let wanted = if on { "all" } else { "none" };
    world.postgres().execute(&format!("ALTER SYSTEM SET log_statement = '{wanted}'")).await;
    world.postgres().execute("SELECT pg_reload_conf()").await;
    let client = world.postgres().client().await;
    loop {
        let now: String = client.query_one("SHOW log_statement", &[]).await?.get(0);
        if now == wanted {
            // Every process gets the same signal; this one has had it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The log, once it has the line.
async fn log_until(world: &World, line: &str) -> Result<Vec<Value>> {
    let client = world.postgres().client().await;
    loop {
        let row = client.query_one("SELECT pg_read_file(pg_current_logfile('jsonlog'))", &[]).await?;
        let text: String = row.get(0);
        let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.iter().any(|entry| message(entry).contains(line)) {
            return Ok(lines);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn message(entry: &Value) -> &str {
    entry["message"].as_str().unwrap_or_default()
}

/// The statements of the target's connections between two others.
fn between(log: &[Value], first: &str, end: &str) -> Result<Vec<Statement>> {
    let after = log.iter().skip_while(|entry| !message(entry).contains(first)).skip(1);
    let inside = after.take_while(|entry| !message(entry).contains(end));
    inside
        .filter(|entry| entry["application_name"] == "docket-tasks")
        .filter_map(|entry| statement(entry).transpose())
        .collect()
}

/// The statement of a line of the log, if it is one.
fn statement(entry: &Value) -> Result<Option<Statement>> {
    let message = message(entry);
    let sql = match message.strip_prefix("statement: ") {
        Some(sql) => sql,
        None => match message.strip_prefix("execute ").and_then(|rest| rest.split_once(": ")) {
            Some((_, sql)) => sql,
            None => return Ok(None),
        },
    };
    let values = parameters(entry["detail"].as_str().unwrap_or_default())?;
    Ok(Some(Statement { sql: sql.trim().to_owned(), values, types: Vec::new() }))
}

/// Reads `parameters: $1 = 'it''s', $2 = NULL`.
fn parameters(detail: &str) -> Result<Vec<Option<String>>> {
    let pattern = Regex::new(r"\$([0-9]+) = (NULL|'(?:[^']|'')*')")?;
    let mut values = BTreeMap::new();
    for found in pattern.captures_iter(detail) {
        let number: usize = found[1].parse()?;
        let value = found[2].strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        values.insert(number, value.map(|text| text.replace("''", "'")));
    }
    ensure!(values.keys().copied().eq(1..=values.len()), "{detail}: parameters are missing");
    Ok(values.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_they_were_sent() {
        let check = |detail: &str, expect: &[Option<&str>]| {
            let values = parameters(detail).unwrap();
            assert_eq!(values.iter().map(Option::as_deref).collect::<Vec<_>>(), expect);
        };
        check("", &[]);
        check("parameters: $1 = 'it''s, $2 = ''x''', $2 = NULL", &[Some("it's, $2 = 'x'"), None]);
        check("Parameters: $1 = '{\"a b\"}', $2 = '', $3 = '7'", &[Some("{\"a b\"}"), Some(""), Some("7")]);
        parameters("parameters: $2 = '7'").unwrap_err();
    }
}
