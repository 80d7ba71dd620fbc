//! Who may publish to which topic.

use docket_testkit::callback::TopicEvent;
use tonic::{Code, Status};

use crate::forged::Victim;
use crate::sidecar::Sidecar;
use crate::site::Site;
use crate::stranger::Stranger;

/// The same event for another component and topic.
fn to(pubsub: &str, topic: &str, event: TopicEvent) -> TopicEvent {
    TopicEvent { pubsub_name: pubsub.to_owned(), topic: topic.to_owned(), ..event }
}

fn expect_unknown(pubsub: &str, status: &Status) {
    let unknown = status.message().contains("not configured") || status.message().contains("not found");
    assert!(unknown && status.message().contains("pubsub"), "{pubsub}: {status:?}");
}

fn expect_forbidden(topic: &str, status: &Status) {
    let forbidden = status.code() == Code::PermissionDenied
        && status.message().contains(&format!("topic {topic} is not allowed for app id"));
    assert!(forbidden, "{topic}: {status:?}");
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn who_has_no_business_with_a_topic_does_not_publish_to_it() {
    let site = Site::open().await;
    let victim = Victim::new(&site).await;
    let stranger = Stranger::start().await;
    for (pubsub, topic) in [
        ("pubsub", "task-events"),
        ("pubsub-reminders", "reminders"),
        ("pubsub-dead-letters", "task-events-dlq"),
    ] {
        let status = stranger.sidecar.publish(to(pubsub, topic, victim.event())).await.unwrap_err();
        expect_unknown(pubsub, &status);
    }

    // Audit reads task-events by this component, and writes dead letters by another one.
    let audit = Sidecar::of_docket("audit").await;
    expect_forbidden("task-events", &audit.publish(victim.event()).await.unwrap_err());
    let status = audit.publish(to("pubsub", "reminders", victim.event())).await.unwrap_err();
    expect_forbidden("reminders", &status);
    let status = audit.publish(to("pubsub-dead-letters", "reminders-dlq", victim.event())).await.unwrap_err();
    expect_forbidden("reminders-dlq", &status);
    let status = audit.publish(to("pubsub-reminders", "reminders", victim.event())).await.unwrap_err();
    expect_unknown("pubsub-reminders", &status);
    // Notification reads what is due, and may not write it.
    let notification = Sidecar::of_docket("notification").await;
    let status = notification.publish(to("pubsub-reminders", "reminders", victim.event())).await.unwrap_err();
    expect_forbidden("reminders", &status);

    // The same event by the target whose events these are: first and alone.
    let tasks = Sidecar::of_docket("tasks").await;
    tasks.publish(victim.event()).await.unwrap();
    victim.expect_believed(1).await;
}
