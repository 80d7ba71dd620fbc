//! A scheduler under the hands of a test: what it keeps, and how it forgets.

use docket_testkit::{Daprd, PATIENCE, Scheduler, wait_for};
use serde_json::json;

/// A job in an hour.
const JOB: &str = "/v1.0-alpha1/jobs/tea";

#[tokio::test]
async fn jobs_outlive_a_restart_and_nothing_outlives_a_wipe() {
    let mut scheduler = Scheduler::builder().start().await;
    let daprd = Daprd::builder("docket-testkit-scheduler").scheduler(scheduler.port()).start().await;
    let job = json!({"dueTime": "1h", "data": "x"}).to_string();
    let schedules = async || {
        wait_for("a job that is taken", PATIENCE, async || match daprd.call("POST", JOB, &job).await {
            (200..300, _) => Ok(()),
            answer => Err(format!("{answer:?}")),
        })
        .await;
    };
    let answers = async |expect: &str| {
        wait_for("the scheduler's answer", PATIENCE, async || {
            let (code, said) = daprd.call("GET", JOB, "").await;
            if said.contains(expect) { Ok(()) } else { Err(format!("{code} {said}")) }
        })
        .await;
    };
    schedules().await;
    answers("dueTime").await;
    let port = scheduler.port();
    scheduler.restart().await;
    answers("dueTime").await;
    scheduler.wipe().await;
    assert_eq!(scheduler.port(), port);
    answers("job not found").await;
    schedules().await;
    answers("dueTime").await;
}
