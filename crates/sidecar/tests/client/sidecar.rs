//! A stand-in for the sidecar.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use dapr::dapr::proto::runtime::v1 as pb;
use docket_proto::v1;
use docket_sidecar::{ApiToken, Client, Config};
use http::{HeaderMap, Response};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

/// Answers what it is told to, and keeps what it was asked.
#[derive(Clone, Default)]
struct Sidecar {
    asked: Arc<Mutex<Asked>>,
    answer: Answer,
}

/// The last calls.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    pub(crate) publish: Option<pb::PublishEventRequest>,
    pub(crate) bulk: Option<pb::BulkPublishRequest>,
    pub(crate) schedule: Option<pb::ScheduleJobRequest>,
    pub(crate) job: Option<String>,
    pub(crate) binding: Option<pb::InvokeBindingRequest>,
    arrived: Arc<Notify>,
}

/// How it answers.
#[derive(Clone, Copy, Default)]
pub(crate) enum Answer {
    #[default]
    Yes,
    No(Code),
    /// What the sidecar makes of an error of the scheduler.
    Internal(&'static str),
    Silence,
}

impl NamedService for Sidecar {
    const NAME: &'static str = "dapr.proto.runtime.v1.Dapr";
}

type Reply<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send>>;

impl Sidecar {
    fn reply<T: Send + 'static>(&self, message: T) -> Reply<T> {
        let answer = self.answer;
        self.asked.lock().unwrap().arrived.notify_one();
        Box::pin(async move {
            match answer {
                Answer::Yes => Ok(tonic::Response::new(message)),
                Answer::No(code) => Err(refusal(code, "as told")),
                Answer::Internal(text) => Err(refusal(Code::Internal, text)),
                Answer::Silence => std::future::pending().await,
            }
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "plays the sidecar, which is not Docket")]
fn refusal(code: Code, text: &str) -> Status {
    Status::new(code, text)
}

impl UnaryService<pb::PublishEventRequest> for Sidecar {
    type Response = ();
    type Future = Reply<()>;
    fn call(&mut self, request: tonic::Request<pb::PublishEventRequest>) -> Reply<()> {
        self.asked.lock().unwrap().publish = Some(request.into_inner());
        self.reply(())
    }
}

impl UnaryService<pb::BulkPublishRequest> for Sidecar {
    type Response = pb::BulkPublishResponse;
    type Future = Reply<pb::BulkPublishResponse>;
    fn call(&mut self, request: tonic::Request<pb::BulkPublishRequest>) -> Reply<pb::BulkPublishResponse> {
        let request = request.into_inner();
        let failed = |entry: &pb::BulkPublishRequestEntry| pb::BulkPublishResponseFailedEntry {
            entry_id: entry.entry_id.clone(),
            error: "too large".to_owned(),
        };
        let failed_entries = request.entries.iter().skip(1).step_by(2).map(failed).collect();
        self.asked.lock().unwrap().bulk = Some(request);
        self.reply(pb::BulkPublishResponse { failed_entries })
    }
}

impl UnaryService<pb::GetMetadataRequest> for Sidecar {
    type Response = pb::GetMetadataResponse;
    type Future = Reply<pb::GetMetadataResponse>;
    fn call(&mut self, _: tonic::Request<pb::GetMetadataRequest>) -> Reply<pb::GetMetadataResponse> {
        let pubsub = pb::RegisteredComponents { name: "pubsub".to_owned(), ..Default::default() };
        self.reply(pb::GetMetadataResponse {
            id: "docket".to_owned(),
            registered_components: vec![pubsub],
            ..Default::default()
        })
    }
}

impl UnaryService<pb::ScheduleJobRequest> for Sidecar {
    type Response = pb::ScheduleJobResponse;
    type Future = Reply<pb::ScheduleJobResponse>;
    fn call(&mut self, request: tonic::Request<pb::ScheduleJobRequest>) -> Reply<pb::ScheduleJobResponse> {
        self.asked.lock().unwrap().schedule = Some(request.into_inner());
        self.reply(pb::ScheduleJobResponse {})
    }
}

impl UnaryService<pb::GetJobRequest> for Sidecar {
    type Response = pb::GetJobResponse;
    type Future = Reply<pb::GetJobResponse>;
    fn call(&mut self, request: tonic::Request<pb::GetJobRequest>) -> Reply<pb::GetJobResponse> {
        self.asked.lock().unwrap().job = Some(request.into_inner().name);
        self.reply(pb::GetJobResponse::default())
    }
}

impl UnaryService<pb::DeleteJobRequest> for Sidecar {
    type Response = pb::DeleteJobResponse;
    type Future = Reply<pb::DeleteJobResponse>;
    fn call(&mut self, request: tonic::Request<pb::DeleteJobRequest>) -> Reply<pb::DeleteJobResponse> {
        self.asked.lock().unwrap().job = Some(request.into_inner().name);
        self.reply(pb::DeleteJobResponse {})
    }
}

impl UnaryService<pb::InvokeBindingRequest> for Sidecar {
    type Response = pb::InvokeBindingResponse;
    type Future = Reply<pb::InvokeBindingResponse>;
    fn call(
        &mut self,
        request: tonic::Request<pb::InvokeBindingRequest>,
    ) -> Reply<pb::InvokeBindingResponse> {
        self.asked.lock().unwrap().binding = Some(request.into_inner());
        let metadata = [("statusCode".to_owned(), "410".to_owned())].into();
        self.reply(pb::InvokeBindingResponse { data: b"gone".to_vec(), metadata })
    }
}

impl UnaryService<v1::ListAuditEntriesRequest> for Sidecar {
    type Response = v1::ListAuditEntriesResponse;
    type Future = Reply<v1::ListAuditEntriesResponse>;
    fn call(
        &mut self,
        _: tonic::Request<v1::ListAuditEntriesRequest>,
    ) -> Reply<v1::ListAuditEntriesResponse> {
        self.reply(v1::ListAuditEntriesResponse {
            next_page_token: "from the other app".to_owned(),
            ..Default::default()
        })
    }
}

/// The same, under the name of the service of the app that calls are passed on to.
#[derive(Clone)]
struct Proxy(Sidecar);

impl NamedService for Proxy {
    const NAME: &'static str = "docket.v1.AuditService";
}

macro_rules! serve {
    ($type:ty, $inner:expr) => {
        impl tower::Service<http::Request<Body>> for $type {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;
            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let sidecar: Sidecar = $inner(self);
                sidecar.asked.lock().unwrap().headers = request.headers().clone();
                Box::pin(async move {
                    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
                    Ok(match method.as_str() {
                        "PublishEvent" => unary::<pb::PublishEventRequest>(sidecar, request).await,
                        "BulkPublishEvent" => unary::<pb::BulkPublishRequest>(sidecar, request).await,
                        "ScheduleJob" => unary::<pb::ScheduleJobRequest>(sidecar, request).await,
                        "GetJob" => unary::<pb::GetJobRequest>(sidecar, request).await,
                        "DeleteJob" => unary::<pb::DeleteJobRequest>(sidecar, request).await,
                        "InvokeBinding" => unary::<pb::InvokeBindingRequest>(sidecar, request).await,
                        "GetMetadata" => unary::<pb::GetMetadataRequest>(sidecar, request).await,
                        _ => unary::<v1::ListAuditEntriesRequest>(sidecar, request).await,
                    })
                })
            }
        }
    };
}
serve!(Sidecar, |this: &Self| this.clone());
serve!(Proxy, |this: &Self| this.0.clone());

async fn unary<M>(sidecar: Sidecar, request: http::Request<Body>) -> Response<Body>
where
    M: prost::Message + Default + 'static,
    Sidecar: UnaryService<M>,
    <Sidecar as UnaryService<M>>::Response: prost::Message + 'static,
{
    let codec = ProstCodec::<<Sidecar as UnaryService<M>>::Response, M>::default();
    Grpc::new(codec).unary(sidecar, request).await
}

/// A client of a stand-in that answers so, and what that is asked.
pub(crate) async fn start(answer: Answer, deadline_ms: u64) -> (Client, Arc<Mutex<Asked>>) {
    let sidecar = Sidecar { answer, ..Sidecar::default() };
    let asked = sidecar.asked.clone();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = Config {
        endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
        api_token: Some(ApiToken::try_from("the-token-of-the-sidecar".to_owned()).unwrap()),
        deadline_ms,
        ..Config::default()
    };
    let incoming = TcpListenerStream::new(listener);
    let server = Server::builder().add_service(sidecar.clone()).add_service(Proxy(sidecar));
    tokio::spawn(server.serve_with_incoming(incoming));
    (Client::connect_lazy(&config).unwrap(), asked)
}

/// What becomes of a call that has arrived at [`Answer::Silence`]: its deadline passes, however long the machine took to
/// bring it there.
pub(crate) async fn unanswered<T>(asked: &Mutex<Asked>, call: impl Future<Output = T>) -> T {
    let arrived = asked.lock().unwrap().arrived.clone();
    let mut call = pin!(call);
    tokio::select! {
        biased;
        () = arrived.notified() => {}
        result = &mut call => return result,
    }
    // With nothing else to do, the clock runs on to the next deadline.
    tokio::time::pause();
    let result = call.await;
    tokio::time::resume();
    result
}
