//! How everything is: pods and their sidecars, what waits in the outboxes, how far handlers are behind, topics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::forward::{ADMIN, Forwards};
use super::inspect;
use super::pods::Pod;
use super::settings::{Settings, word};
use super::site::Site;
use super::watch;
use crate::http;

/// Says it.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let site = Site::find(&Settings::read(words)?)?;
    let made = site.made;
    let context = site.kubectl.context();
    let mut text = format!(
        "context {context}: cluster {}, broker {}, database {}\n",
        word(made.cluster),
        word(made.broker),
        word(made.database)
    );
    for namespace in site.namespaces() {
        let pods = watch::all(&site.kubectl, &[namespace])?;
        let _ = write!(text, "\n{namespace}\n{}", table(&pods));
    }
    text.push_str(&inside(&site)?);
    let deployment = format!("deployment/{}", site.deployment("tasks")?);
    // What it says when something differs is what counts then.
    let topics = site
        .kubectl
        .text(&inspect::docket(&deployment, &["topics"]))
        .unwrap_or_else(|error| format!("{error:#}\n"));
    let _ = write!(text, "\ntopics\n{}", indented(&topics));
    std::io::stdout().write_all(text.as_bytes()).context("cannot write")
}

/// A line for each pod.
fn table(pods: &[Pod]) -> String {
    let width = pods.iter().map(|pod| pod.name.len()).max().unwrap_or_default();
    pods.iter().fold(String::new(), |mut text, pod| {
        let (ready, all) = pod.ready;
        let sidecar = if pod.sidecar { "  with a sidecar" } else { "" };
        let restarts = if pod.restarts > 0 { format!("  {} restarts", pod.restarts) } else { String::new() };
        let _ = writeln!(text, "  {:width$}  {ready}/{all} {}{sidecar}{restarts}", pod.name, pod.status);
        text
    })
}

/// What the processes themselves say, by their admin ports.
fn inside(site: &Site) -> Result<String> {
    let mut forwards = Forwards::new(&site.kubectl)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let (mut outboxes, mut lags) = (String::new(), BTreeMap::new());
    for deployment in site.deployments()? {
        let answers = forwards.open(&deployment, 0, ADMIN).and_then(|address| runtime.block_on(ask(address)));
        match answers {
            Ok((outbox, metrics)) => {
                outboxes.push_str(&outbox_lines(&deployment, &outbox));
                lags.extend(lag(&metrics));
            }
            Err(error) => {
                let _ = writeln!(outboxes, "  {deployment}: {error:#}");
            }
        }
    }
    let mut text = format!("\noutboxes\n{outboxes}\nevents that groups are behind\n");
    for ((group, topic), behind) in lags {
        let _ = writeln!(text, "  {group:<32} {topic:<18} {behind}");
    }
    Ok(text)
}

async fn ask(address: SocketAddr) -> Result<(Value, String)> {
    let get = async |path: &str| http::get(address, path).await.map_err(anyhow::Error::msg);
    let outbox =
        serde_json::from_str(&get("/debug/outbox").await?).context("/debug/outbox answers no JSON")?;
    Ok((outbox, get("/metrics").await?))
}

/// What waits in the outboxes of a process.
fn outbox_lines(deployment: &str, answer: &Value) -> String {
    let outboxes =
        answer.as_array().or_else(|| answer["outboxes"].as_array()).map(Vec::as_slice).unwrap_or_default();
    outboxes.iter().fold(String::new(), |mut text, outbox| {
        let name = outbox["outbox"].as_str().unwrap_or_default();
        let oldest = outbox["oldest_age_seconds"]
            .as_f64()
            .map_or_else(String::new, |age| format!(", the oldest for {age:.1} s"));
        let waiting = match outbox["error"].as_str() {
            Some(error) => error.to_owned(),
            None => format!("{} wait{oldest}", outbox["pending"]),
        };
        let sidecar =
            if outbox["connected"] == true { "sidecar takes them" } else { "SIDECAR DOES NOT TAKE THEM" };
        let parked = outbox["parked_keys"].as_u64().filter(|keys| *keys > 0);
        let parked = parked.map_or_else(String::new, |keys| format!(", {keys} keys held back"));
        let _ = writeln!(text, "  {deployment:<20} {name:<14} {waiting}{parked}; {sidecar}");
        text
    })
}

/// How far groups are behind, all partitions together, by group and topic.
fn lag(metrics: &str) -> BTreeMap<(String, String), i64> {
    let mut behind = BTreeMap::new();
    for line in metrics.lines() {
        let Some((labels, value)) =
            line.strip_prefix("docket_consumer_lag{").and_then(|rest| rest.rsplit_once("} "))
        else {
            continue;
        };
        let label = |name: &str| {
            let rest = labels.split_once(&format!("{name}=\""))?.1;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        let (Some(group), Some(topic)) =
            (label("messaging_consumer_group_name"), label("messaging_destination_name"))
        else {
            continue;
        };
        *behind.entry((group, topic)).or_default() += value.trim().parse::<f64>().unwrap_or_default() as i64;
    }
    behind
}

fn indented(text: &str) -> String {
    text.lines().fold(String::new(), |text, line| text + "  " + line + "\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lag_is_that_of_all_partitions() {
        let metrics = "\
# TYPE docket_consumer_lag gauge
docket_consumer_lag{messaging_consumer_group_name=\"docket-audit\",messaging_destination_name=\"task-events\",messaging_destination_partition_id=\"0\"} 3
docket_consumer_lag{messaging_consumer_group_name=\"docket-audit\",messaging_destination_name=\"task-events\",messaging_destination_partition_id=\"1\"} 4
docket_consumer_lag_other{messaging_consumer_group_name=\"docket-audit\"} 9
";
        let expect = BTreeMap::from([(("docket-audit".to_owned(), "task-events".to_owned()), 7)]);
        assert_eq!(lag(metrics), expect);
    }

    #[test]
    fn outbox_says_what_waits_and_why() {
        let said = outbox_lines(
            "docket-tasks",
            &json!([{"outbox": "tasks", "connected": false, "pending": 7, "more": false, "oldest_age_seconds": 12.34, "parked_keys": 2}]),
        );
        for expect in
            ["docket-tasks", "7 wait, the oldest for 12.3 s, 2 keys held back", "SIDECAR DOES NOT TAKE THEM"]
        {
            assert!(said.contains(expect), "{said}");
        }
    }
}
