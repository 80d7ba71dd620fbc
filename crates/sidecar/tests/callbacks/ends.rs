//! Input bindings, jobs, and how everything ends.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_sidecar::{
    BindingHandler, BoxError, Config, Delivery, HandlerError, JobHandler, Metadata, Router, TopicHandler,
};
use futures::FutureExt as _;
use pb::app_callback_health_check_client::AppCallbackHealthCheckClient;
use tokio::sync::Notify;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::harness::{AGAIN, App, DONE, config, event, raw, signed};

/// Keeps what it is told, and fails when it is told to.
#[derive(Default)]
struct Clock(Mutex<Vec<(Bytes, Metadata)>>);

#[async_trait]
impl BindingHandler for Clock {
    async fn run(&self, data: Bytes, metadata: Metadata) -> Result<(), BoxError> {
        self.0.lock().unwrap().push((data.clone(), metadata));
        match &data[..] {
            b"fail" => Err("the database is away".into()),
            b"panic" => panic!("as it is told"),
            _ => Ok(()),
        }
    }
}

fn strike(data: &str) -> pb::BindingEventRequest {
    let metadata = [("readTimeUTC".to_owned(), "noon".to_owned())].into();
    pb::BindingEventRequest { name: "clock".to_owned(), data: data.into(), metadata }
}

#[tokio::test]
async fn a_binding_reaches_its_handler() {
    let clock = Arc::new(Clock::default());
    let app = App::with(config(), [], |router| router.binding("clock", clock.clone())).await;
    let names = app.callback().list_input_bindings(()).await.unwrap().into_inner().bindings;
    assert_eq!(names, ["clock"]);
    app.callback().on_binding_event(signed(strike("now"))).await.unwrap();
    let metadata: Metadata = [("readtimeutc".to_owned(), "noon".to_owned())].into_iter().collect();
    assert_eq!(*clock.0.lock().unwrap(), [(Bytes::from("now"), metadata)]);

    for data in ["fail", "panic"] {
        let status = app.callback().on_binding_event(signed(strike(data))).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal, "{data}");
    }
    let stranger = pb::BindingEventRequest { name: "bell".to_owned(), ..strike("now") };
    let status = app.callback().on_binding_event(signed(stranger)).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

/// Fails when it is told to, and keeps whose it is.
struct Alarm(&'static str, Mutex<Vec<String>>);

impl Alarm {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self(name, Mutex::default()))
    }
}

#[async_trait]
impl JobHandler for Alarm {
    async fn run(&self, name: &str, data: Bytes) -> Result<(), BoxError> {
        self.1.lock().unwrap().push(format!("{}: {name}", self.0));
        match &data[..] {
            b"fail" => Err("the database is away".into()),
            b"panic" => panic!("as it is told"),
            b"hang" => std::future::pending().await,
            _ => Ok(()),
        }
    }
}

fn ring(name: &str, data: &str) -> pb::JobEventRequest {
    // As it was scheduled: bytes in an Any.
    let data = prost_types::Any::from_msg(&data.as_bytes().to_vec()).unwrap();
    pb::JobEventRequest { name: name.to_owned(), data: Some(data), ..Default::default() }
}

#[tokio::test]
async fn a_job_reaches_the_handler_of_the_longest_beginning_of_its_name() {
    let (some, other) = (Alarm::new("some"), Alarm::new("other"));
    let jobs = |router: Router| router.job("reminder-", some.clone()).job("reminder-bucket-", other.clone());
    let app = App::with(Config { handler_timeout_ms: 50, ..config() }, [], jobs).await;
    for name in ["reminder-task-1", "reminder-bucket-1"] {
        app.callback().on_job_event(signed(ring(name, "now"))).await.unwrap();
    }
    assert_eq!(*some.1.lock().unwrap(), ["some: reminder-task-1"]);
    assert_eq!(*other.1.lock().unwrap(), ["other: reminder-bucket-1"]);
    // The scheduler forgets a job that is NOT_FOUND or UNIMPLEMENTED.
    for data in ["fail", "panic", "hang"] {
        let status = app.callback().on_job_event(signed(ring("reminder-task-1", data))).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{data}");
    }
    let status = app.callback().on_job_event(signed(ring("digest-1", "now"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
}

/// Does not go on until it may.
#[derive(Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

#[async_trait]
impl TopicHandler for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
        self.reached.notify_one();
        self.open.notified().await;
        Ok(())
    }
}

#[tokio::test]
async fn what_has_begun_ends_and_nothing_new_begins() {
    let (gate, clock) = (Arc::new(Gate::default()), Arc::new(Clock::default()));
    let handler: Arc<dyn TopicHandler> = gate.clone();
    let app = App::with(config(), [handler], |router| router.binding("clock", clock.clone())).await;
    let mut callback = app.callback();
    let under_way =
        tokio::spawn(async move { callback.on_topic_event(signed(raw(event("a", 1)))).await.unwrap() });
    gate.reached.notified().await;

    app.drain.pause();
    assert_eq!(app.deliver(event("a", 2)).await, AGAIN);
    assert_eq!(app.deliver_all([event("a", 2), b"garbage".to_vec()]).await, [AGAIN; 2]);
    let job = pb::JobEventRequest { name: "reminder-1".to_owned(), ..Default::default() };
    for status in [
        app.callback().on_binding_event(signed(strike("now"))).await.unwrap_err(),
        app.callback().on_job_event(signed(job)).await.unwrap_err(),
    ] {
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.get_details_error_info().expect("an ErrorInfo").reason, "UNAVAILABLE");
    }
    assert!(clock.0.lock().unwrap().is_empty());
    assert!(app.drain.idle().now_or_never().is_none(), "an event is still being handled");

    gate.open.notify_one();
    assert_eq!(under_way.await.unwrap().into_inner().status(), DONE);
    app.drain.idle().await;
    assert!(app.grave.letters.lock().unwrap().is_empty());
}

#[tokio::test]
async fn health_ends_last() {
    let app = App::start(config(), &[]).await;
    let mut health = AppCallbackHealthCheckClient::new(app.channel.clone());
    health.health_check(()).await.unwrap();
    app.drain.pause();
    health.health_check(()).await.unwrap();
    app.drain.fail_health();
    assert_eq!(health.health_check(()).await.unwrap_err().code(), Code::Unavailable);
}
