//! Alarms belong to the app that set them: another one neither sees nor deletes them.

use docket_testkit::{PATIENCE, wait_for};
use serde_json::json;

use crate::sidecar::Sidecar;
use crate::site::{Site, reminded};
use crate::stranger::Stranger;

fn path(job: &str) -> String {
    format!("/v1.0/jobs/{job}")
}

async fn has(sidecar: &Sidecar, job: &str) -> bool {
    let (code, body) = sidecar.ask("GET", &path(job), "").await;
    assert!(
        code == 200 || body.to_lowercase().contains("not found") || body.contains("NotFound"),
        "{job}: {code} {body}"
    );
    code == 200
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn alarms_are_safe_from_other_apps() {
    let site = Site::open().await;
    let alice = site.user("alice").await;
    // Far enough away that nobody has rung before the end.
    let task = alice.create(reminded("Call the landlord", 3600)).await;
    let alarm = format!("reminder-task-{}-1", task.task_id);
    let reminders = Sidecar::of_docket("reminders").await;
    wait_for("the alarm", PATIENCE, async || {
        if has(&reminders, &alarm).await { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;

    let stranger = Stranger::start().await;
    assert!(!has(&stranger.sidecar, &alarm).await, "seen by a stranger");
    let (code, body) = stranger.sidecar.ask("DELETE", &path(&alarm), "").await;
    assert!(has(&reminders, &alarm).await, "deleted by a stranger, who was told {code} {body}");

    // One of the same name that is the stranger's own comes and goes, and is another one.
    let job = json!({"dueTime": "1h", "data": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "x"}});
    let (code, body) = stranger.sidecar.ask("POST", &path(&alarm), &job.to_string()).await;
    assert!((200..300).contains(&code), "to set one of its own: {code} {body}");
    assert!(has(&stranger.sidecar, &alarm).await);
    let (code, body) = stranger.sidecar.ask("DELETE", &path(&alarm), "").await;
    assert!((200..300).contains(&code), "to delete one of its own: {code} {body}");
    assert!(!has(&stranger.sidecar, &alarm).await);
    assert!(has(&reminders, &alarm).await, "deleted along with a stranger's of the same name");
}
