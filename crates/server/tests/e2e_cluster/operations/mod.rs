//! What operators do to a Docket that runs, with the commands of `deploy/OPERATIONS.md`.

mod backup;
mod database;
mod escape;
mod rotation;
mod scheduler;

use std::time::Duration;

use docket_proto::v1;
use docket_proto::v1::task::State;
use docket_testkit::kubernetes::Said;
use docket_testkit::{User, wait_for};

use crate::kubectl::{self, DOCKET};

/// How long it may take until all that was done has had its effects, after everything was restarted.
const LIMIT: Duration = Duration::from_secs(180);

/// All of Docket.
const ALL: &str = "--selector=app.kubernetes.io/instance=docket";

/// Starts every pod of Docket anew, one after the other.
async fn restart() {
    kubectl::text(&["rollout", "restart", "deployment", "--namespace", DOCKET, ALL]).await;
    kubectl::wait(&["rollout", "status", "deployment", "--namespace", DOCKET, ALL]).await;
    kubectl::steady().await;
}

/// Runs `docket` in a pod of a target.
async fn docket(target: &str, arguments: &[&str]) -> Said {
    let deployment = format!("deployment/docket-{target}");
    let exec = ["exec", "--namespace", DOCKET, &deployment, "--container=docket", "--", "docket"];
    let all: Vec<&str> = exec.iter().chain(arguments).copied().collect();
    kubectl::attempt(&all, b"").await
}

/// Waits until all that a user has done has had its effects: each version of each task is in the audit log, and something
/// follows each completed task that repeats.
async fn settled(user: &User) {
    wait_for("all effects of what a user has done", LIMIT, async || {
        let tasks = user.all_tasks().await;
        let versions: i64 = tasks.iter().map(|task| task.version).sum();
        let entries = user.audit_log().await.iter().filter(|entry| entry.task_version > 0).count();
        let is_followed = |task: &&v1::Task| {
            let moment =
                |task: &v1::Task| task.occurrence_time.as_ref().map(|time| (time.seconds, time.nanos));
            tasks.iter().any(|other| other.series_id == task.series_id && moment(other) > moment(task))
        };
        let ended = tasks.iter().filter(|task| task.state() == State::Completed && task.recurrence.is_some());
        let alone = ended.filter(|task| !is_followed(task)).count();
        if i64::try_from(entries).is_ok_and(|entries| entries >= versions) && alone == 0 {
            return Ok(());
        }
        Err(format!("{entries} entries for {versions} versions, {alone} tasks that nothing follows"))
    })
    .await;
}

/// Waits for the message about a task, and checks that there is one alone.
async fn expect_reminded_once(user: &User, task: &v1::Task) {
    wait_for(&format!("a message about {:?}", task.title), LIMIT, async || {
        let messages = user.deliveries_of(task).await;
        let sent = messages.iter().any(|one| one.state() == v1::delivery::State::Sent);
        if sent { Ok(()) } else { Err(format!("{messages:?}")) }
    })
    .await;
    let messages = user.deliveries_of(task).await;
    assert_eq!(messages.len(), 1, "{messages:?}");
}
