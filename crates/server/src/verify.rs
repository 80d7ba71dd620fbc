//! Finds what the audit log lacks, and fills it from the events that are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use docket_domain::source::{Clock, Ids};
use docket_domain::{EventId, Instant, TaskId, TimeDelta};
use docket_store::Store;
use docket_store::published::{Again, Published};
use docket_store::verify::{Head, Versions};
use docket_wire::event;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::spans::Spans;

/// How many tasks are looked at together.
const TASKS: u64 = 500;

/// How many events are read together, with all that they say.
const EVENTS: u64 = 100;

/// The handler whose log it is, as its inbox knows it.
const HANDLER: &str = "audit";

/// What is to be looked at, and what is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// This task alone.
    pub task: Option<TaskId>,
    /// Whether kept events that the log lacks are published again, for the log alone.
    pub refill: bool,
    /// How long an event may be on its way before its absence is a gap.
    pub grace: TimeDelta,
}

/// Compares the audit log with the tasks: the versions of each count from 1 to its current one, and the log has each.
pub struct Verify {
    tasks: Store,
    audit: Store,
    topic: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// What the log lacks of one task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gap {
    /// The task.
    pub task_id: TaskId,
    /// Its current version.
    pub version: i64,
    /// The versions that the log lacks.
    pub missing: Spans,
    /// Those among them whose events are not kept any more.
    pub lost: Spans,
    /// How many of their events were published again.
    pub published_again: u64,
}

/// What was found in all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// How many tasks were looked at.
    pub tasks: u64,
    /// Of how many the log lacks versions.
    pub tasks_with_gaps: u64,
    /// How many versions it lacks.
    pub missing: u64,
    /// Of how many the events are not kept any more.
    pub lost: u64,
    /// How many events were published again.
    pub published_again: u64,
}

impl Gap {
    /// For people: one line.
    pub fn text(&self) -> String {
        let Self { task_id, version, missing, lost, published_again } = self;
        let mut line = format!("task {task_id}: of {version} versions, the audit log lacks {missing}");
        if !lost.is_empty() {
            line.push_str(&format!("; not kept any more: {lost}"));
        }
        if *published_again > 0 {
            line.push_str(&format!("; {published_again} published again"));
        }
        line
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let runs = |spans: &Spans| spans.runs().map(|(start, end)| json!([start, end])).collect::<Vec<_>>();
        json!({
            "task_id": self.task_id.to_string(),
            "version": self.version,
            "missing": runs(&self.missing),
            "lost": runs(&self.lost),
            "published_again": self.published_again,
        })
    }
}

impl Summary {
    /// For people: one line.
    pub fn text(&self) -> String {
        let Self { tasks, tasks_with_gaps, missing, lost, published_again } = self;
        match missing {
            0 => format!("{tasks} tasks, and the audit log lacks nothing"),
            _ => format!(
                "{tasks} tasks, and of {tasks_with_gaps} of them the audit log lacks {missing} versions; not kept any more: {lost}; published again: {published_again}"
            ),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "tasks": self.tasks,
            "tasks_with_gaps": self.tasks_with_gaps,
            "missing": self.missing,
            "lost": self.lost,
            "published_again": self.published_again,
        })
    }

    fn add(&mut self, gap: &Gap) {
        self.tasks_with_gaps += 1;
        self.missing = self.missing.saturating_add(gap.missing.count());
        self.lost = self.lost.saturating_add(gap.lost.count());
        self.published_again += gap.published_again;
    }
}

impl Verify {
    /// Of the stores of the targets `tasks` and `audit`. `topic` is that of task events.
    pub fn new(tasks: Store, audit: Store, topic: &str, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { tasks, audit, topic: topic.to_owned(), clock, ids }
    }

    /// Looks, and tells of every gap as it is found: in memory there is one page of tasks, or of events, at a time.
    pub async fn run(
        &self,
        order: &Order,
        mut tell: impl FnMut(&Gap) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        let mut after = order.task.and_then(before);
        let mut log = Log { after, page: VecDeque::new(), time: self.clock.now(), ended: false };
        loop {
            let heads =
                self.tasks.task_heads_after(after, if order.task.is_some() { 1 } else { TASKS }).await;
            let mut heads = heads.context("the tasks cannot be read")?;
            if let Some(task) = order.task {
                heads.retain(|head| head.task_id == task);
                ensure!(!heads.is_empty(), "there is no task {task}");
            }
            after = heads.last().map(|head| head.task_id);
            summary.tasks += heads.len() as u64;
            for head in &heads {
                let known = log.of(&self.audit, self.clock.as_ref(), head.task_id).await?;
                let missing = lacking(head, known);
                if missing.is_empty() {
                    continue;
                }
                let since = log.time.checked_sub_signed(order.grace).unwrap_or(Instant::MIN_UTC);
                if let Some(gap) = self.judge(head, missing, since, order.refill).await? {
                    summary.add(&gap);
                    tell(&gap)?;
                }
            }
            if after.is_none() || order.task.is_some() {
                return Ok(summary);
            }
        }
    }

    /// What of the missing versions is a gap, and not just on its way: what was published after `since` may be.
    ///
    /// The outbox is read before what is kept: an event that leaves it meanwhile is found there.
    async fn judge(
        &self,
        head: &Head,
        mut open: Spans,
        since: Instant,
        refill: bool,
    ) -> anyhow::Result<Option<Gap>> {
        let task_id = head.task_id;
        self.leave_out_waiting(task_id, &mut open).await?;
        let mut missing = Spans::default();
        let mut published_again = 0;
        let mut after = None;
        while !open.is_empty() {
            let page = self.tasks.published_of(&self.topic, task_id, after, EVENTS).await;
            let page = page.context("the published events cannot be read")?;
            let Some(last) = page.last() else { break };
            after = Some((last.time, last.event_id));
            let lacked = lacked(&page, &mut open, &mut missing, since);
            if refill && !lacked.is_empty() {
                published_again += self.publish_again(lacked).await?;
            }
        }
        let lost = open;
        missing.extend(lost.runs().map(|(start, end)| start..=end));
        let gap = Gap { task_id, version: head.version, missing, lost, published_again };
        Ok((!gap.missing.is_empty()).then_some(gap))
    }

    /// Takes out what is still in the outbox.
    async fn leave_out_waiting(&self, task: TaskId, open: &mut Spans) -> anyhow::Result<()> {
        let mut after = 0;
        loop {
            let page = self.tasks.outbox_of(&self.topic, &task.to_string(), after, EVENTS).await;
            let page = page.context("the outbox cannot be read")?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.position;
            // What is for another handler alone the log does not hear of.
            let to_it = |only: &String| only == HANDLER;
            for event in page.iter().filter(|event| !event.raw && event.handler.as_ref().is_none_or(to_it)) {
                version(&event.payload).map(|version| open.remove(version));
            }
        }
    }

    async fn publish_again(&self, events: Vec<EventId>) -> anyhow::Result<u64> {
        let again = |event| Again { event, replay: EventId::from_uuid(self.ids.uuid()) };
        let again: Vec<Again> = events.into_iter().map(again).collect();
        let again = &again;
        let added: Result<u64, docket_store::Error> =
            self.tasks.transaction(|tx| Box::pin(tx.published_again(again, HANDLER))).await;
        added.context("the events cannot be published again")
    }
}

/// What the audit log knows, in the order of the tasks' ids, a page at a time.
struct Log {
    after: Option<TaskId>,
    page: VecDeque<Versions>,
    /// When the page was read. It may be a while ago, and what was published since then is not in it.
    time: Instant,
    ended: bool,
}

impl Log {
    /// What it knows of a task. Each one that is asked for comes after the one before.
    async fn of(
        &mut self,
        audit: &Store,
        clock: &dyn Clock,
        task: TaskId,
    ) -> anyhow::Result<Option<Versions>> {
        loop {
            match self.page.front() {
                Some(versions) if versions.task_id > task => return Ok(None),
                Some(versions) if versions.task_id == task => return Ok(self.page.pop_front()),
                // Of a task that nobody asks for.
                Some(_) => drop(self.page.pop_front()),
                None if self.ended => return Ok(None),
                None => {
                    self.time = clock.now();
                    let page = audit.audit_versions(self.after, TASKS).await;
                    self.page = page.context("the audit log cannot be read")?.into();
                    self.after = self.page.back().map(|last| last.task_id);
                    self.ended = self.page.is_empty();
                }
            }
        }
    }
}

/// The id before one; what comes after it begins with this one.
fn before(task: TaskId) -> Option<TaskId> {
    task.as_uuid().as_u128().checked_sub(1).map(|before| TaskId::from_uuid(Uuid::from_u128(before)))
}

/// The versions of the task that the log does not have.
fn lacking(head: &Head, known: Option<Versions>) -> Spans {
    let Some(known) = known else { return [1..=head.version].into_iter().collect() };
    let later = known.highest.saturating_add(1)..=head.version;
    known.missing.into_iter().chain([later]).collect()
}

/// Moves those of the kept events that are open to what is missing, but for what was published after `since`, and answers
/// the events.
fn lacked(kept: &[Published], open: &mut Spans, missing: &mut Spans, since: Instant) -> Vec<EventId> {
    let mut lacked = Vec::new();
    for event in kept {
        let Some(version) = version(&event.payload).filter(|version| open.remove(*version)) else { continue };
        if event.publish_time <= since {
            missing.insert(version);
            lacked.push(event.event_id);
        }
    }
    lacked
}

/// The version of its task that an event made.
fn version(payload: &[u8]) -> Option<i64> {
    event::decode(payload).ok().map(|event| event.version)
}
