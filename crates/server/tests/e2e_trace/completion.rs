//! Completing a recurring task, up to the last handler of the event of its next occurrence.

use docket_proto::v1::recurrence::Pattern;
use docket_testkit::collector::Kind;
use docket_testkit::repeating;

use crate::client::Client;
use crate::site::{Docket, Site};

const TREE: &str = "\
server docket.v1.TaskService/CompleteTask of {tasks}
  producer publish task-events of {tasks}
    consumer process task-events of {audit} for audit
    consumer process task-events of {recurrence} for recurrence
      client docket.v1.TaskService/CreateTask of {recurrence}
        server docket.v1.TaskService/CreateTask of {tasks}
          producer publish task-events of {tasks}
            consumer process task-events of {audit} for audit
            consumer process task-events of {recurrence} for recurrence
            consumer process task-events of {reminders} for reminders
    consumer process task-events of {reminders} for reminders
";

async fn a_completion_is_one_trace(site: &Site) -> Client {
    let alice = site.user("alice");
    let rent = alice
        .create(repeating("Pay the rent", Pattern::Monthly, "2027-01-31T08:00:00Z", "Europe/Berlin"))
        .await;
    // Alone: what is handled in a batch is told of in the batch's own trace.
    site.settled().await;
    let client = Client::new();
    client.complete(&alice, &rent).await;
    let next = alice.successor_of(&rent).await;

    let trace = site.expect_trace(&client, TREE).await;
    // Attributes tell which task it was, and nothing of what is in it.
    let of_task = |id: &str| {
        trace.spans().iter().filter(|span| span.attributes.values().any(|value| value == id)).count()
    };
    assert!(of_task(&rent.task_id) > 0 && of_task(&next.task_id) > 0, "{trace:?}");
    for span in trace.spans() {
        let told = format!("{span:?}");
        assert!(!told.contains("Pay the rent") && !told.contains("alice"), "{told}");
        assert_ne!(span.kind, Kind::Internal, "{span}");
    }
    client
}

#[tokio::test]
async fn a_completion_is_one_trace_in_one_process() {
    let site = Site::one().await;
    a_completion_is_one_trace(&site).await;
}

#[tokio::test]
async fn a_completion_is_one_trace_where_the_sidecar_makes_spans_of_its_own() {
    let site = Site::one_with_a_sidecar_that_makes_spans().await;
    a_completion_is_one_trace(&site).await;
    let other = site.of_sidecars.as_ref().unwrap();
    other.wait_for_spans(1).await;
}

#[tokio::test]
async fn a_completion_is_one_trace_across_processes() {
    let site = Site::many().await;
    let Docket::Many(fleet, _) = &site.docket else { panic!("one process") };
    let client = a_completion_is_one_trace(&site).await;
    // A batch is of many traces. It has one of its own, which is linked to them.
    let received = format!("receive {}", fleet.topic());
    let batch = site.collector.wait_for_linked("docket-audit", &received, &client.trace).await;
    assert!(batch.spans().iter().all(|span| span.service == "docket-audit"), "{batch}");
    assert_eq!(batch.orphans(&[]).len(), 0, "{batch}");
}
