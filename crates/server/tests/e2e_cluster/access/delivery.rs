//! Events and alarms come from the own sidecar or from nobody.

use docket_testkit::callback::{Answer, Callback, JobEvent, refused};

use super::expect_denied;
use crate::forged::Victim;
use crate::kubectl::{self, DOCKET};
use crate::sidecar::Sidecar;
use crate::site::{APP, Site, TARGETS};
use crate::stranger::Stranger;

/// An alarm that nobody set, and that changes nothing: Docket has heard of no such reminder.
fn alarm() -> JobEvent {
    JobEvent::new("reminder-task-0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f-1", b"{}")
}

async fn expect_refused(victim: &Victim, who: &str, sidecar: &Sidecar, app_id: &str) {
    let callback = sidecar.callback(app_id);
    let status = callback.topic_event(victim.event()).await.unwrap_err();
    expect_denied(&format!("OnTopicEvent of {app_id} by {who}"), &status);
    let status = callback.topic_events("pubsub", "task-events", vec![b"{}".to_vec()]).await.unwrap_err();
    expect_denied(&format!("OnBulkTopicEvent of {app_id} by {who}"), &status);
    let status = callback.job_event(alarm()).await.unwrap_err();
    expect_denied(&format!("OnJobEvent of {app_id} by {who}"), &status);
    let status = callback.binding_event("recurring-scheduler").await.unwrap_err();
    expect_denied(&format!("OnBindingEvent of {app_id} by {who}"), &status);
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn nobody_forges_an_event_or_an_alarm() {
    let site = Site::open().await;
    let victim = Victim::new(&site).await;
    let stranger = Stranger::start().await;
    // One who may call others, for something else; and the app's own pod, which its sidecar calls by another way.
    let (recurrence, audit) = (Sidecar::of_docket("recurrence").await, Sidecar::of_docket("audit").await);
    for target in TARGETS {
        let app_id = format!("docket-{target}");
        expect_refused(&victim, "a stranger", &stranger.sidecar, &app_id).await;
        expect_refused(&victim, "recurrence", &recurrence, &app_id).await;
        expect_refused(&victim, "audit", &audit, &app_id).await;
    }
    victim.expect_believed(0).await;

    // The same event by who has the token of the app port: what was refused was not refused for its own sake.
    let app = kubectl::forward(DOCKET, "docket-audit", &[APP]).await;
    let token = kubectl::secret(DOCKET, "docket-app-token", "token").await;
    let direct = Callback::new(app.channel(APP));
    for (who, callback) in [
        ("who shows no token", direct.clone()),
        ("who shows a wrong token", direct.clone().with_token("wrong")),
        (
            "who is named by a sidecar",
            direct.clone().with_token(&token).with("dapr-caller-app-id", "stranger"),
        ),
    ] {
        let status = callback.topic_event(victim.event()).await.unwrap_err();
        assert!(refused(&status), "OnTopicEvent by {who}: {status:?}");
        let status = callback.job_event(alarm()).await.unwrap_err();
        assert!(refused(&status), "OnJobEvent by {who}: {status:?}");
    }
    assert_eq!(direct.with_token(&token).topic_event(victim.event()).await.unwrap(), Answer::Success);
    victim.expect_believed(1).await;
}
