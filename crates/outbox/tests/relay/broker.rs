//! A sidecar whose broker does as it is told, and keeps what it takes.
//!
//! The messages are written by hand from Dapr's published contract: a mistake in the code under test is not shared.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use docket_sidecar::{Client, Config};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

/// What the broker makes of a call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It takes all of it.
    Yes,
    /// It takes all but the messages of these keys, and says which.
    Not(BTreeSet<String>),
    /// It takes all of it, and says that it failed.
    YesBut(Code),
    /// It takes nothing, and says so.
    No(Code),
    /// It never answers.
    Silence,
}

/// A message that the broker has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Taken {
    pub(crate) topic: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) metadata: HashMap<String, String>,
}

impl Taken {
    pub(crate) fn key(&self) -> &str {
        &self.metadata["partitionKey"]
    }

    pub(crate) fn says(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(String::as_str)
    }

    /// The event's own id.
    pub(crate) fn event_id(&self) -> String {
        let event: serde_json::Value = serde_json::from_slice(&self.bytes).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }
}

/// How one call looked: the keys of its messages, and whether they came together.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    pub(crate) bulk: bool,
    pub(crate) keys: Vec<String>,
}

type Judge = Box<dyn Fn(&Call) -> Answer + Send + Sync>;

/// The broker. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Broker(Arc<Inner>);

struct Inner {
    judge: Judge,
    /// Calls wait for a permit, when they are to be held.
    gate: Option<Semaphore>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    taken: Vec<Taken>,
    calls: Vec<Call>,
    under_way: usize,
    most_under_way: usize,
}

impl Broker {
    /// A broker that judges each call; its sidecar's client gives up a call after so many milliseconds.
    pub(crate) async fn start(
        deadline_ms: u64,
        judge: impl Fn(&Call) -> Answer + Send + Sync + 'static,
    ) -> (Self, Client) {
        Self::serve(deadline_ms, Box::new(judge), None).await
    }

    /// A broker that takes everything, and holds each call until it is let go.
    pub(crate) async fn held(deadline_ms: u64) -> (Self, Client) {
        Self::serve(deadline_ms, Box::new(|_| Answer::Yes), Some(Semaphore::new(0))).await
    }

    async fn serve(deadline_ms: u64, judge: Judge, gate: Option<Semaphore>) -> (Self, Client) {
        let broker = Self(Arc::new(Inner { judge, gate, seen: Mutex::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let incoming = TcpListenerStream::new(listener);
        tokio::spawn(Server::builder().add_service(broker.clone()).serve_with_incoming(incoming));
        let config = Config { endpoint, deadline_ms, ..Config::default() };
        (broker, Client::connect_lazy(&config).unwrap())
    }

    /// Lets so many calls go.
    pub(crate) fn let_go(&self, calls: usize) {
        self.0.gate.as_ref().unwrap().add_permits(calls);
    }

    pub(crate) fn taken(&self) -> Vec<Taken> {
        self.0.seen.lock().unwrap().taken.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.seen.lock().unwrap().calls.clone()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.0.seen.lock().unwrap().under_way
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.0.seen.lock().unwrap().most_under_way
    }

    async fn work(&self, call: Call, messages: Vec<Taken>) -> Result<BTreeSet<String>, Status> {
        {
            let mut seen = self.0.seen.lock().unwrap();
            seen.calls.push(call.clone());
            seen.under_way += 1;
            seen.most_under_way = seen.most_under_way.max(seen.under_way);
        }
        if let Some(gate) = &self.0.gate {
            gate.acquire().await.unwrap().forget();
        }
        let answer = (self.0.judge)(&call);
        if answer == Answer::Silence {
            std::future::pending::<()>().await;
        }
        let mut seen = self.0.seen.lock().unwrap();
        seen.under_way -= 1;
        let take = |not: &BTreeSet<String>| {
            seen.taken.extend(messages.into_iter().filter(|message| !not.contains(message.key())));
        };
        match answer {
            Answer::Yes | Answer::Silence => take(&BTreeSet::new()),
            Answer::Not(keys) => {
                take(&keys);
                return Ok(keys);
            }
            Answer::YesBut(code) => {
                take(&BTreeSet::new());
                return Err(refusal(code));
            }
            Answer::No(code) => return Err(refusal(code)),
        }
        Ok(BTreeSet::new())
    }
}

#[expect(clippy::disallowed_methods, reason = "plays the sidecar, which is not Docket")]
fn refusal(code: Code) -> Status {
    Status::new(code, "as told")
}

/// Fields as in Dapr's `PublishEventRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Publish {
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
    #[prost(map = "string, string", tag = "5")]
    metadata: HashMap<String, String>,
}

/// Fields as in Dapr's `BulkPublishRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Bulk {
    #[prost(string, tag = "2")]
    topic: String,
    #[prost(message, repeated, tag = "3")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    entry_id: String,
    #[prost(bytes = "vec", tag = "2")]
    event: Vec<u8>,
    #[prost(map = "string, string", tag = "4")]
    metadata: HashMap<String, String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BulkAnswer {
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

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Nothing {}

/// Fields as in Dapr's `GetMetadataResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Metadata {
    #[prost(message, repeated, tag = "3")]
    components: Vec<Component>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Component {
    #[prost(string, tag = "1")]
    name: String,
}

type Reply<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

impl UnaryService<Publish> for Broker {
    type Response = Nothing;
    type Future = Reply<Nothing>;

    fn call(&mut self, request: Request<Publish>) -> Reply<Nothing> {
        let (broker, Publish { topic, data, metadata }) = (self.clone(), request.into_inner());
        Box::pin(async move {
            let message = Taken { topic, bytes: data, metadata };
            let call = Call { bulk: false, keys: vec![message.key().to_owned()] };
            match broker.work(call, vec![message]).await?.is_empty() {
                true => Ok(Response::new(Nothing {})),
                false => Err(refusal(Code::Internal)),
            }
        })
    }
}

impl UnaryService<Bulk> for Broker {
    type Response = BulkAnswer;
    type Future = Reply<BulkAnswer>;

    fn call(&mut self, request: Request<Bulk>) -> Reply<BulkAnswer> {
        let (broker, Bulk { topic, entries }) = (self.clone(), request.into_inner());
        Box::pin(async move {
            let taken = |entry: &Entry| Taken {
                topic: topic.clone(),
                bytes: entry.event.clone(),
                metadata: entry.metadata.clone(),
            };
            let messages: Vec<Taken> = entries.iter().map(taken).collect();
            let keys: Vec<String> = messages.iter().map(|message| message.key().to_owned()).collect();
            let refused = broker.work(Call { bulk: true, keys: keys.clone() }, messages).await?;
            let failed = entries.into_iter().zip(keys).filter(|(_, key)| refused.contains(key));
            let failed =
                failed.map(|(entry, _)| Failed { entry_id: entry.entry_id, error: "full".to_owned() });
            Ok(Response::new(BulkAnswer { failed_entries: failed.collect() }))
        })
    }
}

impl UnaryService<Nothing> for Broker {
    type Response = Metadata;
    type Future = Reply<Metadata>;

    fn call(&mut self, _: Request<Nothing>) -> Reply<Metadata> {
        let components = vec![Component { name: "pubsub".to_owned() }];
        Box::pin(async move { Ok(Response::new(Metadata { components })) })
    }
}

impl NamedService for Broker {
    const NAME: &'static str = "dapr.proto.runtime.v1.Dapr";
}

impl tower::Service<http::Request<Body>> for Broker {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let broker = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
            Ok(match method.as_str() {
                "PublishEvent" => unary::<Publish>(broker, request).await,
                "BulkPublishEvent" => unary::<Bulk>(broker, request).await,
                _ => unary::<Nothing>(broker, request).await,
            })
        })
    }
}

async fn unary<Q>(broker: Broker, request: http::Request<Body>) -> http::Response<Body>
where
    Q: prost::Message + Default + 'static,
    Broker: UnaryService<Q>,
    <Broker as UnaryService<Q>>::Response: prost::Message + 'static,
{
    let codec = ProstCodec::<<Broker as UnaryService<Q>>::Response, Q>::default();
    Grpc::new(codec).unary(broker, request).await
}
