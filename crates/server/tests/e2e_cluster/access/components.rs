//! Which sidecars have which components: what a sidecar does not have, nobody can use by it.

use docket_testkit::{PATIENCE, wait_for};
use serde_json::{Value, json};

use crate::kubectl::{self, DOCKET};
use crate::sidecar::Sidecar;
use crate::site::TARGETS;
use crate::stranger::Stranger;

/// What each target needs of the chart's components.
const NEEDED: [(&str, &[&str]); 6] = [
    ("tasks", &["pubsub"]),
    ("recurrence", &["pubsub", "pubsub-dead-letters", "recurring-scheduler"]),
    ("audit", &["pubsub", "pubsub-dead-letters"]),
    ("reminders", &["pubsub", "pubsub-dead-letters", "pubsub-reminders"]),
    ("notification", &["pubsub", "pubsub-dead-letters", "pubsub-reminders"]),
    ("deadletters", &["pubsub", "pubsub-dead-letters", "pubsub-reminders"]),
];

/// A channel as the chart makes one, named so that it is in nobody's way.
fn channel(name: &str, scopes: &Value) -> Value {
    json!({
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, "namespace": DOCKET},
        "spec": {
            "type": "bindings.http",
            "version": "v1",
            // Nothing listens there.
            "metadata": [{"name": "url", "value": "http://127.0.0.1:9"}],
        },
        "scopes": scopes,
    })
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn sidecars_have_the_components_that_are_meant_for_them() {
    let stranger = Stranger::start().await;
    assert_eq!(
        stranger.sidecar.components().await,
        ["kubernetes"],
        "of a stranger: its own store of secrets"
    );
    for (target, needed) in NEEDED {
        let mut components = Sidecar::of_docket(target).await.components().await;
        components.sort();
        assert_eq!(components, needed, "of {target}");
    }
    assert_eq!(NEEDED.map(|(target, _)| target), TARGETS, "every target was looked at");
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn channel_of_notification_is_used_by_nobody_else() {
    let stranger = Stranger::start().await;
    let (theirs, own) =
        (format!("channel-of-docket-{}", stranger.name()), format!("channel-of-{}", stranger.name()));
    let _removes =
        kubectl::removes(["--namespace", DOCKET, "component", &theirs, &own].map(str::to_owned).into()).await;
    kubectl::apply(&channel(&theirs, &json!(["docket-notification"]))).await;
    kubectl::apply(&channel(&own, &json!([stranger.name()]))).await;

    // Both know their own.
    let notification = Sidecar::of_docket("notification").await;
    for (sidecar, component) in [(&notification, &theirs), (&stranger.sidecar, &own)] {
        wait_for(&format!("{component} to be loaded"), PATIENCE, async || {
            let components = sidecar.components().await;
            if components.contains(component) { Ok(()) } else { Err(format!("{components:?}")) }
        })
        .await;
    }
    let body = json!({"operation": "get"}).to_string();
    let call = async |sidecar: &Sidecar, component: &str| {
        sidecar.ask("POST", &format!("/v1.0/bindings/{component}"), &body).await
    };
    let (code, said) = call(&stranger.sidecar, &theirs).await;
    assert!(code >= 400 && said.contains("couldn't find output binding"), "by a stranger: {code} {said}");
    let (code, said) = call(&Sidecar::of_docket("audit").await, &theirs).await;
    assert!(code >= 400 && said.contains("couldn't find output binding"), "by audit: {code} {said}");
    // Who has it gets as far as the place where nothing listens.
    for (sidecar, component) in [(&notification, &theirs), (&stranger.sidecar, &own)] {
        let (code, said) = call(sidecar, component).await;
        assert!(code >= 400 && said.contains("connection refused"), "{component}: {code} {said}");
    }
}
