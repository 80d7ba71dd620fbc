//! The ports of a pod: what each of them lets in.

use docket_proto::v1::ListTasksRequest;
use docket_proto::v1::task_service_client::TaskServiceClient;
use docket_testkit::callback::Callback;
use tonic::Code;

use crate::forged::Victim;
use crate::kubectl::{self, DOCKET};
use crate::sidecar::Sidecar;
use crate::site::Site;

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn public_port_has_the_api_alone_and_asks_for_a_token() {
    let site = Site::open().await;
    let victim = Victim::new(&site).await;
    let app_token = kubectl::secret(DOCKET, "docket-app-token", "token").await;
    let bearer = format!("Bearer {}", victim.token);
    let callback = Callback::new(site.tasks()).with_token(&app_token).with("authorization", &bearer);
    let status = callback.topic_event(victim.event()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "no callbacks on the public port: {status:?}");

    let status =
        TaskServiceClient::new(site.tasks()).list_tasks(ListTasksRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
    let alice = site.user_with(&victim.token);
    alice.tasks().list_tasks(ListTasksRequest::default()).await.unwrap();
    victim.expect_believed(0).await;
}

#[tokio::test]
#[ignore = "release ring: needs a cluster"]
async fn sidecar_asks_what_runs_beside_it_for_a_token() {
    let site = Site::open().await;
    let victim = Victim::new(&site).await;
    let app_token = kubectl::secret(DOCKET, "docket-app-token", "token").await;
    for shown in [None, Some("wrong"), Some(app_token.as_str())] {
        let sidecar = Sidecar::of_docket("tasks").await.shown(shown);
        let (code, body) = sidecar.ask("GET", "/v1.0/metadata", "").await;
        assert_eq!(code, 401, "metadata with {shown:?}: {body}");
        let (code, body) = sidecar.ask("POST", "/v1.0/shutdown", "").await;
        assert_eq!(code, 401, "shutdown with {shown:?}: {body}");
        let status = sidecar.publish(victim.event()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "publish with {shown:?}: {status:?}");
    }
    let sidecar = Sidecar::of_docket("tasks").await;
    assert_eq!(sidecar.components().await, ["pubsub"]);
    sidecar.publish(victim.event()).await.unwrap();
    victim.expect_believed(1).await;
}
