//! What a user does in the very moment of a reminder: it is sent or not, never both, never neither.

use std::collections::BTreeMap;
use std::time::Duration;

use docket_domain::{Instant, TimeDelta};
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Mail, PATIENCE, Storage, wait_for};
use futures::future::join_all;

use crate::person::{Person, ahead, instant, is_final, reminded_at};
use crate::until;
use crate::world::stack;

const TASKS: usize = 50;

/// So long before or after a reminder's moment something is done: another time for each, spread over a second.
fn offset(number: usize) -> TimeDelta {
    TimeDelta::milliseconds((number as i64 * 37) % 1_000 - 200)
}

/// Tasks whose reminders are all in one second.
async fn tasks(person: &Person, first: Instant) -> Vec<v1::Task> {
    let tasks = (0..TASKS).map(|number| {
        let moment = first + TimeDelta::milliseconds(number as i64 * 10);
        reminded_at(&format!("Task {number:03}"), &[moment])
    });
    let tasks = person.user.create_all(tasks).await;
    wait_for("a reminder of every task", PATIENCE, async || {
        match person.reminders(None).await.unwrap().len() {
            TASKS => Ok(()),
            other => Err(format!("{other}")),
        }
    })
    .await;
    tasks
}

/// Does something to each task around its moment.
async fn around(tasks: &[v1::Task], act: impl AsyncFn(&v1::Task)) {
    let acts = tasks.iter().enumerate().map(|(number, task)| {
        let act = &act;
        async move {
            let Some(v1::reminder::Moment::RemindTime(moment)) = task.reminders[0].moment else {
                panic!("{task:?}")
            };
            until(instant(Some(moment)) + offset(number)).await;
            act(task).await;
        }
    });
    join_all(acts).await;
}

/// Everything that is known of a person's reminders, when all has ended.
struct End {
    reminders: BTreeMap<String, v1::TaskReminder>,
    /// By task, the oldest first.
    rows: BTreeMap<String, Vec<v1::Delivery>>,
}

async fn end(person: &Person, limit: Duration) -> End {
    wait_for("reminders and messages that have come to their end", limit, async || {
        let reminders = person.reminders(None).await.map_err(|status| status.to_string())?;
        let rows = person.ledger(None).await.map_err(|status| status.to_string())?;
        let open = |one: &&v1::TaskReminder| matches!(one.state(), State::Pending | State::Fired);
        let sending: Vec<&v1::Delivery> = rows.iter().filter(|row| !is_final(row)).collect();
        match (reminders.iter().find(open), sending.first()) {
            (None, None) => {}
            open => return Err(format!("{open:?}")),
        }
        let mut end = End { reminders: BTreeMap::new(), rows: BTreeMap::new() };
        end.reminders.extend(reminders.into_iter().map(|one| (one.task_id.clone(), one)));
        for row in rows {
            end.rows.entry(row.task_id.clone()).or_default().push(row);
        }
        Ok(end)
    })
    .await
}

async fn completed_in_the_second_of_its_reminder(storage: Storage) {
    let mail = Mail::shared().await;
    let stack = stack(mail).storage(&storage).start().await;
    let walter = Person::of(&stack, "walter").await;
    let tasks = tasks(&walter, ahead(5_000)).await;
    around(&tasks, async |task| drop(walter.user.complete(task).await)).await;
    stack.settled().await;
    let ended = end(&walter, PATIENCE).await;
    // What the last messages came to has been heard, too.
    stack.settled().await;
    let End { reminders, rows } = end(&walter, PATIENCE).await;
    drop(ended);

    let mails = mail.messages_of(&walter.email).await;
    let (mut sent, mut cancelled, mut caught) = (0, 0, 0);
    for task in &tasks {
        let of_task = mails.iter().filter(|mail| mail.subject.contains(&task.title)).count();
        let rows = rows.get(&task.task_id).map_or(&[][..], Vec::as_slice);
        let reminder = &reminders[&task.task_id];
        match (reminder.state(), rows) {
            (State::Sent, [row]) => {
                assert_eq!((row.state(), of_task), (Sent::Sent, 1), "{reminder:?}, {row:?}");
                sent += 1;
            }
            (State::Cancelled, []) => {
                assert_eq!(of_task, 0, "{reminder:?}");
                cancelled += 1;
            }
            (State::Cancelled, [row]) => {
                assert_eq!((row.state(), of_task), (Sent::Cancelled, 0), "{reminder:?}, {row:?}");
                caught += 1;
            }
            other => panic!("{of_task} mails, {other:?}"),
        }
    }
    assert_eq!(mails.len(), sent);
    eprintln!(
        "completed in the second of the reminder: {sent} sent, {cancelled} never fired, {caught} fired and not sent"
    );
}

/// Each is put off around its moment, for two seconds: it comes then, and once before if it was sent before.
async fn put_off_while_it_is_delivered(storage: Storage) {
    let mail = Mail::shared().await;
    let stack = stack(mail).storage(&storage).start().await;
    let xavier = Person::of(&stack, "xavier").await;
    let first = ahead(5_000);
    let tasks = tasks(&xavier, first).await;
    let again = first + TimeDelta::milliseconds(3_500);
    around(&tasks, async |task| drop(xavier.snooze(task, 1, again).await.unwrap())).await;
    let ended = end(&xavier, PATIENCE).await;
    stack.settled().await;
    drop(ended);
    let End { reminders, rows } = end(&xavier, PATIENCE).await;

    let mails = mail.messages_of(&xavier.email).await;
    let (mut once, mut twice, mut caught) = (0, 0, 0);
    for task in &tasks {
        let of_task = mails.iter().filter(|mail| mail.subject.contains(&task.title)).count();
        let reminder = &reminders[&task.task_id];
        assert_eq!((reminder.state(), instant(reminder.remind_time)), (State::Sent, again), "{reminder:?}");
        let rows = &rows[&task.task_id];
        let states: Vec<Sent> = rows.iter().map(v1::Delivery::state).collect();
        let expect = match states.as_slice() {
            [Sent::Sent] => (1, &mut once),
            [Sent::Cancelled, Sent::Sent] => (1, &mut caught),
            [Sent::Sent, Sent::Sent] => (2, &mut twice),
            _ => panic!("{of_task} mails, {rows:?}"),
        };
        assert_eq!(of_task, expect.0, "{rows:?}");
        *expect.1 += 1;
        let last = rows.last().unwrap();
        assert_eq!(last.reminder_id, reminder.reminder_id, "what was sent last is the firing that counts");
        assert!(instant(last.finish_time) >= again, "{last:?}");
    }
    eprintln!(
        "put off in its moment: {once} before it fired, {caught} fired and not sent, {twice} sent before"
    );
}

#[tokio::test]
async fn on_a_file() {
    tokio::join!(
        completed_in_the_second_of_its_reminder(Storage::Sqlite),
        put_off_while_it_is_delivered(Storage::Sqlite),
    );
}

#[tokio::test]
async fn with_two_replicas() {
    let (one, other) = tokio::join!(Storage::replicas(), Storage::replicas());
    tokio::join!(completed_in_the_second_of_its_reminder(one), put_off_while_it_is_delivered(other));
}
