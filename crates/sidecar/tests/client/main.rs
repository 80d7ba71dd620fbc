//! The client and the invocation channel against a stand-in for the sidecar.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod jobs;
mod sidecar;
mod traces;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_domain::EventId;
use docket_proto::v1;
use docket_sidecar::{Client, CloudEvent, Config, Error, InvalidConfig, Message, NotTaken, Replay};
use tokio::net::TcpListener;
use tonic::Code;

use crate::sidecar::{Answer, start, unanswered};

fn event(number: u8) -> CloudEvent {
    CloudEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(number) + 1)),
        source: "docket/tasks".to_owned(),
        event_type: "com.todo.task.created".to_owned(),
        subject: "task".to_owned(),
        time: "2026-11-21T04:00:00Z".parse().unwrap(),
        trace: None,
        data: Bytes::from_static(b"{}"),
    }
}

fn message(key: &str, number: u8) -> Message {
    Message { key: key.to_owned(), bytes: event(number).encode().unwrap(), replay: None }
}

#[tokio::test]
async fn an_event_is_published_as_it_is() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    // From a task of its own, as the relay does.
    tokio::spawn(async move { client.publish("pubsub", "task-events", &message("the key", 1)).await })
        .await
        .unwrap()
        .unwrap();
    let asked = asked.lock().unwrap();
    let expect = pb::PublishEventRequest {
        pubsub_name: "pubsub".to_owned(),
        topic: "task-events".to_owned(),
        data: event(1).encode().unwrap(),
        data_content_type: "application/cloudevents+json".to_owned(),
        metadata: [("partitionKey", "the key"), ("rawPayload", "true")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    assert_eq!(asked.publish.as_ref(), Some(&expect));
    assert_eq!(asked.headers["dapr-api-token"], "the-token-of-the-sidecar");
    assert!(asked.headers.contains_key("grpc-timeout"));
}

#[tokio::test]
async fn a_batch_answers_for_each_event_in_its_order() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    let messages: Vec<_> = (0..12).map(|number| message("task", number)).collect();
    let results = client.bulk_publish("pubsub", "task-events", &messages).await.unwrap();
    let expect = |index| if index % 2 == 1 { Err(NotTaken("too large".to_owned())) } else { Ok(()) };
    assert_eq!(results, (0..12).map(expect).collect::<Vec<_>>());
    let sent = asked.lock().unwrap().bulk.take().unwrap();
    assert_eq!(sent.metadata["rawPayload"], "true");
    for (entry, message) in sent.entries.iter().zip(&messages) {
        assert_eq!((&entry.event, entry.metadata["partitionKey"].as_str()), (&message.bytes, "task"));
    }
}

#[tokio::test]
async fn what_is_published_again_says_so_in_its_own_metadata() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    let id: EventId = "0192f0c1-2b3c-7d4e-8f50-6a7b8c9d0e1f".parse().unwrap();
    let replay = |handler: Option<&str>| Replay { id, handler: handler.map(str::to_owned) };
    let bytes = b"not an event\xff".to_vec();
    let messages = [None, Some(replay(None)), Some(replay(Some("audit")))].map(|replay| Message {
        key: "task".to_owned(),
        bytes: bytes.clone(),
        replay,
    });
    client.bulk_publish("pubsub", "task-events", &messages).await.unwrap();
    client.publish("pubsub", "task-events", &messages[2]).await.unwrap();

    let mut asked = asked.lock().unwrap();
    let sent = asked.bulk.take().unwrap().entries;
    let said = |metadata: &HashMap<String, String>| {
        ["docket-replay", "docket-handler"].map(|name| metadata.get(name).cloned())
    };
    let (id, audit) = (Some(id.to_string()), Some("audit".to_owned()));
    let expect = [[None, None], [id.clone(), None], [id.clone(), audit.clone()]];
    assert_eq!(sent.iter().map(|entry| said(&entry.metadata)).collect::<Vec<_>>(), expect);
    assert!(sent.iter().all(|entry| entry.event == bytes), "byte for byte");
    let alone = asked.publish.take().unwrap();
    assert_eq!((said(&alone.metadata), alone.data), ([id, audit], bytes));
}

#[tokio::test]
async fn errors_say_what_went_wrong() {
    let check = async |answer: Answer, expect: fn(&Error) -> bool| {
        let (client, _) = start(answer, 5000).await;
        let error = client.publish("pubsub", "task-events", &message("k", 1)).await.unwrap_err();
        assert!(expect(&error), "{error:?}");
        assert!(!client.healthy("pubsub").await);
    };
    let rejected = |error: &Error| matches!(error, Error::Rejected { message, .. } if message == "as told");
    check(Answer::No(Code::Unavailable), |error| matches!(error, Error::Unavailable(_))).await;
    check(Answer::No(Code::Internal), rejected).await;
    check(Answer::No(Code::PermissionDenied), rejected).await;

    let (client, asked) = start(Answer::Silence, 5000).await;
    let message = message("k", 1);
    let error = unanswered(&asked, client.publish("pubsub", "task-events", &message)).await.unwrap_err();
    assert!(matches!(error, Error::Deadline(after) if after == client.deadline()), "{error:?}");
    assert!(!unanswered(&asked, client.healthy("pubsub")).await);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Config { endpoint: Some(format!("http://{nobody}")), ..Config::default() };
    let client = Client::connect_lazy(&config).unwrap();
    let error = client.publish("pubsub", "task-events", &message).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn health_is_about_the_component_too() {
    let (client, _) = start(Answer::Yes, 5000).await;
    assert!(client.healthy("pubsub").await);
    assert!(!client.healthy("kafka").await);
    assert_eq!(client.components().await.unwrap(), ["pubsub"]);
    assert_eq!(client.app_id().await.unwrap(), "docket");
}

#[tokio::test]
async fn a_call_to_another_app_is_addressed_and_limited() {
    let (client, asked) = start(Answer::Yes, 5000).await;
    let mut audit =
        v1::audit_service_client::AuditServiceClient::new(client.channel_for("docket-audit").unwrap());
    let mut request = tonic::Request::new(v1::ListAuditEntriesRequest::default());
    request.metadata_mut().insert("authorization", "Bearer x".parse().unwrap());
    request.set_timeout(Duration::from_secs(2));
    let answer = audit.list_audit_entries(request).await.unwrap().into_inner();
    assert_eq!(answer.next_page_token, "from the other app");
    {
        let asked = asked.lock().unwrap();
        let header = |name: &str| asked.headers[name].to_str().unwrap();
        assert_eq!(header("dapr-app-id"), "docket-audit");
        assert_eq!(header("dapr-api-token"), "the-token-of-the-sidecar");
        assert_eq!(header("authorization"), "Bearer x");
        assert_eq!(header("grpc-timeout"), "2000000u", "the caller's own deadline stays");
    }

    let (client, asked) = start(Answer::Silence, 5000).await;
    let mut audit =
        v1::audit_service_client::AuditServiceClient::new(client.channel_for("docket-audit").unwrap());
    let call = audit.list_audit_entries(v1::ListAuditEntriesRequest::default());
    let status = unanswered(&asked, call).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(asked.lock().unwrap().headers["grpc-timeout"], "5000m");
}

#[tokio::test]
async fn what_can_not_be_called_is_refused_at_once() {
    for endpoint in ["https://127.0.0.1:50001", "127.0.0.1:50001", "http://"] {
        let config = Config { endpoint: Some(endpoint.to_owned()), ..Config::default() };
        assert_eq!(Client::connect_lazy(&config).unwrap_err(), InvalidConfig::Endpoint(endpoint.to_owned()));
    }
    let (client, _) = start(Answer::Yes, 5000).await;
    for app_id in ["", "a\nb"] {
        assert!(client.channel_for(app_id).is_err(), "{app_id:?}");
    }
}
