//! The reminders do not hear what becomes of tasks, while the moments of these come: what is over is not reminded of until it is
//! reopened, and what has changed is reminded of once.

use docket_domain::TimeDelta;
use docket_proto::v1;
use docket_proto::v1::delivery::State as Sent;
use docket_proto::v1::reminder::Channel;
use docket_proto::v1::task_reminder::State;
use docket_testkit::{Mail, PATIENCE, Stack, Storage, wait_for};
use pbjson_types::FieldMask;

use crate::person::{Person, ahead, instant, reminded_at};
use crate::world::stack;

const NOT_FOLLOWED: &str = "waits: the task has changed, and its reminders have not followed yet";

/// From its start on, Docket fails at whatever it is told of tasks; or does not any more.
async fn deaf(stack: &mut Stack, deaf: bool) {
    stack.docket.set_env("FAILPOINTS", if deaf { "reminders-error=return" } else { "" });
    stack.docket.restart().await;
}

/// A task whose reminder is known before the reminders hear nothing any more.
async fn heard(stack: &mut Stack, name: &str) -> (Person, v1::Task) {
    let person = Person::of(stack, name).await;
    let task = person.user.create(reminded_at("Call the plumber", &[ahead(600_000)])).await;
    person.expect_reminders(&task, &[State::Pending]).await;
    // What was heard until now is not to be heard again.
    stack.settled().await;
    deaf(stack, true).await;
    (person, task)
}

/// Has the reminder's moment come in a few seconds: that is asked of the reminders themselves, and needs no event.
async fn soon(person: &Person, task: &v1::Task) {
    let moment = ahead(4_000);
    let snoozed = person.snooze(task, 1, moment).await.unwrap();
    assert_eq!(instant(snoozed.remind_time), moment);
}

async fn rename(person: &Person, task: &v1::Task) {
    let task = v1::Task { title: "Call the electrician".to_owned(), ..task.clone() };
    let update_mask = Some(FieldMask { paths: vec!["title".to_owned()] });
    let request = v1::UpdateTaskRequest { task: Some(task), update_mask, ..Default::default() };
    person.user.tasks().update_task(request).await.unwrap();
}

async fn mails(mail: &Mail, person: &Person) -> usize {
    mail.messages_of(&person.email).await.len()
}

async fn what_is_over_is_not_reminded_of(storage: Storage) {
    let mail = Mail::shared().await;
    let mut stack = stack(mail).storage(&storage).start().await;
    let (olivia, task) = heard(&mut stack, "olivia").await;
    soon(&olivia, &task).await;
    olivia.user.complete(&task).await;
    let rows = olivia.expect_ledger(&task, &[(Channel::Email, Sent::Cancelled)]).await;
    assert_eq!(rows[0].reason, "the reminder does not stand any more");
    // It was fired all the same, and is not said to be over: nobody has told.
    olivia.expect_reminders(&task, &[State::Fired]).await;
    deaf(&mut stack, false).await;
    olivia.expect_reminders(&task, &[State::Cancelled]).await;
    stack.settled().await;
    olivia.expect_ledger(&task, &[(Channel::Email, Sent::Cancelled)]).await;
    assert_eq!(mails(mail, &olivia).await, 0);
    // Its moment has just passed, so that it comes at once.
    let request = v1::ReopenTaskRequest { task_id: task.task_id.clone(), ..Default::default() };
    olivia.user.tasks().reopen_task(request).await.unwrap();
    olivia.expect_reminders(&task, &[State::Sent]).await;
    assert_eq!(mails(mail, &olivia).await, 1);
}

async fn what_has_changed_waits_until_the_reminders_have_followed(storage: Storage) {
    let mail = Mail::shared().await;
    let mut stack =
        stack(mail).storage(&storage).env("DOCKET_NOTIFICATION__BEHIND_SECONDS", "3600").start().await;
    let (quentin, task) = heard(&mut stack, "quentin").await;
    soon(&quentin, &task).await;
    rename(&quentin, &task).await;
    wait_for("a message that has been held twice", PATIENCE, async || {
        let rows = quentin.ledger(Some(&task)).await.map_err(|status| status.to_string())?;
        match rows.as_slice() {
            [row] if row.state() == Sent::Pending && row.attempts >= 2 && row.reason == NOT_FOLLOWED => {
                Ok(())
            }
            _ => Err(format!("{rows:?}")),
        }
    })
    .await;
    assert_eq!(mails(mail, &quentin).await, 0);
    deaf(&mut stack, false).await;
    quentin.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;
    quentin.expect_reminders(&task, &[State::Sent]).await;
    stack.settled().await;
    quentin.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;
    assert_eq!(mails(mail, &quentin).await, 1);
}

async fn what_has_changed_goes_out_in_the_end(storage: Storage) {
    let mail = Mail::shared().await;
    let mut stack =
        stack(mail).storage(&storage).env("DOCKET_NOTIFICATION__BEHIND_SECONDS", "2").start().await;
    let (rupert, task) = heard(&mut stack, "rupert").await;
    soon(&rupert, &task).await;
    rename(&rupert, &task).await;
    let rows = rupert.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    let waited = instant(row.finish_time) - instant(row.remind_time);
    assert!(waited >= TimeDelta::seconds(2) && row.attempts >= 2, "{row:?}");
    rupert.expect_reminders(&task, &[State::Fired]).await;
    deaf(&mut stack, false).await;
    rupert.expect_reminders(&task, &[State::Sent]).await;
    stack.settled().await;
    assert_eq!(mails(mail, &rupert).await, 1);
}

/// What is asked about tasks goes to an app that does not exist.
async fn without_the_tasks_reminders_are_late_and_come(storage: Storage) {
    let mail = Mail::shared().await;
    let stack = stack(mail)
        .storage(&storage)
        .env("DOCKET_NOTIFICATION__TASKS_APP_ID", "nobody")
        .env("DOCKET_NOTIFICATION__BEHIND_SECONDS", "2")
        .start()
        .await;
    let severin = Person::of(&stack, "severin").await;
    let task = severin.user.create(reminded_at("Call the plumber", &[ahead(2_000)])).await;
    let rows = severin.expect_ledger(&task, &[(Channel::Email, Sent::Sent)]).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    let waited = instant(row.finish_time) - instant(row.remind_time);
    assert!(waited >= TimeDelta::seconds(2) && row.attempts >= 2, "{row:?}");
    severin.expect_reminders(&task, &[State::Sent]).await;
    assert_eq!(mails(mail, &severin).await, 1);
}

/// Each with a stack of its own, at the same time: most of it is waiting.
async fn what_they_have_not_heard_is_found_out(storage: Storage) {
    let another = async || match &storage {
        Storage::Sqlite => Storage::Sqlite,
        _ => Storage::postgres().await,
    };
    tokio::join!(
        what_is_over_is_not_reminded_of(another().await),
        what_has_changed_waits_until_the_reminders_have_followed(another().await),
        what_has_changed_goes_out_in_the_end(another().await),
        without_the_tasks_reminders_are_late_and_come(another().await),
    );
}

docket_testkit::on_each_database!(what_they_have_not_heard_is_found_out);
