//! Calls the callbacks over gRPC as a sidecar does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dapr::dapr::proto::common::v1::InvokeRequest;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_domain::EventId;
use docket_sidecar::{
    ApiToken, BoxError, Bulk, CloudEvent, Config, DeadLetter, DeadLetters, Delivery, Guard, HandlerError,
    Retry, Router, TopicHandler, add_callbacks,
};
use pb::app_callback_client::AppCallbackClient;
use pb::app_callback_health_check_client::AppCallbackHealthCheckClient;
use pb::topic_event_bulk_request_entry::Event;
use pb::topic_event_response::TopicEventResponseStatus;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

const TOKEN: &str = "the-token-of-the-app";
const TOPIC: &str = "task-events";

/// What a handler does with the next event.
enum Act {
    Succeed,
    Fail,
    Panic,
    Hang,
    Despair,
}

/// Follows its script, then succeeds; keeps the subjects that it saw.
struct Scripted {
    name: &'static str,
    script: Mutex<VecDeque<Act>>,
    seen: Mutex<Vec<Delivery>>,
}

impl Scripted {
    fn new(name: &'static str, script: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self { name, script: Mutex::new(script.into_iter().collect()), seen: Mutex::default() })
    }

    fn seen(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|delivery| String::from_utf8_lossy(&delivery.data).into_owned())
            .collect()
    }
}

#[async_trait]
impl TopicHandler for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.seen.lock().unwrap().push(delivery.clone());
        let act = self.script.lock().unwrap().pop_front();
        match act.unwrap_or(Act::Succeed) {
            Act::Succeed => Ok(()),
            Act::Fail => Err(HandlerError::retry("the database is away")),
            Act::Panic => panic!("as the script says"),
            Act::Hang => std::future::pending().await,
            Act::Despair => {
                let source = Some("no such field".into());
                Err(HandlerError::Hopeless { reason: "not a task event".to_owned(), source })
            }
        }
    }
}

/// Keeps dead letters, or is out of order for the first so many.
#[derive(Default)]
struct Grave {
    letters: Mutex<Vec<DeadLetter>>,
    broken: Mutex<u32>,
}

#[async_trait]
impl DeadLetters for Grave {
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError> {
        let mut broken = self.broken.lock().unwrap();
        if *broken > 0 {
            *broken -= 1;
            return Err("the database is away".into());
        }
        self.letters.lock().unwrap().push(letter);
        Ok(())
    }
}

/// One attempt each, so that a script is also the list of deliveries.
fn config() -> Config {
    Config {
        app_api_token: Some(ApiToken::try_from(TOKEN.to_owned()).unwrap()),
        retry: Retry { attempts: 1, backoff_ms: 0 },
        handler_timeout_ms: 60_000,
        ..Config::default()
    }
}

struct App {
    channel: Channel,
    grave: Arc<Grave>,
    draining: CancellationToken,
}

impl App {
    async fn start(config: Config, handlers: &[Arc<Scripted>]) -> Self {
        let grave = Arc::new(Grave::default());
        let mut router = Router::new(&config, Arc::new(|| 0.5));
        for handler in handlers {
            router = router.subscribe("pubsub", TOPIC, handler.clone(), grave.clone()).unwrap();
        }
        let draining = CancellationToken::new();
        let guard = Guard::new(&config).unwrap();
        let routes = add_callbacks(Routes::default(), router, &guard, draining.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { channel, grave, draining }
    }

    fn callback(&self) -> AppCallbackClient<Channel> {
        AppCallbackClient::new(self.channel.clone())
    }

    async fn deliver(&self, event: Vec<u8>) -> TopicEventResponseStatus {
        self.callback().on_topic_event(signed(raw(event))).await.unwrap().into_inner().status()
    }

    async fn deliver_all(&self, events: Vec<Event>) -> Vec<(String, TopicEventResponseStatus)> {
        let entry = |(index, event)| pb::TopicEventBulkRequestEntry {
            entry_id: format!("e{index}"),
            event: Some(event),
            ..Default::default()
        };
        let request = pb::TopicEventBulkRequest {
            entries: events.into_iter().enumerate().map(entry).collect(),
            topic: TOPIC.to_owned(),
            pubsub_name: "pubsub".to_owned(),
            ..Default::default()
        };
        let response = self.callback().on_bulk_topic_event(signed(request)).await.unwrap().into_inner();
        response.statuses.into_iter().map(|entry| (entry.entry_id.clone(), entry.status())).collect()
    }
}

fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("dapr-api-token", TOKEN.parse().unwrap());
    request
}

/// An event as daprd 1.18.3 delivers it for a raw subscription.
fn raw(event: Vec<u8>) -> pb::TopicEventRequest {
    pb::TopicEventRequest {
        id: "05c600d3-8ee3-4b30-9af1-03e666f120fe".to_owned(),
        source: "Dapr".to_owned(),
        r#type: "com.dapr.event.sent".to_owned(),
        spec_version: "1.0".to_owned(),
        data_content_type: "application/octet-stream".to_owned(),
        data: event,
        topic: TOPIC.to_owned(),
        pubsub_name: "pubsub".to_owned(),
        ..Default::default()
    }
}

fn event(subject: &str, number: u8) -> Vec<u8> {
    let event = CloudEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(number) + 1)),
        source: "docket/tasks".to_owned(),
        event_type: "com.todo.task.created".to_owned(),
        subject: subject.to_owned(),
        time: "2026-11-21T04:00:00Z".parse().unwrap(),
        trace: None,
        data: Bytes::from(number.to_string()),
    };
    event.encode().unwrap()
}

use TopicEventResponseStatus::{Retry as AGAIN, Success as DONE};

#[tokio::test]
async fn only_the_sidecar_itself_may_deliver() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let check = async |headers: &[(&'static str, &'static str)], expect: Result<(), Code>| {
        let mut request = Request::new(raw(event("a", 1)));
        for (name, value) in headers {
            request.metadata_mut().append(*name, value.parse().unwrap());
        }
        let before = handler.seen().len();
        let answer = app.callback().on_topic_event(request).await;
        if let Err(status) = &answer {
            let info = status.get_details_error_info().expect("an ErrorInfo");
            assert_eq!((info.reason.as_str(), info.domain.as_str()), ("INTERNAL_METHOD", "docket.dev"));
            assert_eq!(info.metadata["method"], "dapr.proto.runtime.v1.AppCallback/OnTopicEvent");
        }
        assert_eq!(answer.map(|_| ()).map_err(|status| status.code()), expect, "{headers:?}");
        assert_eq!(handler.seen().len() - before, usize::from(expect.is_ok()), "{headers:?}");
    };
    let token = ("dapr-api-token", TOKEN);
    check(&[token], Ok(())).await;
    check(&[("dapr-api-token", "from the event's metadata"), token], Ok(())).await;
    check(&[], Err(Code::PermissionDenied)).await;
    check(&[("dapr-api-token", "")], Err(Code::PermissionDenied)).await;
    check(&[("dapr-api-token", "the-token-of-the-apq")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-app-id", "docket")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-callee-app-id", "docket")], Err(Code::PermissionDenied)).await;
    check(&[token, ("dapr-caller-app-id", "stranger")], Err(Code::PermissionDenied)).await;
}

#[tokio::test]
async fn what_nobody_handles_is_neither_acknowledged_nor_unimplemented() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let mut callback = app.callback();
    let topic = pb::TopicEventRequest { topic: "reminders".to_owned(), ..raw(event("a", 1)) };
    let pubsub = pb::TopicEventRequest { pubsub_name: "kafka".to_owned(), ..raw(event("a", 1)) };
    let bulk = pb::TopicEventBulkRequest { topic: "reminders".to_owned(), ..Default::default() };
    let job = pb::JobEventRequest { name: "reminder-1".to_owned(), ..Default::default() };
    let binding = pb::BindingEventRequest { name: "cron".to_owned(), ..Default::default() };
    let refusals = [
        callback.on_topic_event(signed(topic)).await.unwrap_err(),
        callback.on_topic_event(signed(pubsub)).await.unwrap_err(),
        callback.on_bulk_topic_event(signed(bulk)).await.unwrap_err(),
        callback.on_job_event(signed(job)).await.unwrap_err(),
        callback.on_binding_event(signed(binding)).await.unwrap_err(),
    ];
    for status in refusals {
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(status.get_details_error_info().expect("an ErrorInfo").reason, "INTERNAL");
    }
    let invoked = callback.on_invoke(signed(InvokeRequest::default())).await.unwrap_err();
    assert_eq!(invoked.code(), Code::Unimplemented);
    let bindings = callback.list_input_bindings(signed(())).await.unwrap().into_inner().bindings;
    assert_eq!(bindings, Vec::<String>::new());
    assert_eq!(handler.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn an_event_is_done_when_every_handler_is() {
    let audit = Scripted::new("audit", []);
    let recurrence = Scripted::new("recurrence", [Act::Fail]);
    let app = App::start(config(), &[recurrence.clone(), audit.clone()]).await;
    assert_eq!(app.deliver(event("a", 1)).await, AGAIN);
    assert_eq!(audit.seen(), ["1"], "the failure of one handler does not keep an event from the others");
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    assert_eq!((audit.seen().len(), recurrence.seen().len()), (2, 2));
}

#[tokio::test]
async fn no_failure_is_ever_acknowledged() {
    for act in [Act::Fail, Act::Panic, Act::Hang] {
        let handler = Scripted::new("audit", [act]);
        let app =
            App::start(Config { handler_timeout_ms: 50, ..config() }, std::slice::from_ref(&handler)).await;
        assert_eq!(app.deliver(event("a", 1)).await, AGAIN);
        assert_eq!(app.deliver(event("a", 1)).await, DONE, "the next delivery is handled as usual");
    }
}

#[tokio::test]
async fn a_short_trouble_is_ridden_out_in_the_app() {
    let config = Config { retry: Retry { attempts: 3, backoff_ms: 1 }, ..config() };
    let handler =
        Scripted::new("audit", [Act::Fail, Act::Panic, Act::Succeed, Act::Fail, Act::Fail, Act::Fail]);
    let app = App::start(config, std::slice::from_ref(&handler)).await;
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    assert_eq!(handler.seen(), ["1", "1", "1"]);
    assert_eq!(app.deliver(event("a", 2)).await, AGAIN);
    assert_eq!(handler.seen(), ["1", "1", "1", "2", "2", "2"]);
}

#[tokio::test]
async fn the_hopeless_is_buried_with_its_reason_and_bytes() {
    let audit = Scripted::new("audit", []);
    let recurrence = Scripted::new("recurrence", [Act::Despair, Act::Despair]);
    let app = App::start(config(), &[audit.clone(), recurrence.clone()]).await;
    *app.grave.broken.lock().unwrap() = 1;
    assert_eq!(app.deliver(event("a", 1)).await, AGAIN, "what could not be buried comes again");
    assert_eq!(app.deliver(event("a", 1)).await, DONE);
    let expect = DeadLetter {
        handler: "recurrence".to_owned(),
        event_id: "00000000-0000-0000-0000-000000000002".parse().unwrap(),
        pubsub: "pubsub".to_owned(),
        topic: TOPIC.to_owned(),
        key: "a".to_owned(),
        reason: "not a task event: no such field".to_owned(),
        trace: None,
        original: Bytes::from(event("a", 1)),
    };
    assert_eq!(*app.grave.letters.lock().unwrap(), [expect]);
}

#[tokio::test]
async fn what_is_no_event_is_buried_unread() {
    let handler = Scripted::new("audit", []);
    let app = App::start(config(), std::slice::from_ref(&handler)).await;
    let garbage = b"garbage\xff".to_vec();
    assert_eq!(app.deliver(garbage.clone()).await, DONE);
    assert_eq!(app.deliver_all(vec![Event::Bytes(garbage.clone())]).await, [("e0".to_owned(), DONE)]);
    let letters = app.grave.letters.lock().unwrap();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0], letters[1], "the same bytes make the same letter");
    assert_eq!((letters[0].handler.as_str(), &letters[0].original[..]), ("envelope", &garbage[..]));
    assert!(letters[0].reason.starts_with("not a CloudEvent in JSON: "), "{}", letters[0].reason);
    assert_eq!(handler.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn in_a_batch_nothing_overtakes_a_failure_of_its_key() {
    // One key at a time, in the order of their names, so that the script fits: a's first event succeeds, its second fails.
    let config = Config { keys_in_flight: 1, ..config() };
    let handler = Scripted::new("audit", [Act::Succeed, Act::Fail]);
    let app = App::start(config, std::slice::from_ref(&handler)).await;
    let taken_apart = pb::TopicEventCeRequest {
        id: "00000000-0000-0000-0000-000000000063".to_owned(),
        source: "docket/tasks".to_owned(),
        r#type: "com.todo.task.created".to_owned(),
        spec_version: "1.0".to_owned(),
        data_content_type: "application/json".to_owned(),
        data: b"6".to_vec(),
        extensions: Some(prost_types::Struct {
            fields: [("subject", "b"), ("time", "2026-11-21T04:00:00Z"), ("traceparent", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned().into()))
                .into(),
        }),
    };
    let answers = app
        .deliver_all(vec![
            Event::Bytes(event("b", 1)),
            Event::Bytes(event("a", 2)),
            Event::Bytes(event("a", 3)),
            Event::Bytes(b"{}".to_vec()),
            Event::Bytes(event("a", 4)),
            Event::Bytes(event("b", 5)),
            Event::CloudEvent(taken_apart),
        ])
        .await;
    let expect = [DONE, DONE, AGAIN, DONE, AGAIN, DONE, DONE];
    let expect: Vec<_> =
        expect.into_iter().enumerate().map(|(index, status)| (format!("e{index}"), status)).collect();
    assert_eq!(answers, expect);
    assert_eq!(handler.seen(), ["2", "3", "1", "5", "6"]);
}

#[tokio::test]
async fn subjects_of_a_batch_do_not_wait_for_each_other() {
    // Two events of different subjects can only both be under way at once when neither waits for the other.
    struct Meeting(tokio::sync::Barrier);
    #[async_trait]
    impl TopicHandler for Meeting {
        fn name(&self) -> &'static str {
            "meeting"
        }
        async fn handle(&self, _: &Delivery) -> Result<(), HandlerError> {
            self.0.wait().await;
            Ok(())
        }
    }
    let grave = Arc::new(Grave::default());
    let router = Router::new(&config(), Arc::new(|| 0.5));
    let router =
        router.subscribe("pubsub", TOPIC, Arc::new(Meeting(tokio::sync::Barrier::new(2))), grave).unwrap();
    let guard = Guard::new(&config()).unwrap();
    let routes = add_callbacks(Routes::default(), router, &guard, CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel =
        Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap().connect_lazy();
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(TcpListenerStream::new(listener)));
    let app = App { channel, grave: Arc::default(), draining: CancellationToken::new() };
    let answers = app.deliver_all(vec![Event::Bytes(event("a", 1)), Event::Bytes(event("b", 2))]).await;
    assert_eq!(answers, [("e0".to_owned(), DONE), ("e1".to_owned(), DONE)]);
}

#[tokio::test]
async fn each_topic_is_subscribed_once_and_raw() {
    let raw = || [("rawPayload".to_owned(), "true".to_owned())].into();
    let plain = pb::TopicSubscription {
        pubsub_name: "pubsub".to_owned(),
        topic: TOPIC.to_owned(),
        metadata: raw(),
        ..Default::default()
    };
    let full = pb::TopicSubscription {
        dead_letter_topic: "task-events-dlq".to_owned(),
        bulk_subscribe: Some(pb::BulkSubscribeConfig {
            enabled: true,
            max_messages_count: 100,
            max_await_duration_ms: 5,
        }),
        ..plain.clone()
    };
    let bulk =
        Config { bulk: Some(Bulk::default()), dead_letter_suffix: Some("-dlq".to_owned()), ..config() };
    for (config, expect) in [(config(), plain), (bulk, full)] {
        let app = App::start(config, &[Scripted::new("audit", []), Scripted::new("recurrence", [])]).await;
        // Without the token: daprd sends none with this question.
        let answer = app.callback().list_topic_subscriptions(()).await.unwrap().into_inner();
        assert_eq!(answer.subscriptions, [expect]);
    }
}

#[tokio::test]
async fn health_ends_with_the_drain() {
    let app = App::start(config(), &[]).await;
    let mut health = AppCallbackHealthCheckClient::new(app.channel.clone());
    health.health_check(()).await.unwrap();
    app.draining.cancel();
    assert_eq!(health.health_check(()).await.unwrap_err().code(), Code::Unavailable);
}

#[test]
fn handlers_of_a_topic_have_different_names() {
    let grave = Arc::new(Grave::default());
    let router = Router::new(&config(), Arc::new(|| 0.5));
    let router = router.subscribe("pubsub", TOPIC, Scripted::new("audit", []), grave.clone()).unwrap();
    let router = router.subscribe("pubsub", "reminders", Scripted::new("audit", []), grave.clone()).unwrap();
    assert_eq!(router.topics().count(), 2);
    let error = router.subscribe("pubsub", TOPIC, Scripted::new("audit", []), grave).err().unwrap();
    assert_eq!(error.to_string(), "topic \"task-events\" has two handlers named \"audit\"");
}

#[test]
fn callbacks_are_not_left_open_by_accident() {
    let open = Config { app_api_token: None, ..config() };
    let error = Guard::new(&open).unwrap_err().to_string();
    assert!(error.contains("APP_API_TOKEN"), "{error}");
    assert!(Guard::new(&Config { insecure: true, ..open }).is_ok());
}
