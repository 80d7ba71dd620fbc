//! A sidecar and its broker that are not to be relied on: publishing fails, or seems to, events are lost, and answers to
//! calls that are passed on get lost. Events of tasks are delivered when a test says so, those of reminders at once. There is
//! no scheduler: reminders are given without alarms.
//!
//! The messages are written by hand from Dapr's published contract, as those of `docket_testkit` are.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use docket_testkit::callback::{Answer, TopicEvent};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Context, Poll, Service, http, tokio_stream};
use tonic::server::{NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::model::host::Running;

pub(crate) const PUBSUB: &str = "pubsub";
pub(crate) const TOPIC: &str = "task-events";

/// How the types of tasks' events begin.
pub(crate) const OF_TASKS: &str = "com.todo.task.";

/// The pause before an event comes again that the app did not take.
const PAUSE: Duration = Duration::from_millis(20);

/// An event as it was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) bytes: Vec<u8>,
    pub(crate) id: String,
    /// The CloudEvent.
    pub(crate) json: serde_json::Value,
}

/// The sidecar. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    /// By task and version.
    events: Mutex<BTreeMap<(String, i64), Published>>,
    arrived: Notify,
    /// Where calls are passed on to.
    app: watch::Receiver<Option<Running>>,
    rng: Mutex<StdRng>,
    troubles: Mutex<BTreeMap<&'static str, Trouble>>,
    /// What must not be published.
    faults: Mutex<Vec<String>>,
}

/// What goes wrong once in each so many occasions: at random, but not with the luck that it never does.
#[derive(Default)]
struct Trouble {
    /// How many occasions there are before the next so many begin, and at how many of them left it strikes.
    left: u32,
    at: u32,
    count: u64,
}

impl Trouble {
    fn strikes(&mut self, every: u32, rng: &mut StdRng) -> bool {
        if self.left == 0 {
            (self.left, self.at) = (every, rng.random_range(1..=every));
        }
        let strikes = self.left == self.at;
        self.left -= 1;
        self.count += u64::from(strikes);
        strikes
    }
}

impl Broker {
    /// Starts it; ends with the runtime.
    pub(crate) async fn start(app: watch::Receiver<Option<Running>>, seed: u64) -> (Self, SocketAddr) {
        let broker = Self(Arc::new(Inner {
            events: Mutex::default(),
            arrived: Notify::new(),
            app,
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            troubles: Mutex::default(),
            faults: Mutex::default(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        let server = tonic::transport::Server::builder()
            .add_service(Dapr(broker.clone()))
            .add_service(Tasks(Passing(broker.clone())))
            .add_service(Reminders(Passing(broker.clone())));
        tokio::spawn(server.serve_with_incoming(incoming));
        (broker, address)
    }

    /// The event of a task's version, once it is published.
    pub(crate) async fn event(&self, task: &str, version: i64) -> Published {
        let key = (task.to_owned(), version);
        loop {
            let arrived = self.0.arrived.notified();
            let event = self.0.events.lock().unwrap().get(&key).cloned();
            match event {
                Some(event) => return event,
                None => arrived.await,
            }
        }
    }

    /// How often what went wrong.
    pub(crate) fn troubles(&self) -> BTreeMap<&'static str, u64> {
        let troubles = self.0.troubles.lock().unwrap();
        troubles
            .iter()
            .map(|(what, trouble)| (*what, trouble.count))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// What was published and differs from what was published before as the same version.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.0.faults.lock().unwrap().clone()
    }

    /// How many events were published.
    pub(crate) fn len(&self) -> usize {
        self.0.events.lock().unwrap().len()
    }

    /// Whether something goes wrong this time, as it does once in so many.
    fn strikes(&self, what: &'static str, every: u32) -> bool {
        let (mut troubles, mut rng) = (self.0.troubles.lock().unwrap(), self.0.rng.lock().unwrap());
        troubles.entry(what).or_default().strikes(every, &mut rng)
    }

    fn take(&self, topic: String, bytes: Vec<u8>) {
        if self.strikes("an event was lost", 200) {
            return;
        }
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        if !text("type").starts_with(OF_TASKS) {
            tokio::spawn(self.clone().bring(topic, bytes));
            return;
        }
        // 64-bit numbers are texts in protobuf's JSON.
        let version = json["data"]["sequence"].as_str().unwrap().parse().unwrap();
        let (task, id) = (text("subject"), text("id"));
        let published = Published { bytes, id, json };
        let first = self.0.events.lock().unwrap().entry((task, version)).or_insert(published.clone()).clone();
        if (&first.id, &first.bytes) != (&published.id, &published.bytes) {
            self.0.faults.lock().unwrap().push(format!("{first:?} and {published:?}"));
        }
        self.0.arrived.notify_waiters();
    }

    /// Delivers an event again and again until the app has taken it, through all its crashes.
    async fn bring(self, topic: String, bytes: Vec<u8>) {
        let mut app = self.0.app.clone();
        while let Ok(running) = app.wait_for(Option::is_some).await.map(|running| running.clone()) {
            let Some(running) = running else { continue };
            let event = TopicEvent::raw(PUBSUB, &topic, bytes.clone());
            if let Ok(Answer::Success) = running.sidecar().topic_event(event).await {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn publish_bulk(&self, request: Bulk) -> Result<BulkAnswer, Status> {
        if self.strikes("nothing was published", 40) {
            return Err(Status::unavailable("the sidecar is away"));
        }
        let mut failed_entries = Vec::new();
        for entry in request.entries {
            if self.strikes("an event was not taken", 100) {
                failed_entries.push(Failed { entry_id: entry.entry_id, error: "full".to_owned() });
            } else {
                self.take(request.topic.clone(), entry.event);
            }
        }
        if self.strikes("the broker's answer was wrong", 40) {
            return Err(Status::internal("something broke"));
        }
        Ok(BulkAnswer { failed_entries })
    }

    async fn pass_on(&self, mut request: http::Request<Body>) -> http::Response<Body> {
        if self.strikes("a call was not passed on", 50) {
            return Status::unavailable("no app").into_http();
        }
        let headers = request.headers_mut();
        headers.remove("dapr-app-id");
        headers.insert("dapr-callee-app-id", http::HeaderValue::from_static("docket"));
        headers.insert("content-type", http::HeaderValue::from_static("application/grpc+proto"));
        let Some(mut app) = self.0.app.borrow().as_ref().map(|running| running.app.clone()) else {
            return Status::unavailable("no app").into_http();
        };
        let answer = async {
            std::future::poll_fn(|context| app.poll_ready(context)).await?;
            app.call(request).await
        };
        match answer.await {
            Ok(_) if self.strikes("an answer was not passed on", 50) => {
                Status::unavailable("the connection broke").into_http()
            }
            Ok(answer) => answer,
            Err(error) => Status::unavailable(error.to_string()).into_http(),
        }
    }
}

/// `dapr.proto.runtime.v1.Dapr`.
#[derive(Clone)]
struct Dapr(Broker);

impl NamedService for Dapr {
    const NAME: &'static str = "dapr.proto.runtime.v1.Dapr";
}

impl Service<http::Request<Body>> for Dapr {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let broker = self.0.clone();
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            Ok(match path.rsplit('/').next().unwrap_or_default() {
                "PublishEvent" => {
                    let publish = |single: Single| {
                        broker.take(single.topic, single.data);
                        Ok(Nothing {})
                    };
                    unary(request, publish).await
                }
                "BulkPublishEvent" => unary(request, |bulk| broker.publish_bulk(bulk)).await,
                "GetMetadata" => {
                    let component = Component { name: PUBSUB.to_owned() };
                    let metadata = Metadata { id: "docket".to_owned(), components: vec![component] };
                    unary(request, |Nothing {}| Ok(metadata.clone())).await
                }
                job if job.contains("Job") => Status::unavailable("there is no scheduler").into_http(),
                other => panic!("nobody asks a sidecar for {other}"),
            })
        })
    }
}

/// Calls of another app.
#[derive(Clone)]
struct Passing(Broker);

impl Passing {
    fn pass(&self, request: http::Request<Body>) -> BoxFuture<http::Response<Body>, Infallible> {
        let broker = self.0.clone();
        Box::pin(async move { Ok(broker.pass_on(request).await) })
    }
}

/// A service of another app.
macro_rules! passing {
    ($service:ident, $name:literal) => {
        #[derive(Clone)]
        struct $service(Passing);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                self.0.pass(request)
            }
        }
    };
}

passing!(Tasks, "docket.v1.TaskService");
passing!(Reminders, "docket.v1.ReminderService");

/// Serves one call with a function.
async fn unary<Q, A>(
    request: http::Request<Body>,
    function: impl Fn(Q) -> Result<A, Status>,
) -> http::Response<Body>
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Default + Send + 'static,
{
    struct Function<F>(F);

    impl<Q, A, F: Fn(Q) -> Result<A, Status>> UnaryService<Q> for Function<F> {
        type Response = A;
        type Future = std::future::Ready<Result<Response<A>, Status>>;

        fn call(&mut self, request: Request<Q>) -> Self::Future {
            std::future::ready(self.0(request.into_inner()).map(Response::new))
        }
    }

    tonic::server::Grpc::new(ProstCodec::<A, Q>::default()).unary(Function(function), request).await
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Nothing {}

#[derive(Clone, PartialEq, prost::Message)]
struct Single {
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Bulk {
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<BulkEntry>,
    #[prost(map = "string, string", tag = "4")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BulkEntry {
    #[prost(string, tag = "1")]
    entry_id: String,
    #[prost(bytes = "vec", tag = "2")]
    event: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct BulkAnswer {
    #[prost(message, repeated, tag = "1")]
    failed_entries: Vec<Failed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Failed {
    #[prost(string, tag = "1")]
    entry_id: String,
    #[prost(string, tag = "2")]
    error: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metadata {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, repeated, tag = "3")]
    components: Vec<Component>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Component {
    #[prost(string, tag = "1")]
    name: String,
}
