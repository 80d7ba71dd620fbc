//! Tries what users see, on a cluster: `cargo xtask smoke`. Plain grpcurl against the ports that people call; each step has
//! a deadline, says what it saw, and ends the run when that is not what it should be.

mod client;
mod trace;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::forward::{self, Forwards};
use super::guide;
use super::inspect::{JAEGER, PAGES};
use super::settings::{Cluster, Settings};
use super::site::Site;
use crate::progress::elapsed;
use crate::random;
use crate::tools::{Plan, Tool};
use client::Client;

/// How long the next occurrence, and the entries of the audit log, may take. They are there within a second; a cluster that
/// has just come up may still divide the partitions among the groups.
const SOON: Duration = Duration::from_secs(60);

/// When the reminder is due, from its creation on, and how long its message may take then. Without an alarm it comes seconds
/// later.
const REMINDER: TimeDelta = TimeDelta::seconds(5);
const REMINDED: Duration = Duration::from_secs(60);

/// How long the spans may take. They leave every few seconds.
const TRACED: Duration = Duration::from_secs(60);

/// Tries it.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let site = Site::find(&Settings::read(words)?)?;
    let tools = Plan::new(&[Tool::Grpcurl])?.carry_out()?;
    let mut forwards = Forwards::new(&site.kubectl)?;
    let endpoints = match site.made.cluster {
        Cluster::Kind => forward::stable(),
        Cluster::Existing => forward::opened(&site, &mut forwards)?,
    };
    // Nobody else's tasks are in the way, and a second run is as good as the first.
    let user = format!("smoke-{}", random::hex(4)?);
    let token = guide::token(&site, &user).context("no token")?;
    let client = Client::new(tools.of(Tool::Grpcurl)?, &endpoints, token);
    let start = Instant::now();
    eprintln!("context {}, user {user}\n", site.kubectl.context());

    let task = create(&client)?;
    let trace = complete(&client, &task)?;
    next(&client, &task)?;
    audit(&client, &task)?;
    remind(&client)?;
    let pages = forwards.open(JAEGER, 0, PAGES)?;
    say("trace", &trace::find(pages, &trace, TRACED)?);
    eprintln!("\nall of it works, after {}", elapsed(start.elapsed()));
    Ok(())
}

/// A line for a step that went well.
fn say(step: &str, saw: &str) {
    eprintln!("  ok  {step:<12} {saw}");
}

/// A task that repeats every day.
fn create(client: &Client) -> Result<Value> {
    let due = later(TimeDelta::days(1));
    let body = json!({
        "request_id": random::uuid()?,
        "task": {"title": "Water the plants", "due_time": due, "recurrence": {"pattern": "PATTERN_DAILY"}},
    });
    let task = client.call("tasks", "TaskService/CreateTask", &body).context("step create")?;
    ensure!(task["state"] == "STATE_OPEN" && task["version"] == "1", "step create: the task is {task}");
    say("create", &format!("task {}, due {}", text(&task["taskId"]), text(&task["dueTime"])));
    Ok(task)
}

/// Completes it, as the begin of a trace whose id is answered.
fn complete(client: &Client, task: &Value) -> Result<String> {
    let trace = random::hex(16)?;
    let header = format!("traceparent: 00-{trace}-{}-01", random::hex(8)?);
    let body = json!({"task_id": task["taskId"], "request_id": random::uuid()?});
    let done =
        client.call_with("tasks", "TaskService/CompleteTask", &body, &[&header]).context("step complete")?;
    ensure!(
        done["state"] == "STATE_COMPLETED" && done["version"] == "2",
        "step complete: the task is {done}"
    );
    say("complete", &format!("version 2, trace {trace}"));
    Ok(trace)
}

/// The next occurrence appears, a day later.
fn next(client: &Client, task: &Value) -> Result<()> {
    let first = instant(&task["occurrenceTime"])?;
    let body = json!({"filter": "state = OPEN"});
    let found = client.until("next occurrence", SOON, "tasks", "TaskService/ListTasks", &body, |answer| {
        let tasks = answer["tasks"].as_array()?;
        tasks.iter().find(|one| one["seriesId"] == task["seriesId"]).cloned()
    })?;
    let due = instant(&found["occurrenceTime"])?;
    ensure!(due - first == TimeDelta::days(1), "step next occurrence: {due} follows {first}: {found}");
    say("next", &format!("task {}, due {}", text(&found["taskId"]), text(&found["dueTime"])));
    Ok(())
}

/// The audit log has both versions of the first one.
fn audit(client: &Client, task: &Value) -> Result<()> {
    let body = json!({"task_id": task["taskId"]});
    let expect = ["com.todo.task.completed", "com.todo.task.created"];
    let found = client.until("audit", SOON, "audit", "AuditService/ListAuditEntries", &body, |answer| {
        let entries = answer["entries"].as_array()?;
        let mut types: Vec<String> = entries.iter().map(|entry| text(&entry["eventType"])).collect();
        types.sort();
        types.dedup();
        expect.iter().all(|kind| types.iter().any(|one| one == kind)).then_some(types)
    })?;
    say("audit", &found.join(", "));
    Ok(())
}

/// A reminder that is due in a moment goes out.
fn remind(client: &Client) -> Result<()> {
    let (due, at) = (later(TimeDelta::hours(1)), later(REMINDER));
    let body =
        json!({"task": {"title": "Call the landlord", "due_time": due, "reminders": [{"remind_time": at}]}});
    let task = client.call("tasks", "TaskService/CreateTask", &body).context("step reminder")?;
    let one = json!({"task_id": task["taskId"]});
    let found = client.until(
        "reminder",
        REMINDED,
        "notification",
        "NotificationService/ListDeliveries",
        &one,
        |answer| {
            let deliveries = answer["deliveries"].as_array()?;
            deliveries.iter().find(|one| one["state"] == "STATE_SENT").cloned()
        },
    )?;
    let late = instant(&found["finishTime"])? - instant(&found["remindTime"])?;
    let late = late.num_milliseconds();
    ensure!(late >= 0, "step reminder: it went out {} ms before its time: {found}", -late);
    say("reminder", &format!("{} sent {late} ms after its time", text(&found["channel"])));
    Ok(())
}

/// An instant from now on, by the clock of this machine, as a client of Docket has no other one.
#[expect(clippy::disallowed_methods, reason = "this is where the time of the requests comes from")]
fn later(delta: TimeDelta) -> String {
    (Utc::now() + delta).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn instant(value: &Value) -> Result<DateTime<Utc>> {
    let text = value.as_str().context("an instant is missing")?;
    Ok(DateTime::parse_from_rfc3339(text).with_context(|| format!("{text} is no instant"))?.to_utc())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
