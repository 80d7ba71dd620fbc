//! The services that the sidecar calls.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1 as pb;
use docket_rpc::to_status;
use pb::app_callback_health_check_server::{AppCallbackHealthCheck, AppCallbackHealthCheckServer};
use pb::app_callback_server::{AppCallback, AppCallbackServer};
use pb::topic_event_bulk_request_entry::Event;
use pb::topic_event_response::TopicEventResponseStatus;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::envelope::Parts;
use crate::fault::Refusal;
use crate::guard::{Guard, Guarded};
use crate::router::{Router, Verdict};

/// The largest callback. A batch holds what several publish calls sent, and each of those may have had 4 MiB, which is
/// the sidecar's own default; larger ones are refused and, with a broker, delivered again in smaller batches.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Adds the callbacks to the app port's services, behind the guard.
///
/// Once `draining` is cancelled the health check fails, so that the sidecar stops to deliver.
pub fn add_callbacks(routes: Routes, router: Router, guard: &Guard, draining: CancellationToken) -> Routes {
    let callback = AppCallbackServer::new(Callback { router }).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let health = AppCallbackHealthCheckServer::new(Health { draining });
    routes
        .add_service(Guarded { guard: guard.clone(), inner: callback })
        .add_service(Guarded { guard: guard.clone(), inner: health })
}

struct Callback {
    router: Router,
}

type Answer<T> = Result<Response<T>, Status>;

fn refuse<T>(refusal: &Refusal) -> Answer<T> {
    // Internal faults hide their message from the caller; `to_status` logs it.
    Err(to_status(refusal))
}

fn status(verdict: Verdict) -> i32 {
    let status = match verdict {
        Verdict::Done => TopicEventResponseStatus::Success,
        Verdict::Again => TopicEventResponseStatus::Retry,
    };
    status.into()
}

#[tonic::async_trait]
impl AppCallback for Callback {
    async fn on_invoke(&self, _: Request<InvokeRequest>) -> Answer<InvokeResponse> {
        refuse(&Refusal::Invoke)
    }

    async fn list_topic_subscriptions(&self, _: Request<()>) -> Answer<pb::ListTopicSubscriptionsResponse> {
        let subscription = |(pubsub, topic): (&str, &str)| pb::TopicSubscription {
            pubsub_name: pubsub.to_owned(),
            topic: topic.to_owned(),
            // The bytes as they were published: the sidecar would round large numbers, and would itself refuse what is
            // not a CloudEvent, so that nobody could keep it.
            metadata: [("rawPayload".to_owned(), "true".to_owned())].into(),
            routes: None,
            dead_letter_topic: match &self.router.dead_letter_suffix {
                Some(suffix) => format!("{topic}{suffix}"),
                None => String::new(),
            },
            bulk_subscribe: self.router.bulk.as_ref().map(|bulk| pb::BulkSubscribeConfig {
                enabled: true,
                max_messages_count: bulk.max_messages.into(),
                max_await_duration_ms: bulk.max_await_ms.into(),
            }),
        };
        let subscriptions = self.router.topics().map(subscription).collect();
        Ok(Response::new(pb::ListTopicSubscriptionsResponse { subscriptions }))
    }

    async fn on_topic_event(
        &self,
        request: Request<pb::TopicEventRequest>,
    ) -> Answer<pb::TopicEventResponse> {
        let request = request.into_inner();
        let (pubsub, topic) = (request.pubsub_name.clone(), request.topic.clone());
        match self.router.deliver(&pubsub, &topic, single(request)).await {
            Ok(verdict) => Ok(Response::new(pb::TopicEventResponse { status: status(verdict) })),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn on_bulk_topic_event(
        &self,
        request: Request<pb::TopicEventBulkRequest>,
    ) -> Answer<pb::TopicEventBulkResponse> {
        let request = request.into_inner();
        let (ids, events): (Vec<_>, Vec<_>) =
            request.entries.into_iter().map(|entry| (entry.entry_id, batched(entry.event))).unzip();
        match self.router.deliver_all(&request.pubsub_name, &request.topic, events).await {
            Ok(verdicts) => {
                let answer = |(entry_id, verdict)| pb::TopicEventBulkResponseEntry {
                    entry_id,
                    status: status(verdict),
                };
                let statuses = ids.into_iter().zip(verdicts).map(answer).collect();
                Ok(Response::new(pb::TopicEventBulkResponse { statuses }))
            }
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn list_input_bindings(&self, _: Request<()>) -> Answer<pb::ListInputBindingsResponse> {
        Ok(Response::new(pb::ListInputBindingsResponse::default()))
    }

    async fn on_binding_event(
        &self,
        request: Request<pb::BindingEventRequest>,
    ) -> Answer<pb::BindingEventResponse> {
        refuse(&Refusal::UnknownBinding(request.into_inner().name))
    }

    async fn on_job_event(&self, request: Request<pb::JobEventRequest>) -> Answer<pb::JobEventResponse> {
        refuse(&Refusal::UnknownJob(request.into_inner().name))
    }
}

/// The published bytes of an event that came alone.
///
/// For a raw subscription the sidecar wraps them in an envelope that it makes up; otherwise it takes them apart.
fn single(request: pb::TopicEventRequest) -> Bytes {
    if request.r#type == "com.dapr.event.sent" && request.data_content_type == "application/octet-stream" {
        return Bytes::from(request.data);
    }
    let parts = Parts {
        id: request.id,
        source: request.source,
        event_type: request.r#type,
        spec_version: request.spec_version,
        content_type: request.data_content_type,
        data: request.data,
        extensions: request.extensions,
    };
    parts.join()
}

/// The published bytes of an event in a batch.
fn batched(event: Option<Event>) -> Bytes {
    match event {
        Some(Event::Bytes(bytes)) => Bytes::from(bytes),
        Some(Event::CloudEvent(event)) => {
            let parts = Parts {
                id: event.id,
                source: event.source,
                event_type: event.r#type,
                spec_version: event.spec_version,
                content_type: event.data_content_type,
                data: event.data,
                extensions: event.extensions,
            };
            parts.join()
        }
        None => Bytes::new(),
    }
}

/// Answers without asking anybody else: the sidecar's probe gives up after half a second, and a slow database must not
/// make it unsubscribe from every topic.
struct Health {
    draining: CancellationToken,
}

#[tonic::async_trait]
impl AppCallbackHealthCheck for Health {
    async fn health_check(&self, _: Request<()>) -> Answer<pb::HealthCheckResponse> {
        if self.draining.is_cancelled() {
            Err(to_status(&docket_rpc::Unavailable))
        } else {
            Ok(Response::new(pb::HealthCheckResponse {}))
        }
    }
}
