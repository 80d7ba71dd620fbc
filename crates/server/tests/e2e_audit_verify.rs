//! What the audit log lacks is named, and filled from the events that are kept.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use docket_domain::TimeDelta;
use docket_domain::source::Clock as _;
use docket_proto::v1::recurrence::Pattern;
use docket_proto::v1::{Task, UpdateTaskRequest};
use docket_server::source::{SystemClock, TimeOrderedIds};
use docket_server::verify::{Order, Verify};
use docket_store::Schema;
use docket_store::inbox::Arrival;
use docket_store::outbox::PendingEvent;
use docket_testkit::{Stack, Storage, User, once, repeating};
use pbjson_types::FieldMask;
use serde_json::{Value, json};
use tokio::runtime::Handle;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// What `docket audit verify` ended with, and what it said: the gaps, and the totals.
struct Verified {
    code: i32,
    gaps: Vec<Value>,
    totals: Value,
}

fn verify(stack: &Stack, more: &[&str]) -> Verified {
    let arguments = [&["audit", "verify", "--format", "json"], more].concat();
    let output = stack.docket.output_of(&arguments);
    let said = String::from_utf8(output.stdout).unwrap();
    let mut gaps: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let error = String::from_utf8_lossy(&output.stderr);
    let totals = gaps.pop().unwrap_or_else(|| panic!("{arguments:?} said nothing: {error}"));
    Verified { code: output.status.code().unwrap(), gaps, totals }
}

async fn rename(user: &User, task: &Task, title: &str) {
    let request = UpdateTaskRequest {
        task: Some(Task { task_id: task.task_id.clone(), title: title.to_owned(), ..Task::default() }),
        update_mask: Some(FieldMask { paths: vec!["title".to_owned()] }),
        ..UpdateTaskRequest::default()
    };
    user.tasks().update_task(request).await.unwrap();
}

/// The events of a task that are on their way.
async fn waiting(stack: &Stack, task: &Task) -> Vec<PendingEvent> {
    let database = stack.docket.database().await;
    let events = database.of(Schema::Tasks).outbox_of("task-events", &task.task_id, 0, 100).await.unwrap();
    database.close().await;
    events
}

/// Makes the audit log take these events for stored already.
async fn lose(stack: &Stack, events: &[&PendingEvent]) {
    let database = stack.docket.database().await;
    let arrivals: Vec<_> = events.iter().map(|event| Arrival { event: event.id, replay: None }).collect();
    let (arrivals, now) = (&arrivals, SystemClock.now());
    let begun: Result<Vec<bool>, docket_store::Error> = database
        .of(Schema::Audit)
        .transaction(|tx| Box::pin(tx.inbox_begin_all("audit", arrivals, now)))
        .await;
    assert_eq!(begun.unwrap(), vec![true; events.len()]);
    database.close().await;
}

/// A task that repeats, whose second and last event the audit log lacks, and another one, of which it lacks nothing.
struct Holes {
    stack: Stack,
    alice: User,
    holed: Task,
    whole: Task,
}

impl Holes {
    async fn start(storage: &Storage) -> Self {
        let stack = Stack::builder(Path::new(DOCKET)).storage(storage).start().await;
        let alice = stack.user("alice");
        stack.pause_sidecars();
        let holed = alice.create(repeating("Sweep", Pattern::Daily, "2027-02-01T07:00:00Z", "UTC")).await;
        rename(&alice, &holed, "Sweep the floor").await;
        rename(&alice, &holed, "Sweep the stairs").await;
        alice.complete(&holed).await;
        let whole = alice.create(once("Call the plumber")).await;
        let events = waiting(&stack, &holed).await;
        assert_eq!(events.len(), 4, "{events:?}");
        lose(&stack, &[&events[1], &events[3]]).await;
        stack.resume_sidecars();
        alice.successor_of(&holed).await;
        alice.expect_story(&whole, &["created"]).await;
        stack.settled().await;
        Self { stack, alice, holed, whole }
    }

    fn gap(&self, published_again: u64) -> Value {
        json!({
            "task_id": self.holed.task_id,
            "version": 4,
            "missing": [[2, 2], [4, 4]],
            "lost": [],
            "published_again": published_again,
        })
    }
}

async fn what_is_missing_is_named_and_filled_once(storage: Storage) {
    let holes = Holes::start(&storage).await;
    let Holes { stack, alice, holed, whole } = &holes;
    let young = verify(stack, &[]);
    assert_eq!(
        (young.code, young.gaps),
        (0, Vec::new()),
        "the events may still be on their way: {}",
        young.totals
    );

    let now = &["--grace-seconds", "0"];
    let found = verify(stack, now);
    assert_eq!((found.code, &found.gaps[..]), (1, &[holes.gap(0)][..]));
    let totals = json!({"tasks": 3, "tasks_with_gaps": 1, "missing": 2, "lost": 0, "published_again": 0});
    assert_eq!(found.totals, totals);
    let of = |task: &Task| verify(stack, &[&["--task", &task.task_id], &now[..]].concat());
    assert_eq!(of(holed).gaps, [holes.gap(0)]);
    assert_eq!((of(whole).code, of(whole).gaps), (0, Vec::new()));
    let text = stack.docket.output_of(&["audit", "verify", "--grace-seconds", "0"]);
    let text = String::from_utf8(text.stdout).unwrap();
    let expect = format!("task {}: of 4 versions, the audit log lacks 2, 4\n", holed.task_id);
    assert!(text.starts_with(&expect), "{text}");

    let tasks = alice.all_tasks().await;
    let filled = verify(stack, &["--grace-seconds", "0", "--refill"]);
    assert_eq!((filled.code, &filled.gaps[..]), (1, &[holes.gap(2)][..]));
    alice.expect_story(holed, &["created", "updated", "updated", "completed"]).await;
    stack.settled().await;
    alice.expect_story(holed, &["created", "updated", "updated", "completed"]).await;
    assert_eq!(alice.all_tasks().await, tasks, "no other handler heard of it");
    let again = verify(stack, &["--grace-seconds", "0", "--refill"]);
    assert_eq!((again.code, again.gaps), (0, Vec::new()), "{}", again.totals);
}

async fn what_is_on_its_way_is_no_gap(storage: Storage) {
    let holes = Holes::start(&storage).await;
    let Holes { stack, alice, holed, .. } = &holes;
    let now = &["--grace-seconds", "0", "--refill"];
    stack.pause_sidecars();
    rename(alice, holed, "Sweep the yard").await;
    let filled = verify(stack, now);
    let gap = json!({
        "task_id": holed.task_id, "version": 5, "missing": [[2, 2], [4, 4]], "lost": [], "published_again": 2,
    });
    assert_eq!(filled.gaps, [gap], "the newest event is in the outbox");
    let twice = verify(stack, now);
    assert_eq!((twice.code, twice.gaps), (0, Vec::new()), "all of them are in the outbox now");
    stack.resume_sidecars();
    let story = ["created", "updated", "updated", "completed", "updated"];
    alice.expect_story(holed, &story).await;
    stack.settled().await;
    alice.expect_story(holed, &story).await;
}

async fn what_is_not_kept_any_more_is_said_to_be_lost(storage: Storage) {
    let holes = Holes::start(&storage).await;
    let Holes { stack, holed, .. } = &holes;
    let database = stack.docket.database().await;
    let later = SystemClock.now() + TimeDelta::hours(1);
    database.of(Schema::Tasks).purge_published(later, 100).await.unwrap();
    database.close().await;
    let found = verify(stack, &["--refill"]);
    let gap = json!({
        "task_id": holed.task_id,
        "version": 4,
        "missing": [[2, 2], [4, 4]],
        "lost": [[2, 2], [4, 4]],
        "published_again": 0,
    });
    assert_eq!((found.code, found.gaps), (1, vec![gap]));
    let unknown = stack.docket.output_of(&["audit", "verify", "--task", &uuid::Uuid::new_v4().to_string()]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("there is no task"), "{unknown:?}");
}

/// More tasks than one page has, with gaps at both ends of each.
async fn every_page_is_looked_at(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage).start().await;
    let alice = stack.user("alice");
    stack.pause_sidecars();
    let mut tasks = alice.create_all((0..520).map(|n| once(&format!("Chore {n}")))).await;
    tasks.sort_by(|one, other| one.task_id.cmp(&other.task_id));
    let holed = [0, 1, 499, 500, 519].map(|place| &tasks[place]);
    for task in holed {
        let events = waiting(&stack, task).await;
        lose(&stack, &[&events[0]]).await;
    }
    stack.resume_sidecars();
    stack.settled().await;
    let found = verify(&stack, &["--grace-seconds", "0"]);
    let gap = |task: &Task| {
        json!({
            "task_id": task.task_id, "version": 1, "missing": [[1, 1]], "lost": [], "published_again": 0,
        })
    };
    assert_eq!(found.gaps, holed.map(gap));
    let totals = json!({"tasks": 520, "tasks_with_gaps": 5, "missing": 5, "lost": 0, "published_again": 0});
    assert_eq!((found.code, found.totals), (1, totals));
}

/// The page of the log that is in memory reaches further than that of the tasks, because the log lacks one of these. What
/// happens to a task that is only in the former is in nobody's memory, and in the log all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_while_it_looks_is_no_gap() {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&Storage::Sqlite).start().await;
    let alice = stack.user("alice");
    stack.pause_sidecars();
    let mut tasks = alice.create_all((0..501).map(|n| once(&format!("Chore {n}")))).await;
    tasks.sort_by(|one, other| one.task_id.cmp(&other.task_id));
    let (lost, changed) = (&tasks[0], &tasks[500]);
    let events = waiting(&stack, lost).await;
    lose(&stack, &[&events[0]]).await;
    stack.resume_sidecars();
    stack.settled().await;

    let database = stack.docket.database().await;
    let (tasks, audit) = (database.of(Schema::Tasks), database.of(Schema::Audit));
    let verify = Verify::new(tasks, audit, "task-events", Arc::new(SystemClock), Arc::new(TimeOrderedIds));
    let order = Order { task: None, refill: false, grace: TimeDelta::zero() };
    let mut told = Vec::new();
    let found = verify.run(&order, |gap| {
        if told.is_empty() {
            let change = async {
                rename(&alice, changed, "Another chore").await;
                alice.expect_story(changed, &["created", "updated"]).await;
                stack.settled().await;
            };
            tokio::task::block_in_place(|| Handle::current().block_on(change));
        }
        told.push(gap.task_id.to_string());
        Ok(())
    });
    let found = found.await.unwrap();
    assert_eq!(told, std::slice::from_ref(&lost.task_id));
    assert_eq!((found.tasks, found.missing), (501, 1));
    database.close().await;
}

docket_testkit::on_each_database!(
    every_page_is_looked_at,
    what_is_missing_is_named_and_filled_once,
    what_is_on_its_way_is_no_gap,
    what_is_not_kept_any_more_is_said_to_be_lost,
);
docket_testkit::with_two_replicas!(what_is_missing_is_named_and_filled_once);
