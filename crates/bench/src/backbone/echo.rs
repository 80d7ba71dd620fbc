//! The other side: an app that does nothing with its events, and a publisher that has them at hand.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1 as pb;
use pb::app_callback_health_check_server::{AppCallbackHealthCheck, AppCallbackHealthCheckServer};
use pb::app_callback_server::{AppCallback, AppCallbackServer};
use pb::dapr_client::DaprClient;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};

use super::settings::{AWAIT_MS, BATCH, CALLS, PUBSUB};
use super::span::Span;

/// More than a batch of the largest messages of this measurement.
const CALL_BYTES: usize = 64 << 20;

/// What arrived, or was published, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Steps>);

#[derive(Debug, Default)]
struct Steps {
    total: AtomicU64,
    /// The time in seconds since 1970, and how many events.
    each: Mutex<Vec<(f64, u64)>>,
}

impl Tally {
    fn add(&self, count: u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.0.each.lock().unwrap_or_else(PoisonError::into_inner).push((now.as_secs_f64(), count));
        self.0.total.fetch_add(count, Ordering::Relaxed);
    }

    /// How many so far.
    pub(crate) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// The time of each step in seconds since 1970, and how many events it had.
    pub(crate) fn steps(&self) -> Vec<(f64, u64)> {
        self.0.each.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From the first to the last.
    pub(crate) fn span(&self) -> Result<Span> {
        Span::of(&self.steps())
    }
}

/// The app, which ends when dropped.
pub(crate) struct Echo {
    address: SocketAddr,
    tally: Tally,
    server: JoinHandle<()>,
}

impl Echo {
    /// Listens; its sidecar will bring it this topic, or nothing but jobs.
    pub(crate) async fn start(topic: Option<&str>) -> Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, tally) = (listener.local_addr()?, Tally::default());
        let app = App { topic: topic.map(str::to_owned), tally: tally.clone() };
        let server = Server::builder()
            // The sidecar repeats the metadata of a whole batch in the headers of the call.
            .http2_max_header_list_size(4 << 20)
            .add_service(AppCallbackServer::new(app.clone()).max_decoding_message_size(CALL_BYTES))
            .add_service(AppCallbackHealthCheckServer::new(app))
            // As Docket's own port: without it every answer waits for the acknowledgement of its header.
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        let server = tokio::spawn(async move {
            if let Err(error) = server.await {
                eprintln!("the echo has ended: {error}");
            }
        });
        Ok(Self { address, tally, server })
    }

    /// Where its sidecar finds it.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What has arrived.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct App {
    topic: Option<String>,
    tally: Tally,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AppCallback for App {
    async fn on_invoke(&self, _: Request<InvokeRequest>) -> Answer<InvokeResponse> {
        Err(Status::unimplemented("nothing to invoke"))
    }

    async fn list_topic_subscriptions(&self, _: Request<()>) -> Answer<pb::ListTopicSubscriptionsResponse> {
        let subscription = |topic: String| pb::TopicSubscription {
            pubsub_name: PUBSUB.to_owned(),
            topic,
            metadata: [("rawPayload".to_owned(), "true".to_owned())].into(),
            routes: None,
            dead_letter_topic: String::new(),
            bulk_subscribe: Some(pb::BulkSubscribeConfig {
                enabled: true,
                max_messages_count: BATCH.into(),
                max_await_duration_ms: AWAIT_MS.into(),
            }),
        };
        let subscriptions = self.topic.clone().map(subscription).into_iter().collect();
        Ok(Response::new(pb::ListTopicSubscriptionsResponse { subscriptions }))
    }

    async fn on_topic_event(&self, _: Request<pb::TopicEventRequest>) -> Answer<pb::TopicEventResponse> {
        self.tally.add(1);
        Ok(Response::new(pb::TopicEventResponse::default()))
    }

    async fn on_bulk_topic_event(
        &self,
        request: Request<pb::TopicEventBulkRequest>,
    ) -> Answer<pb::TopicEventBulkResponse> {
        let entries = request.into_inner().entries;
        self.tally.add(entries.len() as u64);
        // The default status is success.
        let done = |entry: pb::TopicEventBulkRequestEntry| pb::TopicEventBulkResponseEntry {
            entry_id: entry.entry_id,
            ..Default::default()
        };
        let statuses = entries.into_iter().map(done).collect();
        Ok(Response::new(pb::TopicEventBulkResponse { statuses }))
    }

    async fn list_input_bindings(&self, _: Request<()>) -> Answer<pb::ListInputBindingsResponse> {
        Ok(Response::new(pb::ListInputBindingsResponse::default()))
    }

    async fn on_binding_event(
        &self,
        _: Request<pb::BindingEventRequest>,
    ) -> Answer<pb::BindingEventResponse> {
        Ok(Response::new(pb::BindingEventResponse::default()))
    }

    async fn on_job_event(&self, _: Request<pb::JobEventRequest>) -> Answer<pb::JobEventResponse> {
        self.tally.add(1);
        Ok(Response::new(pb::JobEventResponse::default()))
    }
}

#[tonic::async_trait]
impl AppCallbackHealthCheck for App {
    async fn health_check(&self, _: Request<()>) -> Answer<pb::HealthCheckResponse> {
        Ok(Response::new(pb::HealthCheckResponse {}))
    }
}

/// Publishes so many copies of a message, over as many keys as Docket's events have, some calls at a time.
pub(crate) struct Publisher {
    tally: Tally,
    calls: JoinSet<Result<()>>,
}

impl Publisher {
    /// Begins.
    pub(crate) fn start(sidecar: Channel, topic: &str, events: u64, keys: &[String], message: &[u8]) -> Self {
        let (tally, mut calls) = (Tally::default(), JoinSet::new());
        let next = Arc::new(AtomicU64::new(0));
        let (keys, message): (Arc<[String]>, Arc<[u8]>) = (keys.into(), message.into());
        for _ in 0..CALLS {
            let (client, topic) = (DaprClient::new(sidecar.clone()), topic.to_owned());
            let (tally, next) = (tally.clone(), next.clone());
            calls.spawn(publish(client, topic, next, events, keys.clone(), message.clone(), tally));
        }
        Self { tally, calls }
    }

    /// What the broker has.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Waits until all are published.
    pub(crate) async fn finish(mut self) -> Result<()> {
        while let Some(ended) = self.calls.join_next().await {
            ended.context("a publisher panicked")??;
        }
        Ok(())
    }
}

async fn publish(
    mut client: DaprClient<Channel>,
    topic: String,
    next: Arc<AtomicU64>,
    events: u64,
    keys: Arc<[String]>,
    message: Arc<[u8]>,
    tally: Tally,
) -> Result<()> {
    loop {
        let first = next.fetch_add(u64::from(BATCH), Ordering::Relaxed);
        let last = events.min(first + u64::from(BATCH));
        if first >= last {
            return Ok(());
        }
        let entry = |number: u64| pb::BulkPublishRequestEntry {
            entry_id: number.to_string(),
            event: message.to_vec(),
            content_type: "application/cloudevents+json".to_owned(),
            metadata: [("partitionKey".to_owned(), keys[number as usize % keys.len()].clone())].into(),
        };
        let request = pb::BulkPublishRequest {
            pubsub_name: PUBSUB.to_owned(),
            topic: topic.clone(),
            entries: (first..last).map(entry).collect(),
            metadata: HashMap::from([("rawPayload".to_owned(), "true".to_owned())]),
        };
        let answer = client.bulk_publish_event(request).await?.into_inner();
        ensure!(answer.failed_entries.is_empty(), "{} events were refused", answer.failed_entries.len());
        tally.add(last - first);
    }
}
