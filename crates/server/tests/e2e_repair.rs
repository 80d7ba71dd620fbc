//! A series goes on even when the event is lost that should have made it go on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use docket_domain::source::Clock as _;
use docket_proto::v1::recurrence::{End, Pattern};
use docket_proto::v1::task::State;
use docket_proto::v1::{ReopenTaskRequest, Task};
use docket_server::source::SystemClock;
use docket_store::Schema;
use docket_store::inbox::Arrival;
use docket_testkit::{PATIENCE, Stack, Storage, User, repeating, wait_for};
use futures::future::join_all;

const DOCKET: &str = env!("CARGO_BIN_EXE_docket");

/// The clock of `components/local`, but that it strikes every second.
const CLOCK: &str = "apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: recurring-scheduler
spec:
  type: bindings.cron
  version: v1
  metadata:
    - name: schedule
      value: \"@every 1s\"
";

fn chore(n: usize) -> Task {
    repeating(&format!("Chore {n}"), Pattern::Daily, "2027-02-01T07:00:00Z", "Europe/Berlin")
}

/// Completes the tasks, while `recurrence` takes their events for handled already. The sidecars are stopped meanwhile.
async fn complete_unheard(stack: &Stack, user: &User, tasks: &[Task]) {
    stack.settled().await;
    stack.pause_sidecars();
    user.complete_all(tasks).await;
    let events = stack.waiting_on("task-events").await;
    assert_eq!(events.len(), tasks.len(), "{events:?}");
    let database = stack.docket.database().await;
    let arrivals: Vec<_> = events.iter().map(|event| Arrival { event: event.id, replay: None }).collect();
    let (arrivals, now) = (&arrivals, SystemClock.now());
    let begun: Result<Vec<bool>, docket_store::Error> = database
        .of(Schema::Recurrence)
        .transaction(|tx| Box::pin(tx.inbox_begin_all("recurrence", arrivals, now)))
        .await;
    assert!(begun.unwrap().into_iter().all(|begun| begun), "it has not seen them");
    database.close().await;
    stack.resume_sidecars();
}

/// Waits until each of the completed tasks has its next occurrence, and checks that there is nothing else.
async fn expect_repaired(stack: &Stack, user: &User, completed: &[Task]) {
    for task in completed {
        user.successor_of(task).await;
    }
    stack.settled().await;
    user.expect_followed_once(completed).await;
}

async fn a_series_whose_event_was_lost_goes_on_when_the_clock_strikes(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage);
    let stack =
        stack.env("DOCKET_TASKS__GAP_SECONDS", "1").resource("recurring-scheduler", CLOCK).start().await;
    let [alice, bob] = ["alice", "bob"].map(|name| stack.user(name));
    let lost = alice.create_all((0..5).map(chore)).await;

    // Completed first, so that the clock would come to them first: one whose rule has ended, one that is opened again.
    let mut last = chore(0);
    last.recurrence.as_mut().unwrap().end = Some(End::Count(1));
    let [last, reopened] = [bob.create(last).await, bob.create(chore(1)).await];
    complete_unheard(&stack, &bob, &[last.clone(), reopened.clone()]).await;
    reopen(&bob, &reopened).await;

    complete_unheard(&stack, &alice, &lost).await;
    expect_repaired(&stack, &alice, &lost).await;

    // Once more, so that it has certainly gone through all the gaps meanwhile.
    let next: Vec<Task> =
        alice.all_tasks().await.into_iter().filter(|task| task.state() == State::Open).collect();
    complete_unheard(&stack, &alice, &next[..1]).await;
    alice.successor_of(&next[0]).await;
    let mut left: Vec<_> =
        bob.all_tasks().await.into_iter().map(|task| (task.title.clone(), task.state())).collect();
    left.sort();
    assert_eq!(left, [("Chore 0".to_owned(), State::Completed), ("Chore 1".to_owned(), State::Open)]);
}

async fn reopen(user: &User, task: &Task) {
    let request = ReopenTaskRequest { task_id: task.task_id.clone(), ..ReopenTaskRequest::default() };
    user.tasks().reopen_task(request).await.unwrap();
}

/// Lets the clocks of all sidecars strike at the same time, thrice each.
async fn strike(stack: &Stack) {
    let sidecars: Vec<_> = std::iter::repeat_with(|| stack.sidecars()).take(3).flatten().collect();
    let strikes = sidecars.iter().map(|sidecar| sidecar.binding_event("recurring-scheduler"));
    for answer in join_all(strikes).await {
        answer.unwrap();
    }
}

/// Waits until the completion of the user's tasks is long enough ago to be a gap.
async fn wait_for_gaps(user: &User) {
    let latest = user.all_tasks().await.into_iter().filter_map(|task| task.complete_time);
    let latest = latest.map(|time| time.seconds).max().unwrap();
    wait_for("gaps", PATIENCE, async || {
        let age = SystemClock.now().timestamp() - latest;
        // One for the gap, and one for what was cut off.
        if age > 2 { Ok(()) } else { Err(format!("{age} seconds old")) }
    })
    .await;
}

async fn clocks_that_strike_at_once_make_one_occurrence(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage);
    let stack = stack.env("DOCKET_TASKS__GAP_SECONDS", "1").start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all((0..10).map(chore)).await;
    complete_unheard(&stack, &alice, &chores).await;
    wait_for_gaps(&alice).await;
    strike(&stack).await;
    // Who was at work already when the others came did it for them, and has answered by now.
    expect_repaired(&stack, &alice, &chores).await;
}

async fn a_task_that_is_opened_again_meanwhile_is_not_followed(storage: Storage) {
    let stack = Stack::builder(Path::new(DOCKET)).storage(&storage);
    let stack = stack.env("DOCKET_TASKS__GAP_SECONDS", "1").start().await;
    let alice = stack.user("alice");
    let chores = alice.create_all((0..10).map(chore)).await;
    complete_unheard(&stack, &alice, &chores).await;
    wait_for_gaps(&alice).await;
    tokio::join!(strike(&stack), join_all(chores.iter().map(|chore| reopen(&alice, chore))));
    strike(&stack).await;
    let left = alice.all_tasks().await;
    assert!(left.iter().all(|task| task.state() == State::Open), "{left:?}");
    assert_eq!(left.len(), chores.len(), "none is followed: {left:?}");

    // Their completion is another one, and is heard.
    alice.complete_all(&chores).await;
    expect_repaired(&stack, &alice, &chores).await;
}

docket_testkit::on_each_database!(
    a_series_whose_event_was_lost_goes_on_when_the_clock_strikes,
    clocks_that_strike_at_once_make_one_occurrence,
    a_task_that_is_opened_again_meanwhile_is_not_followed,
);
docket_testkit::with_two_replicas!(
    clocks_that_strike_at_once_make_one_occurrence,
    a_task_that_is_opened_again_meanwhile_is_not_followed,
);
