//! The scheduler has lost its jobs, or nobody hears its alarms: the rows bring every reminder back.

use std::time::Duration;

use docket_domain::{ReminderState, UserId};
use docket_store::Schema;
use docket_store::reminders::Listing;
use docket_testkit::{Mail, PATIENCE, Postgres, Stack, Storage, wait_for};

use crate::batch::{Batch, Often};
use crate::person::{Person, ahead};
use crate::until;
use crate::world::{armed, stack};

/// How many reminders lose their alarms.
const REMINDERS: usize = 20;

#[tokio::test]
async fn alarms_are_set_anew_when_the_scheduler_has_lost_its_data() {
    let mail = Mail::shared().await;
    let database = Postgres::shared().await.database().await;
    let mut stack = stack(mail)
        .postgres(&database)
        .env("DOCKET_REMINDERS__WITNESS_SECONDS", "1")
        // Nobody looks for what has no alarm: all that comes in time comes by one.
        .env("DOCKET_REMINDERS__GRACE_SECONDS", "600")
        .start()
        .await;
    let person = Person::of(&stack, "quentin").await;
    let first = ahead(15_000);
    let batch = Batch::create(&person, REMINDERS, first, Duration::from_secs(5)).await;
    stack.settled().await;
    assert_eq!(armed(&database, stack.app_id()).await, REMINDERS as i64, "before the first moment");
    stack.scheduler().wipe().await;
    stack.docket.wait_for_log("the scheduler has lost its jobs").await;
    until(first).await;
    batch.expect_sent_once("scheduler without its data", mail, Often::Once, PATIENCE).await;
}

/// Each alarm is answered late; meanwhile the sidecar that brought it is killed.
async fn sidecar_that_is_killed_while_an_alarm_rings(storage: Storage) {
    let mail = Mail::shared().await;
    let mut stack =
        stack(mail).storage(&storage).failpoint("reminder-after-commit", "1*sleep(4000)").start().await;
    let person = Person::of(&stack, "rupert").await;
    let batch = Batch::create(&person, 10, ahead(2_500), Duration::from_secs(6)).await;
    // What the first alarm did is committed, and the answer to it has not left.
    fired(&stack, &person).await;
    stack.daprd().kill();
    stack.daprd().restart().await;
    batch
        .expect_sent_once("sidecar killed while an alarm rings", mail, Often::OncePerAttempt, 2 * PATIENCE)
        .await;
    stack.settled().await;
}

/// Waits until a reminder of a person was fired, and looks for it past docket, which is held up.
async fn fired(stack: &Stack, person: &Person) {
    let database = stack.docket.database().await;
    let owner: UserId = person.name.parse().unwrap();
    let states = ReminderState::ALL.into_iter().filter(|state| *state != ReminderState::Pending).collect();
    let listing = Listing { states, limit: 10, ..Default::default() };
    wait_for("a reminder that was fired", PATIENCE, async || {
        let found = database.of(Schema::Reminders).reminders_list(&owner, &listing).await;
        if found.unwrap().0.is_empty() { Err("none".to_owned()) } else { Ok(()) }
    })
    .await;
    database.close().await;
}

#[tokio::test]
async fn sidecar_that_is_killed_again_and_again_brings_each_once() {
    let mail = Mail::shared().await;
    let mut stack = stack(mail).start().await;
    let person = Person::of(&stack, "sybil").await;
    let batch = Batch::create(&person, 60, ahead(2_500), Duration::from_secs(10)).await;
    for kill in 1..=4 {
        batch.given(12 * kill, 2 * PATIENCE).await;
        stack.daprd().restart().await;
    }
    batch.expect_sent_once("sidecar killed four times", mail, Often::OncePerAttempt, 2 * PATIENCE).await;
    stack.settled().await;
}

docket_testkit::on_each_database!(sidecar_that_is_killed_while_an_alarm_rings);
