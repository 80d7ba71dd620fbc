//! `docket remind refill`: finds the tasks that the target `reminders` has missed, and gives them to it once more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use docket_domain::source::{Clock, Ids};
use docket_domain::{EventId, EventKind, Instant, TaskId, TimeDelta};
use docket_reminders::HANDLER;
use docket_store::outbox::NewEvent;
use docket_store::published::Published;
use docket_store::refill::{Heard, Standing};
use docket_store::{Schema, Store, Stores};
use docket_tasks::restated;
use docket_wire::event;
use serde_json::{Value, json};

use super::args;
use crate::args::Format;
use crate::config::Config;
use crate::source::{SystemClock, TimeOrderedIds};
use crate::terminal::{look, say};

/// How many tasks are looked at together.
const TASKS: u64 = 500;

/// How many tasks are given together, with all that their events say.
const EVENTS: usize = 100;

/// With more events in the outbox than this, no more are put into it.
const MOST_WAITING: u64 = 2_000;

/// How long to wait before looking again whether there are fewer.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// `docket remind refill`: whether `reminders` has heard of every task.
pub async fn run(config: &Config, asked: &args::Refill, format: Format) -> anyhow::Result<bool> {
    // Without a claim on an embedded database: a server may work with it, and what is added to the outbox it finds.
    let stores = Stores::open(&config.database, &[Schema::Tasks, Schema::Reminders]).await?;
    stores.check_schema().await?;
    let order = Order { dry_run: asked.dry_run, grace: TimeDelta::seconds(asked.grace_seconds.into()) };
    let (tasks, reminders) = (stores.of(Schema::Tasks), stores.of(Schema::Reminders));
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(TimeOrderedIds));
    let refill = Refill::new(tasks, reminders, &config.tasks.topic, clock, ids);
    let found = refill.run(&order, |behind| say(&look(format, || behind.text(), || behind.json())));
    let summary = found.await?;
    stores.close().await?;
    say(&look(format, || summary.text(), || summary.json()))?;
    Ok(summary.tasks_behind == 0)
}

/// What is to be done, and how.
#[derive(Clone, Copy, Debug)]
pub struct Order {
    /// Whether what is missing is only told.
    pub dry_run: bool,
    /// How long an event may be on its way before it counts as missed.
    pub grace: TimeDelta,
}

/// Compares what `reminders` knows with the tasks as they are.
pub struct Refill {
    tasks: Store,
    reminders: Store,
    topic: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
}

/// A task of which `reminders` has missed the newest version.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Behind {
    /// The task.
    pub task_id: TaskId,
    /// Its version.
    pub version: i64,
    /// The version that `reminders` knows; none when it has never heard of the task.
    pub known: Option<i64>,
    /// Whether the event of its version is still kept. If not, one that says the task as it is stands in for it.
    pub kept: bool,
    /// Whether it was given to `reminders`; not in a dry run.
    pub published_again: bool,
}

/// What was found in all.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// How many tasks were looked at.
    pub tasks: u64,
    /// Of how many `reminders` has missed the newest version.
    pub tasks_behind: u64,
    /// Of how many of these the event is not kept any more.
    pub not_kept: u64,
    /// How many were given to it.
    pub published_again: u64,
}

impl Behind {
    /// For people: one line.
    pub fn text(&self) -> String {
        let Self { task_id, version, known, kept, published_again } = self;
        let known = known.map_or("nothing".to_owned(), |known| format!("version {known}"));
        let mut line = format!("task {task_id}: of version {version}, reminders knows {known}");
        if !kept {
            line.push_str("; not kept any more");
        }
        if *published_again {
            line.push_str("; published again");
        }
        line
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "task_id": self.task_id.to_string(),
            "version": self.version,
            "known": self.known,
            "kept": self.kept,
            "published_again": self.published_again,
        })
    }
}

impl Summary {
    /// For people: one line.
    pub fn text(&self) -> String {
        let Self { tasks, tasks_behind, not_kept, published_again } = self;
        match tasks_behind {
            0 => format!("{tasks} tasks, and reminders has missed nothing"),
            _ => format!(
                "{tasks} tasks, and of {tasks_behind} of them reminders has missed the newest version; not kept any more: {not_kept}; published again: {published_again}"
            ),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({
            "tasks": self.tasks,
            "tasks_behind": self.tasks_behind,
            "not_kept": self.not_kept,
            "published_again": self.published_again,
        })
    }

    fn add(&mut self, behind: &Behind) {
        self.tasks_behind += 1;
        self.not_kept += u64::from(!behind.kept);
        self.published_again += u64::from(behind.published_again);
    }
}

/// A task that may have been missed: its event may also be on its way.
#[derive(Clone, Copy)]
struct Late {
    standing: Standing,
    known: Option<i64>,
}

/// The event that brings a task up to date.
struct Found {
    late: Late,
    event: NewEvent,
    kept: bool,
}

impl Refill {
    /// Of the stores of the targets `tasks` and `reminders`. `topic` is that of task events.
    pub fn new(
        tasks: Store,
        reminders: Store,
        topic: &str,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { tasks, reminders, topic: topic.to_owned(), clock, ids }
    }

    /// Looks, and tells of every task as it is found: in memory there is one page of tasks, or of events, at a time.
    ///
    /// Of each page the tasks are read first, then what `reminders` knows of them, then the outbox, then what was published:
    /// what happens meanwhile is found in a later place than where it was looked for, or it is newer and on its way.
    pub async fn run(
        &self,
        order: &Order,
        mut tell: impl FnMut(&Behind) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let mut summary = Summary::default();
        let mut after = None;
        loop {
            let page = self.tasks.task_standings_after(after, TASKS).await;
            let page = page.context("the tasks cannot be read")?;
            let Some(last) = page.last() else { return Ok(summary) };
            after = Some(last.task_id);
            summary.tasks += page.len() as u64;
            let since = self.clock.now().checked_sub_signed(order.grace).unwrap_or(Instant::MIN_UTC);
            for late in self.late(page).await?.chunks(EVENTS) {
                if !order.dry_run {
                    self.room().await?;
                }
                for behind in self.give(late, since, order.dry_run).await? {
                    summary.add(&behind);
                    tell(&behind)?;
                }
            }
        }
    }

    /// Waits until the outbox is short: what callers change must not wait for all that is given again.
    async fn room(&self) -> anyhow::Result<()> {
        while self.tasks.outbox_depth().await.context("the outbox cannot be read")? > MOST_WAITING {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Those of a page whose version `reminders` has not heard of, and that it has to do with.
    async fn late(&self, page: Vec<Standing>) -> anyhow::Result<Vec<Late>> {
        let ids: Vec<TaskId> = page.iter().map(|standing| standing.task_id).collect();
        let heard = self.reminders.reminders_heard(&ids).await;
        let heard = heard.context("what reminders knows cannot be read")?;
        let late = |standing: Standing| late(standing, heard.get(&standing.task_id));
        Ok(page.into_iter().filter_map(late).collect())
    }

    /// Finds an event for each that was missed, and, unless it is only to be told, puts it into the outbox.
    async fn give(&self, late: &[Late], since: Instant, dry_run: bool) -> anyhow::Result<Vec<Behind>> {
        let found = self.find(late, since).await?;
        let behind = found.iter().map(|Found { late, kept, .. }| Behind {
            task_id: late.standing.task_id,
            version: late.standing.version,
            known: late.known,
            kept: *kept,
            published_again: !dry_run,
        });
        let behind = behind.collect();
        if !dry_run && !found.is_empty() {
            let named = |found: Found| (found.event, EventId::from_uuid(self.ids.uuid()));
            let events: Vec<(NewEvent, EventId)> = found.into_iter().map(named).collect();
            let events = &events;
            let added: Result<(), docket_store::Error> =
                self.tasks.transaction(|tx| Box::pin(tx.outbox_again_for(HANDLER, events.clone()))).await;
            added.context("the events cannot be published again")?;
        }
        Ok(behind)
    }

    /// An event for each that is not just on its way: what was published after `since` may be.
    async fn find(&self, late: &[Late], since: Instant) -> anyhow::Result<Vec<Found>> {
        let ids: Vec<TaskId> = late.iter().map(|late| late.standing.task_id).collect();
        let waiting = self.tasks.outbox_waiting(&self.topic, &ids, HANDLER).await;
        let waiting = waiting.context("the outbox cannot be read")?;
        let mut kept = self.kept(late, &waiting).await?;
        let (mut found, mut lost) = (Vec::new(), HashMap::new());
        for late in late.iter().filter(|late| !waiting.contains(&late.standing.task_id)) {
            match kept.remove(&late.standing.task_id) {
                Some((event, time)) if time <= since => found.push(Found { late: *late, event, kept: true }),
                Some(_) => {}
                None => drop(lost.insert(late.standing.task_id, *late)),
            }
        }
        found.extend(self.made(lost).await?);
        found.sort_by_key(|found| found.late.standing.task_id);
        Ok(found)
    }

    /// The events of their versions that are still kept, and when they were published.
    async fn kept(
        &self,
        late: &[Late],
        waiting: &HashSet<TaskId>,
    ) -> anyhow::Result<HashMap<TaskId, (NewEvent, Instant)>> {
        let wanted = late.iter().map(|late| &late.standing);
        let wanted = wanted.filter(|standing| !waiting.contains(&standing.task_id));
        let versions: HashMap<TaskId, &Standing> =
            wanted.map(|standing| (standing.task_id, standing)).collect();
        if versions.is_empty() {
            return Ok(HashMap::new());
        }
        let times: Vec<_> =
            versions.values().map(|standing| (standing.task_id, standing.update_time)).collect();
        let published = self.tasks.published_at(&self.topic, &times).await;
        let published = published.context("the published events cannot be read")?;
        let of_version = |published: Published| {
            let event = event::decode(&published.payload).ok()?;
            let standing = versions.get(&event.task_id)?;
            let time = published.publish_time;
            let event = (event.version == standing.version).then(|| once_more(published))??;
            Some((standing.task_id, (event, time)))
        };
        Ok(published.into_iter().filter_map(of_version).collect())
    }

    /// Events that say the tasks as they are. One that has changed since it was looked at is left out: that event is young.
    async fn made(&self, lost: HashMap<TaskId, Late>) -> anyhow::Result<Vec<Found>> {
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<TaskId> = lost.keys().copied().collect();
        let tasks = self.tasks.tasks_named(&ids).await.context("the tasks cannot be read")?;
        let found = tasks.into_iter().filter_map(|task| {
            let late = lost.get(&task.id).filter(|late| late.standing.version == task.version)?;
            Some(Found { late: *late, event: restated(&self.topic, &task), kept: false })
        });
        Ok(found.collect())
    }
}

/// What `reminders` does not know of needs to be known of when there is something to be given. What it takes for done or
/// deleted needs to be known of when it is to be done again, and what it takes for open in any case.
fn late(standing: Standing, heard: Option<&Heard>) -> Option<Late> {
    let concerns = match heard {
        None => standing.open && standing.reminds,
        Some(heard) => heard.version < standing.version && (heard.open || standing.open),
    };
    concerns.then(|| Late { standing, known: heard.map(|heard| heard.version) })
}

/// The event as it was; none when this release does not know its type.
fn once_more(published: Published) -> Option<NewEvent> {
    Some(NewEvent {
        id: published.event_id,
        topic: published.topic,
        key: published.key,
        event_type: EventKind::from_event_type(&published.event_type)?.event_type(),
        source: published.source,
        payload: published.payload,
        trace: published.trace,
        time: published.time,
    })
}
