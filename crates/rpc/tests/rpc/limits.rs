//! Who is turned away, in which order, and what they are told. The shell is asked without a network, and time stands
//! still unless a test moves it.

use std::sync::Arc;
use std::time::Duration;

use docket_rpc::shell::{Rules, Shell};
use docket_rpc::{Health, LimitsConfig, Port, ShellLayer};
use http::Response;
use prost::Message as _;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_types::StatusExt as _;
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Audit, Stopped, authenticator, limits, plain, routes, token, told};

const LIST: &str = "/docket.v1.AuditService/ListAuditEntries";

/// A shell around the double, and what the double tells.
struct Double {
    shell: Shell<Routes>,
    events: mpsc::UnboundedReceiver<&'static str>,
    gate: Arc<Notify>,
}

/// Everything is allowed, so that a test limits what it is about.
fn unlimited() -> LimitsConfig {
    LimitsConfig {
        rate_per_second: 0,
        burst: 0,
        max_concurrent_calls: 0,
        max_concurrent_calls_per_user: 0,
        max_queue_ms: 100,
        max_connections: 0,
        max_open_streams: 0,
        max_open_streams_per_connection: 0,
    }
}

async fn double(port: Port, limited: LimitsConfig) -> Double {
    let (sender, events) = mpsc::unbounded_channel();
    let gate = Arc::new(Notify::new());
    let health = Health::new([crate::support::AUDIT]).await;
    let routes = routes(&health, Audit { events: sender, gate: gate.clone() }).await;
    let rules = Rules {
        port,
        authenticator: Arc::new(authenticator()),
        clock: Arc::new(Stopped),
        max_deadline: Duration::from_secs(30),
        limits: limits(&limited),
        draining: CancellationToken::new(),
        cut: CancellationToken::new(),
        calls: TaskTracker::new(),
    };
    Double { shell: ShellLayer::new(rules).layer(routes), events, gate }
}

impl Double {
    /// Calls as `user`, or as nobody when the name is empty; the answer is "OK" or the refusal.
    fn call(&self, path: &str, user: &str, task: &str, headers: &[(&str, &str)]) -> JoinHandle<Answer> {
        let message = plain(task).into_inner().encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let mut request = http::Request::post(path).header("content-type", "application/grpc");
        if !user.is_empty() {
            let scopes: &[&str] = if user == "recurrence" { &["tasks:act-as"] } else { &[] };
            request = request.header("authorization", format!("Bearer {}", token(user, scopes)));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = Body::new(http_body_util::Full::new([&[0][..], &length, &message].concat().into()));
        let call = self.shell.clone().oneshot(request.body(body).unwrap());
        tokio::spawn(async move { Answer::of(call.await.unwrap()) })
    }

    /// Opens a stream, which stays open until the answer is dropped.
    async fn open(&self, path: &str) -> Response<Body> {
        let request = http::Request::post(path).header("content-type", "application/grpc");
        let body = Body::new(http_body_util::Full::new(vec![0; 5].into()));
        self.shell.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    async fn list(&self, user: &str, task: &str) -> Answer {
        self.call(LIST, user, task, &[]).await.unwrap()
    }
}

/// How a call ended.
struct Answer {
    told: String,
    retry: Option<Duration>,
    quota: Option<(String, String)>,
}

impl Answer {
    fn of(response: Response<Body>) -> Self {
        let Some(status) = Status::from_header_map(response.headers()) else {
            return Self { told: "OK".to_owned(), retry: None, quota: None };
        };
        let quota = status.get_details_quota_failure().map(|failure| failure.violations);
        Self {
            told: if status.details().is_empty() { format!("{:?}", status.code()) } else { told(&status) },
            retry: status.get_details_retry_info().and_then(|info| info.retry_delay),
            quota: quota.map(|all| (all[0].subject.clone(), all[0].description.clone())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_beyond_the_rate_is_told_when_to_come_back_and_others_are_not_concerned() {
    let double = double(Port::App, LimitsConfig { rate_per_second: 4, burst: 2, ..unlimited() }).await;
    for _ in 0..2 {
        assert_eq!(double.list("alice", "").await.told, "OK");
    }
    let refused = double.list("alice", "").await;
    assert_eq!(
        refused.told,
        "ResourceExhausted RATE_LIMITED limit=rate_per_second unit=calls per second value=4"
    );
    assert_eq!(refused.retry, Some(Duration::from_millis(250)));
    let message = "more than 4 calls a second, try again later".to_owned();
    assert_eq!(refused.quota, Some(("user:alice".to_owned(), message)));
    assert_eq!(double.list("bob", "").await.told, "OK");
    for _ in 0..5 {
        let served = double.call(LIST, "recurrence", "", &[("docket-act-as", "alice")]).await.unwrap();
        assert_eq!(served.told, "OK", "a service works for all users");
    }
    tokio::time::advance(refused.retry.unwrap()).await;
    assert_eq!(double.list("alice", "").await.told, "OK", "as she was told");
    assert_ne!(double.list("alice", "").await.told, "OK");
}

#[tokio::test(start_paused = true)]
async fn a_full_server_sheds_calls_before_it_looks_at_them_but_never_probes_and_callbacks() {
    let mut double = double(Port::App, LimitsConfig { max_concurrent_calls: 1, ..unlimited() }).await;
    let first = double.call(LIST, "alice", "wait", &[]);
    assert_eq!(double.events.recv().await, Some("started"));
    let overloaded = "ResourceExhausted OVERLOADED limit=max_concurrent_calls unit=calls value=1";

    // One waits, as many as there are places; the next is refused at once, and nobody asked for its token.
    let begun = Instant::now();
    let second = double.call(LIST, "bob", "", &[]);
    tokio::task::yield_now().await;
    let third = double.list("", "").await;
    assert_eq!((third.told.as_str(), begun.elapsed()), (overloaded, Duration::ZERO));
    assert_eq!(third.retry, Some(Duration::from_secs(1)), "with a spread: half of it is random");
    let health = double.call("/grpc.health.v1.Health/Check", "", "", &[]).await.unwrap();
    assert_eq!(health.told, "OK");
    let callback = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
    assert_eq!(double.call(callback, "", "", &[]).await.unwrap().told, "Unimplemented", "reached the routes");

    // Whoever waits gives up when the time is over: the queue's, or their own.
    assert_eq!(second.await.unwrap().told, overloaded);
    assert_eq!(begun.elapsed().as_millis(), 100);
    let hurried = double.call(LIST, "bob", "", &[("grpc-timeout", "20m")]).await.unwrap();
    assert_eq!((hurried.told.as_str(), begun.elapsed().as_millis()), (overloaded, 120));

    // A place that comes free in time goes to the one who waits.
    let fourth = double.call(LIST, "bob", "", &[]);
    tokio::task::yield_now().await;
    double.gate.notify_one();
    assert_eq!(first.await.unwrap().told, "OK");
    assert_eq!(fourth.await.unwrap().told, "OK");
}

#[tokio::test(start_paused = true)]
async fn one_user_cannot_take_all_places() {
    let limited = LimitsConfig { max_concurrent_calls: 3, max_concurrent_calls_per_user: 2, ..unlimited() };
    let mut double = double(Port::Public, limited).await;
    let taken = [double.call(LIST, "alice", "wait", &[]), double.call(LIST, "alice", "wait", &[])];
    for _ in &taken {
        assert_eq!(double.events.recv().await, Some("started"));
    }
    for _ in 0..10 {
        let refused = double.list("alice", "").await;
        let expect =
            "ResourceExhausted CONCURRENCY_LIMITED limit=max_concurrent_calls_per_user unit=calls value=2";
        assert_eq!(refused.told, expect);
        assert_eq!(refused.retry, Some(Duration::from_secs(1)));
        assert_eq!(refused.quota.unwrap().0, "user:alice");
        assert_eq!(double.list("bob", "").await.told, "OK", "the third place is for others");
    }
    double.gate.notify_waiters();
    for call in taken {
        assert_eq!(call.await.unwrap().told, "OK");
    }
    assert_eq!(double.list("alice", "").await.told, "OK", "places come back");
}

#[tokio::test(start_paused = true)]
async fn calls_that_end_badly_give_their_places_back() {
    let limited = LimitsConfig { max_concurrent_calls: 1, max_concurrent_calls_per_user: 1, ..unlimited() };
    let mut double = double(Port::Public, limited).await;
    assert_eq!(double.list("alice", "panic").await.told, "Internal INTERNAL");
    assert_eq!(double.list("", "").await.told, "Unauthenticated MISSING_TOKEN");
    let late = double.call(LIST, "alice", "wait", &[("grpc-timeout", "5m")]).await.unwrap();
    assert_eq!(late.told, "DeadlineExceeded DEADLINE_EXCEEDED");
    while double.events.try_recv().is_ok() {}
    let gone = double.call(LIST, "alice", "wait", &[]);
    assert_eq!(double.events.recv().await, Some("started"));
    gone.abort();
    assert!(gone.await.is_err());
    assert_eq!(double.list("alice", "").await.told, "OK");
}

#[tokio::test(start_paused = true)]
async fn streams_that_anybody_may_open_are_counted_and_probes_are_not() {
    let double = double(Port::Public, LimitsConfig { max_open_streams: 2, ..unlimited() }).await;
    let watch = "/grpc.health.v1.Health/Watch";
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let mut open = vec![double.open(watch).await, double.open(reflection).await];
    for path in [watch, reflection, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"] {
        let refused = Answer::of(double.open(path).await);
        let expect = "ResourceExhausted OVERLOADED limit=max_open_streams unit=streams value=2";
        assert_eq!((refused.told.as_str(), refused.retry), (expect, Some(Duration::from_secs(1))));
    }
    let check = double.open("/grpc.health.v1.Health/Check").await;
    assert_eq!(Answer::of(check).told, "OK");
    assert_eq!(double.list("alice", "").await.told, "OK");
    open.pop();
    open.push(double.open(watch).await);
    assert!(
        open.iter().all(|answer| Status::from_header_map(answer.headers()).is_none()),
        "what closed is free"
    );
}
