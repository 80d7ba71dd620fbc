//! How a server stops: nothing under way is lost, nothing new begins, and it ends in bounded time.

use std::sync::Arc;
use std::time::Duration;

use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_rpc::shell::Rules;
use docket_rpc::{Health, LimitsConfig, Port, ShellLayer};
use http::Response;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;
use tower::{Layer as _, Service as _};

use crate::support::{Audit, LONG, Stopped, authenticator, limits, plain, routes, start, token, told};

#[tokio::test]
async fn calls_under_way_finish_new_ones_are_refused_and_watchers_hear_of_it() {
    let mut server = start(Port::Public, LONG).await;
    let mut client = server.client().await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let under_way = tokio::spawn(async move { client.list_audit_entries(plain("wait")).await });
    assert_eq!(server.events.recv().await, Some("started"));

    server.shutdown.cancel();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(watch.message().await.expect_err("the watch ends").code(), Code::Unavailable);
    // A channel of its own: one that is just being told to go away may give the call up by itself, unsent.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let channel = Channel::from_shared(format!("http://{}", server.address)).unwrap().connect_lazy();
    let status = AuditServiceClient::new(channel).list_audit_entries(plain("")).await.expect_err("draining");
    assert_eq!(status.code(), Code::Unavailable);

    server.gate.notify_one();
    let answer = under_way.await.unwrap().expect("finished");
    assert_eq!(answer.get_ref().entries[0].user_id, "alice");
    (&mut server.served).await.expect("drained");
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_given_up_and_told() {
    let mut server = start(Port::App, Duration::from_millis(50)).await;
    let mut client = server.client().await;
    // Says nothing, and so would never close.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let under_way = tokio::spawn(async move { client.list_audit_entries(plain("wait")).await });
    assert_eq!(server.events.recv().await, Some("started"));

    server.shutdown.cancel();
    let status = under_way.await.unwrap().expect_err("given up");
    assert_eq!(told(&status), "Unavailable UNAVAILABLE");
    assert_eq!(server.events.recv().await, Some("ended"), "its future is dropped");
    (&mut server.served).await.expect("stopped all the same");
    let mut rest = Vec::new();
    // Closed or reset, but not open.
    let _ = silent.read_to_end(&mut rest).await;
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn peers_that_hang_do_not_hold_up_a_drain_without_calls() {
    let mut server = start(Port::App, LONG).await;
    // One never spoke; the other did, had its answer, and is then no longer polled, as if its process were stopped.
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let request = http::Request::post(format!("http://{}/docket.v1.AuditService/Nope", server.address))
        .header("content-type", "application/grpc");
    let (answer, _) = client.send_request(request.body(()).unwrap(), true).unwrap();
    tokio::select! {
        answer = answer => assert_eq!(answer.unwrap().status(), 200),
        ended = &mut connection => panic!("{ended:?}"),
    }

    server.shutdown.cancel();
    let stopped = tokio::time::timeout(LONG / 4, &mut server.served).await;
    stopped.expect("long before the drain is over").expect("stopped");
}

/// Between the first GOAWAY and the close a client's call may still arrive; whether it does is the network's choice,
/// so this one asks the shell itself.
#[tokio::test]
async fn a_call_that_arrives_during_the_drain_is_told_when_to_come_back() {
    let health = Health::new(["docket.v1.AuditService"]).await;
    let (events, _receiver) = mpsc::unbounded_channel();
    let routes = routes(&health, Audit { events, gate: Arc::new(Notify::new()) }).await;
    let draining = CancellationToken::new();
    let mut shell = ShellLayer::new(Rules {
        port: Port::App,
        authenticator: Arc::new(authenticator()),
        clock: Arc::new(Stopped),
        max_deadline: Duration::from_secs(30),
        limits: limits(&LimitsConfig::default()),
        draining: draining.clone(),
        cut: CancellationToken::new(),
        calls: TaskTracker::new(),
    })
    .layer(routes);
    let mut call = async |path: &str| -> Option<Status> {
        let request = http::Request::post(path)
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {}", token("alice", &[])))
            .body(Body::empty())
            .unwrap();
        let response: Response<Body> = shell.call(request).await.unwrap();
        Status::from_header_map(response.headers())
    };
    let (api, callback) = (
        "http://docket/docket.v1.AuditService/Nope",
        "http://docket/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",
    );
    assert_eq!(told(&call(api).await.unwrap()).split(' ').next(), Some("Unimplemented"), "before");
    draining.cancel();
    for path in [api, callback] {
        let status = call(path).await.expect("refused");
        assert_eq!(told(&status), "Unavailable UNAVAILABLE", "{path}");
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, Some(Duration::from_secs(1)), "{path}");
    }
    let health = call("http://docket/grpc.health.v1.Health/Nope").await.unwrap();
    assert_eq!(health.code(), Code::Unimplemented, "health is asked, not refused");
}
