//! The services that the sidecar calls.

use bytes::Bytes;
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse};
use dapr::dapr::proto::runtime::v1 as pb;
use docket_rpc::{Unavailable, to_status};
use pb::app_callback_health_check_server::{AppCallbackHealthCheck, AppCallbackHealthCheckServer};
use pb::app_callback_server::{AppCallback, AppCallbackServer};
use pb::topic_event_bulk_request_entry::Event;
use pb::topic_event_response::TopicEventResponseStatus;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::drain::Drain;
use crate::envelope::Parts;
use crate::fault::Refusal;
use crate::guard::{Guard, Guarded};
use crate::jobs::data_of;
use crate::metadata::Metadata;
use crate::router::{Router, Verdict};

/// Adds the callbacks to the app port's services, behind the guard.
pub fn add_callbacks(routes: Routes, router: Router, guard: &Guard, drain: Drain) -> Routes {
    let limit = router.max_callback_bytes;
    let callback = Callback { router, drain: drain.clone() };
    let callback = AppCallbackServer::new(callback).max_decoding_message_size(limit);
    let health = AppCallbackHealthCheckServer::new(Health { drain });
    routes
        .add_service(Guarded { guard: guard.clone(), inner: callback })
        .add_service(Guarded { guard: guard.clone(), inner: health })
}

struct Callback {
    router: Router,
    drain: Drain,
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
            dead_letter_topic: self.router.dead_letter_topic(pubsub, topic).unwrap_or_default(),
            bulk_subscribe: self.router.bulk_of(pubsub, topic).map(|bulk| pb::BulkSubscribeConfig {
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
        let verdict = match self.drain.begin() {
            Some(_under_way) => {
                let metadata = Metadata::of_call(request.metadata());
                let request = request.into_inner();
                let (pubsub, topic) = (request.pubsub_name.clone(), request.topic.clone());
                self.router.deliver(&pubsub, &topic, single(request), metadata).await
            }
            None => Ok(Verdict::Again),
        };
        match verdict {
            Ok(verdict) => Ok(Response::new(pb::TopicEventResponse { status: status(verdict) })),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn on_bulk_topic_event(
        &self,
        request: Request<pb::TopicEventBulkRequest>,
    ) -> Answer<pb::TopicEventBulkResponse> {
        let pb::TopicEventBulkRequest { entries, pubsub_name, topic, .. } = request.into_inner();
        let entry = |entry: pb::TopicEventBulkRequestEntry| {
            (entry.entry_id, (batched(entry.event), entry.metadata.into_iter().collect()))
        };
        let (ids, events): (Vec<_>, Vec<_>) = entries.into_iter().map(entry).unzip();
        let verdicts = match self.drain.begin() {
            Some(_under_way) => self.router.deliver_all(&pubsub_name, &topic, events).await,
            None => Ok(vec![Verdict::Again; ids.len()]),
        };
        match verdicts {
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
        let bindings = self.router.bindings().map(str::to_owned).collect();
        Ok(Response::new(pb::ListInputBindingsResponse { bindings }))
    }

    async fn on_binding_event(
        &self,
        request: Request<pb::BindingEventRequest>,
    ) -> Answer<pb::BindingEventResponse> {
        let Some(_under_way) = self.drain.begin() else { return Err(to_status(&Unavailable)) };
        let pb::BindingEventRequest { name, data, metadata } = request.into_inner();
        match self.router.trigger(&name, Bytes::from(data), metadata.into_iter().collect()).await {
            Ok(()) => Ok(Response::new(pb::BindingEventResponse::default())),
            Err(refusal) => refuse(&refusal),
        }
    }

    async fn on_job_event(&self, request: Request<pb::JobEventRequest>) -> Answer<pb::JobEventResponse> {
        let Some(_under_way) = self.drain.begin() else { return Err(to_status(&Unavailable)) };
        let pb::JobEventRequest { name, data, .. } = request.into_inner();
        match self.router.ring(&name, data_of(data)).await {
            Ok(()) => Ok(Response::new(pb::JobEventResponse {})),
            Err(refusal) => refuse(&refusal),
        }
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
    drain: Drain,
}

#[tonic::async_trait]
impl AppCallbackHealthCheck for Health {
    async fn health_check(&self, _: Request<()>) -> Answer<pb::HealthCheckResponse> {
        match self.drain.is_healthy() {
            true => Ok(Response::new(pb::HealthCheckResponse {})),
            false => Err(to_status(&Unavailable)),
        }
    }
}
