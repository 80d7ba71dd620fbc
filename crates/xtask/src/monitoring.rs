//! What `deploy/observability` tells Prometheus and Grafana, held against Prometheus's own `promtool`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{process, workspace};

/// What Grafana puts into a query before Prometheus sees it, and something that may stand there.
const VARIABLES: [(&str, &str); 2] = [("$__rate_interval", "5m"), ("$__range", "1h")];

/// A query of a dashboard.
#[derive(Debug, Eq, PartialEq)]
struct Query {
    /// The title of its panel.
    panel: String,
    text: String,
}

/// Checks the alert rules, tries them, and checks the queries of the dashboards.
pub(crate) fn check(promtool: &Path) -> Result<()> {
    let folder = folder();
    process::run(Command::new(promtool).args(["check", "rules", "alerts.yaml"]).current_dir(&folder))?;
    process::run(Command::new(promtool).args(["test", "rules", "alerts_test.yaml"]).current_dir(&folder))?;
    for file in dashboards(&folder)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let queries = queries(&read(&file)?);
        ensure!(!queries.is_empty(), "{name} asks for nothing");
        eprintln!("    {} queries of {name}", queries.len());
        as_rules(promtool, &queries).with_context(|| format!("the queries of {name}"))?;
    }
    Ok(())
}

fn folder() -> PathBuf {
    workspace::root().join("deploy/observability")
}

fn dashboards(folder: &Path) -> Result<Vec<PathBuf>> {
    let folder = folder.join("grafana");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let files: Result<Vec<PathBuf>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = files.with_context(|| format!("cannot read {}", folder.display()))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    ensure!(!files.is_empty(), "there is no dashboard in {}", folder.display());
    Ok(files)
}

fn read(dashboard: &Path) -> Result<Value> {
    let text =
        fs::read_to_string(dashboard).with_context(|| format!("cannot read {}", dashboard.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", dashboard.display()))
}

/// All queries of a dashboard, as Prometheus gets to see them.
fn queries(dashboard: &Value) -> Vec<Query> {
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let panels = list(dashboard, "panels");
    // The panels of a row that is folded up are inside it.
    let folded: Vec<Value> = panels.iter().flat_map(|panel| list(panel, "panels")).collect();
    let panels = panels.iter().chain(&folded);
    let queries = panels.flat_map(|panel| {
        let query =
            |target: Value| Query { panel: text(&panel["title"]), text: seen(&text(&target["expr"])) };
        list(panel, "targets").into_iter().map(query).collect::<Vec<_>>()
    });
    queries.collect()
}

fn seen(query: &str) -> String {
    VARIABLES.iter().fold(query.to_owned(), |query, (variable, value)| query.replace(variable, value))
}

/// Has the queries checked as rules that record them, all at once.
fn as_rules(promtool: &Path, queries: &[Query]) -> Result<()> {
    let rule = |(number, query): (usize, &Query)| json!({"record": name(number), "expr": query.text});
    let rules: Vec<Value> = queries.iter().enumerate().map(rule).collect();
    // JSON is YAML.
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    let mut child = Command::new(promtool)
        .args(["check", "rules"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run promtool")?;
    // It reads all of it before it says anything; should it end before that, it says why.
    let written = child.stdin.take().context("promtool has no input")?.write_all(file.as_bytes());
    let output = child.wait_with_output().context("promtool is lost")?;
    if output.status.success() {
        return written.context("promtool has not read the queries");
    }
    bail!("{}", blamed(queries, &String::from_utf8_lossy(&output.stderr)))
}

/// What was said about rules, with the panels whose queries they are.
fn blamed(queries: &[Query], said: &str) -> String {
    let wrong = |(number, query): (usize, &Query)| {
        said.contains(&format!("\"{}\"", name(number))).then(|| query.panel.clone())
    };
    let panels: Vec<String> = queries.iter().enumerate().filter_map(wrong).collect();
    format!("{}: {}", panels.join(", "), said.trim())
}

fn name(number: usize) -> String {
    format!("panel_{number}")
}

#[cfg(test)]
mod tests;
