//! `reminders` has missed tasks: an operator's command gives them to it, and each reminder comes once.

use docket_domain::Instant;
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task_reminder::State;
use docket_store::Schema;
use docket_store::inbox::Arrival;
use docket_testkit::{Mail, Postgres, Stack, Storage};
use serde_json::{Value, json};

use crate::now;
use crate::person::{Person, ahead, instant, reminded_at};
use crate::world::stack;

const ONE_MAIL: [(Channel, Sent); 1] = [(Channel::Email, Sent::Sent)];

/// What `docket remind refill` ended with, and its totals.
fn refill(stack: &Stack, more: &[&str]) -> (i32, Value) {
    let arguments = ["remind", "refill", "--grace-seconds", "0", "--format", "json"];
    let output = stack.docket.output_of(&[&arguments[..], more].concat());
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let totals = said.lines().last().unwrap_or_else(|| panic!("{arguments:?} said nothing: {error}"));
    (output.status.code().unwrap(), serde_json::from_str(totals).unwrap())
}

fn totals(tasks: u64, tasks_behind: u64, not_kept: u64, published_again: u64) -> Value {
    json!({
        "tasks": tasks,
        "tasks_behind": tasks_behind,
        "not_kept": not_kept,
        "published_again": published_again,
    })
}

/// Has `reminders` take what waits in the outbox of the tasks for known already. The sidecar must not be at work.
async fn lose(stack: &Stack, tasks: &[&v1::Task]) {
    let database = stack.docket.database().await;
    let mut arrivals = Vec::new();
    for task in tasks {
        let events = database.of(Schema::Tasks).outbox_of(stack.topic(), &task.task_id, 0, 100).await;
        arrivals.extend(events.unwrap().iter().map(|event| Arrival { event: event.id, replay: None }));
    }
    assert_eq!(arrivals.len(), tasks.len());
    let (arrivals, now) = (&arrivals, now());
    let begun: Result<Vec<bool>, docket_store::Error> = database
        .of(Schema::Reminders)
        .transaction(|tx| Box::pin(tx.inbox_begin_all("reminders", arrivals, now)))
        .await;
    assert_eq!(begun.unwrap(), vec![true; tasks.len()]);
    database.close().await;
}

/// The reminder of a task came at its moment, and another refill finds nothing to do.
async fn expect_given_once(stack: &Stack, mail: &Mail, person: &Person, task: &v1::Task, moment: Instant) {
    person.expect_reminders(task, &[State::Sent]).await;
    let rows = person.expect_ledger(task, &ONE_MAIL).await;
    assert_eq!(instant(rows[0].remind_time), moment);
    let again = refill(stack, &[]);
    assert_eq!((again.0, &again.1["tasks_behind"], &again.1["published_again"]), (0, &json!(0), &json!(0)));
    stack.settled().await;
    assert_eq!(person.expect_ledger(task, &ONE_MAIL).await, rows);
    person.expect_told(task, &["sent"]).await;
    assert_eq!(mail.messages_of(&person.email).await.len(), 1);
}

/// One task whose creation was lost, one whose completion was.
async fn what_reminders_has_missed_is_given_to_it_once(storage: Storage) {
    let mail = Mail::shared().await;
    let stack = stack(mail).storage(&storage).start().await;
    let person = Person::of(&stack, "vera").await;
    let done = person.user.create(reminded_at("Done", &[ahead(600_000)])).await;
    person.expect_reminders(&done, &[State::Pending]).await;
    stack.settled().await;
    stack.pause_sidecars();
    let moment = ahead(10_000);
    let open = person.user.create(reminded_at("Open", &[moment])).await;
    person.user.complete(&done).await;
    lose(&stack, &[&open, &done]).await;
    stack.resume_sidecars();
    stack.settled().await;
    person.expect_reminders(&open, &[]).await;
    person.expect_reminders(&done, &[State::Pending]).await;

    assert_eq!(refill(&stack, &["--dry-run"]), (1, totals(2, 2, 0, 0)));
    assert_eq!(stack.waiting_events().await, 0, "it was only told");
    assert_eq!(refill(&stack, &[]), (1, totals(2, 2, 0, 2)));
    person.expect_reminders(&done, &[State::Cancelled]).await;
    expect_given_once(&stack, mail, &person, &open, moment).await;
    person.expect_ledger(&done, &[]).await;
    person.user.expect_story(&done, &["created", "completed"]).await;
}

/// The rows are gone, the inbox says that all was heard, and the events are not kept any more.
#[tokio::test]
async fn rows_that_were_lost_come_back() {
    let mail = Mail::shared().await;
    let database = Postgres::shared().await.database().await;
    let stack = stack(mail).postgres(&database).start().await;
    let person = Person::of(&stack, "wanda").await;
    let moment = ahead(20_000);
    let task = person.user.create(reminded_at("Water the plants", &[moment])).await;
    person.expect_reminders(&task, &[State::Pending]).await;
    stack.settled().await;
    let client = database.superuser_client().await;
    assert_eq!(client.execute("DELETE FROM reminders.reminder_tasks", &[]).await.unwrap(), 1);
    client.execute("DELETE FROM tasks.published_events", &[]).await.unwrap();
    person.expect_reminders(&task, &[]).await;

    // Twice at once, as two operators may: one of them finds it, or both do.
    let found = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| refill(&stack, &[])));
        both.map(|one| one.join().unwrap())
    });
    assert!(found.contains(&(1, totals(1, 1, 1, 1))), "{found:?}");
    expect_given_once(&stack, mail, &person, &task, moment).await;
    person.user.expect_story(&task, &["created"]).await;
}

docket_testkit::on_each_database!(what_reminders_has_missed_is_given_to_it_once);
