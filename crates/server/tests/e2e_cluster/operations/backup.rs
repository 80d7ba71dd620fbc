//! A backup of the database, and the way back to it.

use docket_proto::v1;
use docket_testkit::{once, wait_for};
use serde_json::json;
use tonic::Code;

use super::database::run;
use super::{ALL, LIMIT, docket, expect_reminded_once, settled};
use crate::kubectl::{self, DOCKET};
use crate::release::Values;
use crate::site::{Site, reminded, somebody, token};

/// Ends every pod of Docket, and waits until the last one has gone.
async fn stop() {
    kubectl::text(&["scale", "deployment", "--namespace", DOCKET, ALL, "--replicas=0"]).await;
    wait_for("all pods to go", LIMIT, async || {
        let pods = kubectl::list(&["pods", "--namespace", DOCKET, ALL]).await;
        if pods.is_empty() { Ok(()) } else { Err(format!("{}", pods.len())) }
    })
    .await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn database_is_restored_to_an_earlier_moment() {
    let values = Values::of_docket().await;
    let token = token(&somebody("alice")).await;
    let site = Site::open().await;
    let alice = site.user_with(&token);
    let kept = alice.create(once("Pay the rent")).await;
    // It comes due after the restoration, by an alarm that nobody set anew or by the sweep.
    let reminder = alice.create(reminded("Call the landlord", 150)).await;
    settled(&alice).await;

    let dump = run(&["pg_dump", "--username=postgres", "--format=custom", "docket"], b"").await;
    assert!(dump.well() && dump.output.starts_with(b"PGDMP"), "{}", dump.errors);
    let lost = alice.create(once("Feed the cat")).await;
    alice.complete(&kept).await;
    settled(&alice).await;

    stop().await;
    let restore =
        ["pg_restore", "--username=postgres", "--clean", "--if-exists", "--exit-on-error", "--dbname=docket"];
    let restored = run(&restore, &dump.output).await;
    assert!(restored.well(), "{}", restored.errors);
    values.upgrade(&[]).await;
    let site = Site::open().await;
    let alice = site.user_with(&token);

    // As it was then, in every part.
    let got = alice.tasks().get_task(v1::GetTaskRequest { task_id: kept.task_id.clone() }).await;
    assert_eq!(got.unwrap().into_inner(), kept);
    let status =
        alice.tasks().get_task(v1::GetTaskRequest { task_id: lost.task_id.clone() }).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    alice.expect_story(&kept, &["created"]).await;
    assert_eq!(alice.story_of(&lost).await.len(), 0, "the log has forgotten the lost time, too");

    // And life goes on.
    alice.complete(&kept).await;
    alice.expect_story(&kept, &["created", "completed"]).await;
    expect_reminded_once(&alice, &reminder).await;
    let verified = docket("audit", &["audit", "verify", "--format", "json"]).await;
    assert!(verified.well(), "{}{}", verified.text(), verified.errors);
    let refilled = docket("reminders", &["remind", "refill", "--dry-run"]).await;
    assert!(refilled.well(), "{}{}", refilled.text(), refilled.errors);
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn secrets_that_the_chart_made_stay_the_same_over_an_upgrade() {
    let values = Values::of_docket().await;
    let made = [("docket-auth", "secret"), ("docket-app-token", "token"), ("docket-api-token", "token")];
    let read = async || {
        let mut all = Vec::new();
        for (name, key) in made {
            all.push(kubectl::secret(DOCKET, name, key).await);
        }
        json!(all)
    };
    let before = read().await;
    values.upgrade(&[]).await;
    // Without showing them.
    assert!(read().await == before, "a Secret is another one after an upgrade");
}
