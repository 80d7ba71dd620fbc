//! Health: what it was told, and what it asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use docket_rpc::{Ask, Health};
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_client::HealthClient;

const PART: &str = "docket.tasks";

/// A part that is ready when this says so, and how often it was asked.
#[derive(Default)]
struct Part {
    ready: AtomicBool,
    asked: AtomicU32,
}

impl Part {
    fn set(&self, ready: bool) {
        self.ready.store(ready, Ordering::SeqCst);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn health() -> (Health, Arc<Part>) {
    let part = Arc::new(Part::default());
    let asked = part.clone();
    let ask: Ask = Arc::new(move || {
        let part = asked.clone();
        Box::pin(async move {
            part.asked.fetch_add(1, Ordering::SeqCst);
            part.ready.load(Ordering::SeqCst)
        })
    });
    (Health::new(["docket.v1.TaskService"]).await.with_parts([(PART.to_owned(), ask)]), part)
}

fn name(name: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: name.to_owned() }
}

#[tokio::test]
async fn part_is_asked_each_time_and_only_while_the_whole_serves() {
    let (health, part) = health().await;
    let mut client = HealthClient::new(health.service());
    let mut of =
        async |service: &str| client.check(name(service)).await.map(|answer| answer.into_inner().status());
    part.set(true);
    assert_eq!(of(PART).await.unwrap(), NotServing, "nothing is served yet");
    assert_eq!(part.asked(), 0, "there is nothing to be asked");

    health.serving().await;
    assert_eq!(of(PART).await.unwrap(), Serving);
    part.set(false);
    assert_eq!(of(PART).await.unwrap(), NotServing);
    for other in ["", "docket.v1.TaskService"] {
        assert_eq!(of(other).await.unwrap(), Serving, "{other:?} does not ask");
    }
    assert_eq!(part.asked(), 2);
    assert_eq!(of("docket.nobody").await.unwrap_err().code(), Code::NotFound);

    part.set(true);
    health.not_serving().await;
    assert_eq!(of(PART).await.unwrap(), NotServing, "the process ends");
}

#[tokio::test(start_paused = true)]
async fn who_watches_a_part_sees_each_change_once() {
    let (health, part) = health().await;
    let mut client = HealthClient::new(health.service());
    let mut changes =
        client.watch(name(PART)).await.unwrap().into_inner().map(|change| change.unwrap().status());
    assert_eq!(changes.next().await, Some(NotServing));
    health.serving().await;
    part.set(true);
    assert_eq!(changes.next().await, Some(Serving));
    let before = part.asked();
    let silent = tokio::time::timeout(std::time::Duration::from_secs(10), changes.next()).await;
    assert!(silent.is_err(), "nothing has changed");
    assert!(part.asked() > before, "it is asked all the same");
    part.set(false);
    assert_eq!(changes.next().await, Some(NotServing));

    let mut told = client.watch(name("docket.v1.TaskService")).await.unwrap().into_inner();
    assert_eq!(told.next().await.unwrap().unwrap().status(), Serving);
    assert_eq!(client.watch(name("docket.nobody")).await.unwrap_err().code(), Code::NotFound);
}
