//! Docket is killed at the worst moments of a reminder's life.

use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use docket_testkit::{Mail, PATIENCE, Stack, Storage};

use crate::batch::{Batch, Often};
use crate::person::{Person, ahead};
use crate::world::stack;

/// SIGABRT: how a failpoint ends the process.
const ABORTED: i32 = 6;

/// Waits until the failpoint has ended docket, and starts it again without.
pub(crate) async fn restart_after_crash(stack: &mut Stack) {
    let status = stack.docket.wait_exit().await;
    assert_eq!(status.signal(), Some(ABORTED), "{status}");
    stack.docket.restart().await;
}

async fn check(storage: Storage, point: &str, action: &str, often: Often) {
    let mail = Mail::shared().await;
    let mut stack = stack(mail).storage(&storage).failpoint(point, action).start().await;
    let person = Person::of(&stack, "trent").await;
    let batch = Batch::create(&person, 5, ahead(2_500), Duration::from_secs(3)).await;
    restart_after_crash(&mut stack).await;
    batch.expect_sent_once(&format!("crash at {point}={action}"), mail, often, 2 * PATIENCE).await;
    stack.settled().await;
}

/// Each with a stack of its own, at the same time: most of it is waiting. Before an alarm's effect or a mail has left, one
/// mail is what must come of it; after a mail has left nobody can know, so there may be two.
async fn it_is_killed_and_each_reminder_comes(storage: Storage) {
    let another = async || match &storage {
        Storage::Sqlite => Storage::Sqlite,
        _ => Storage::postgres().await,
    };
    tokio::join!(
        check(another().await, "reminder-before-commit", "1*return", Often::Once),
        // The first one: alarms that ring together are one commit.
        check(another().await, "reminder-after-commit", "1*return", Often::Once),
        check(another().await, "before-send", "1*return", Often::Once),
        check(another().await, "after-send", "1*off->1*return", Often::OncePerAttempt),
    );
}

docket_testkit::on_each_database!(it_is_killed_and_each_reminder_comes);
