//! An app with handlers that do as they are told, and a caller that speaks as a sidecar does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dapr::dapr::proto::runtime::v1 as pb;
use docket_domain::EventId;
use docket_sidecar::{
    ApiToken, BoxError, CloudEvent, Config, DeadLetter, DeadLetters, Delivery, Drain, Guard, HandlerError,
    Retry, Router, TopicHandler, Trace, add_callbacks,
};
use pb::app_callback_client::AppCallbackClient;
use pb::topic_event_bulk_request_entry::Event;
use pb::topic_event_response::TopicEventResponseStatus;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Request;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};

pub(crate) const TOKEN: &str = "the-token-of-the-app";
pub(crate) const TOPIC: &str = "task-events";

/// What a handler does with the next event.
pub(crate) enum Act {
    Succeed,
    Fail,
    Panic,
    Hang,
    Despair,
}

/// Follows its script, then succeeds; keeps the subjects that it saw.
pub(crate) struct Scripted {
    name: &'static str,
    script: Mutex<VecDeque<Act>>,
    pub(crate) seen: Mutex<Vec<Delivery>>,
}

impl Scripted {
    pub(crate) fn new(name: &'static str, script: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self { name, script: Mutex::new(script.into_iter().collect()), seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
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

/// The handler of a topic of dead letters, which there is nobody after.
pub(crate) struct Last(pub(crate) Arc<Scripted>);

#[async_trait]
impl TopicHandler for Last {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn is_last_resort(&self) -> bool {
        true
    }

    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        self.0.handle(delivery).await
    }
}

/// Keeps dead letters, or is out of order for the first so many.
#[derive(Default)]
pub(crate) struct Grave {
    pub(crate) letters: Mutex<Vec<DeadLetter>>,
    pub(crate) receipts: Mutex<Vec<(String, EventId)>>,
    pub(crate) broken: Mutex<u32>,
}

impl Grave {
    fn work(&self) -> Result<(), BoxError> {
        let mut broken = self.broken.lock().unwrap();
        if *broken > 0 {
            *broken -= 1;
            return Err("the database is away".into());
        }
        Ok(())
    }
}

#[async_trait]
impl DeadLetters for Grave {
    async fn bury(&self, letter: DeadLetter) -> Result<(), BoxError> {
        self.work()?;
        self.letters.lock().unwrap().push(letter);
        Ok(())
    }

    async fn receipt(&self, handler: &str, replay: EventId) -> Result<(), BoxError> {
        self.work()?;
        self.receipts.lock().unwrap().push((handler.to_owned(), replay));
        Ok(())
    }
}

/// One attempt each, so that a script is also the list of deliveries.
pub(crate) fn config() -> Config {
    Config {
        app_api_token: Some(ApiToken::try_from(TOKEN.to_owned()).unwrap()),
        retry: Retry { attempts: 1, backoff_ms: 0 },
        handler_timeout_ms: 60_000,
        ..Config::default()
    }
}

pub(crate) struct App {
    pub(crate) channel: Channel,
    pub(crate) grave: Arc<Grave>,
    pub(crate) drain: Drain,
}

impl App {
    pub(crate) async fn start(config: Config, handlers: &[Arc<Scripted>]) -> Self {
        let handlers = handlers.iter().map(|handler| handler.clone() as Arc<dyn TopicHandler>);
        Self::with(config, handlers, |router| router).await
    }

    /// With these handlers of the topic, and whatever else is added.
    pub(crate) async fn with(
        config: Config,
        handlers: impl IntoIterator<Item = Arc<dyn TopicHandler>>,
        more: impl FnOnce(Router) -> Router,
    ) -> Self {
        let grave = Arc::new(Grave::default());
        let mut router = more(Router::new(&config, Arc::new(|| 0.5)));
        for handler in handlers {
            router = router.subscribe("pubsub", TOPIC, handler, grave.clone()).unwrap();
        }
        let drain = Drain::new();
        let guard = Guard::new(&config).unwrap();
        let routes = add_callbacks(Routes::default(), router, &guard, drain.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        Self { channel, grave, drain }
    }

    pub(crate) fn callback(&self) -> AppCallbackClient<Channel> {
        AppCallbackClient::new(self.channel.clone())
    }

    pub(crate) async fn deliver(&self, event: Vec<u8>) -> TopicEventResponseStatus {
        self.callback().on_topic_event(signed(raw(event))).await.unwrap().into_inner().status()
    }

    /// The answers must come in the order of the events.
    pub(crate) async fn deliver_all(
        &self,
        events: impl IntoIterator<Item = impl Into<Entry>>,
    ) -> Vec<TopicEventResponseStatus> {
        let answers = self.callback().on_bulk_topic_event(signed(batch(events))).await.unwrap().into_inner();
        let expect: Vec<_> = (0..answers.statuses.len()).map(|index| format!("e{index}")).collect();
        assert_eq!(answers.statuses.iter().map(|entry| entry.entry_id.clone()).collect::<Vec<_>>(), expect);
        answers.statuses.iter().map(pb::TopicEventBulkResponseEntry::status).collect()
    }
}

/// An event of a batch, and its metadata.
pub(crate) struct Entry(pub(crate) Event, pub(crate) HashMap<String, String>);

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        Self(event, HashMap::new())
    }
}

impl From<Vec<u8>> for Entry {
    fn from(bytes: Vec<u8>) -> Self {
        Event::Bytes(bytes).into()
    }
}

/// A batch as daprd 1.18.3 delivers it.
pub(crate) fn batch(events: impl IntoIterator<Item = impl Into<Entry>>) -> pb::TopicEventBulkRequest {
    let entry = |(index, entry): (usize, Entry)| pb::TopicEventBulkRequestEntry {
        entry_id: format!("e{index}"),
        event: Some(entry.0),
        metadata: entry.1,
        ..Default::default()
    };
    pb::TopicEventBulkRequest {
        entries: events.into_iter().map(Into::into).enumerate().map(entry).collect(),
        topic: TOPIC.to_owned(),
        pubsub_name: "pubsub".to_owned(),
        ..Default::default()
    }
}

pub(crate) fn signed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("dapr-api-token", TOKEN.parse().unwrap());
    request
}

/// An event as daprd 1.18.3 delivers it for a raw subscription.
pub(crate) fn raw(event: Vec<u8>) -> pb::TopicEventRequest {
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

pub(crate) fn event(subject: &str, number: u8) -> Vec<u8> {
    traced(subject, number, None)
}

/// The same with a `traceparent`.
pub(crate) fn traced(subject: &str, number: u8, parent: Option<&str>) -> Vec<u8> {
    let event = CloudEvent {
        id: EventId::from_uuid(uuid::Uuid::from_u128(u128::from(number) + 1)),
        source: "docket/tasks".to_owned(),
        event_type: "com.todo.task.created".to_owned(),
        subject: subject.to_owned(),
        time: "2026-11-21T04:00:00Z".parse().unwrap(),
        trace: parent.map(|parent| Trace { parent: parent.to_owned(), state: None }),
        data: Bytes::from(number.to_string()),
    };
    event.encode().unwrap()
}

pub(crate) use TopicEventResponseStatus::{Retry as AGAIN, Success as DONE};
