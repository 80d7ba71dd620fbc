//! What every call passes before and after its handler: drain, deadline, identity, trace, panics, explained errors.

use std::convert::Infallible;
use std::future::Future;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use docket_domain::Clock;
use docket_telemetry::instruments::Meter;
use docket_telemetry::{TraceContext, context_of};
use futures::FutureExt as _;
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::Instrument as _;

use crate::auth::Authenticator;
use crate::body::Answer;
use crate::caller::{self, Method, Port};
use crate::connection::{self, Activity};
use crate::deadline::Deadline;
use crate::ending::Watch;
use crate::fault::{DeadlineExceeded, Fault, Internal, InvalidFields, Unavailable, UnknownMethod};
use crate::form;
use crate::limit::{Limits, OpenStream, OpenStreams, Place, Share, TooManyStreams, UnsupportedCompression};
use crate::status::to_status;
use crate::trace;

/// The most bytes of a method's name that spans and answers repeat: it is the client's text.
const MAX_METHOD_BYTES: usize = 256;

/// The most bytes of a compression's name that answers repeat.
const MAX_ENCODING_BYTES: usize = 64;

/// How long after its deadline a call may still say that it is over, before its stream is reset.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What the shell of a port needs to know.
pub struct Rules {
    /// The door that the shell stands behind.
    pub port: Port,
    /// Checks tokens.
    pub authenticator: Arc<Authenticator>,
    /// Tells whether a token's time is over.
    pub clock: Arc<dyn Clock>,
    /// The longest that a call may take.
    pub max_deadline: Duration,
    /// How much is served; shared by all ports of the process.
    pub limits: Arc<Limits>,
    /// Cancelled when the server begins to drain: calls that arrive later are refused.
    pub draining: CancellationToken,
    /// Cancelled when the drain took too long: calls that are still under way are given up.
    pub cut: CancellationToken,
    /// Counts the calls under way, each until its answer is made and taken.
    pub calls: TaskTracker,
}

/// Puts a [`Shell`] around the routes of a server.
#[derive(Clone)]
pub struct ShellLayer {
    rules: Arc<Rules>,
    streams: OpenStreams,
    watch: Watch,
}

impl ShellLayer {
    /// A layer with these rules.
    pub fn new(rules: Rules) -> Self {
        let watch = Watch::new(rules.port);
        Self { streams: rules.limits.of_port(), rules: Arc::new(rules), watch }
    }

    /// The same, which counts the calls.
    pub fn with_meter(self, meter: &Meter) -> Self {
        Self { watch: self.watch.with_meter(meter), ..self }
    }
}

impl<S> Layer<S> for ShellLayer {
    type Service = Shell<S>;

    fn layer(&self, inner: S) -> Shell<S> {
        let (rules, streams, watch) = (self.rules.clone(), self.streams.clone(), self.watch.clone());
        Shell { inner, rules, streams, watch }
    }
}

/// The middleware around all services of a port.
#[derive(Clone)]
pub struct Shell<S> {
    inner: S,
    rules: Arc<Rules>,
    streams: OpenStreams,
    watch: Watch,
}

impl<S> Shell<S> {
    /// When the stream of a call that has just arrived is given up; never when it is one that its client ends.
    pub(crate) fn give_up(&self, request: &Request<Body>) -> Option<Instant> {
        if Kind::of(request.uri().path(), self.rules.port) == Kind::OpenStream {
            return None;
        }
        let deadline = Deadline::of(request.headers(), self.rules.max_deadline);
        Some(deadline.instant() + LAST_WORDS)
    }

    /// The count of a new connection's open streams.
    pub(crate) fn streams_of_connection(&self) -> OpenStreams {
        self.rules.limits.of_connection()
    }
}

impl<S> Service<Request<Body>> for Shell<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The clone may not be ready; the original was asked.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let rules = self.rules.clone();
        let kind = Kind::of(request.uri().path(), rules.port);
        let method =
            Method(request.uri().path().trim_start_matches('/').chars().take(MAX_METHOD_BYTES).collect());
        // Taken here and not at the first poll: the call has arrived now.
        let deadline = Deadline::of(request.headers(), rules.max_deadline);
        // The sidecar says what it does itself; what an event belongs to stands in the event.
        let told =
            if kind.is_api() { trace::of(request.headers(), rules.port) } else { TraceContext::default() };
        let mut ending = self.watch.begin(kind, &method, &told);
        let span = ending.span.clone();
        // What the handler's doings belong to; where nobody records, they belong to what the client does.
        let trace = Some(context_of(&span)).filter(|own| own.traceparent.is_some()).unwrap_or(told);
        let activity = request.extensions().get::<Activity>();
        let mut under_way = UnderWay::new(rules.calls.token(), activity.map(Activity::begin));
        let mut counts = vec![self.streams.clone()];
        counts.extend(activity.map(Activity::open_streams).cloned());
        let arrived = Arrived { kind, method, deadline, trace };

        let call = async move {
            let drain =
                (kind == Kind::OpenStream).then(|| Box::pin(rules.draining.clone().cancelled_owned()));
            let response = match under_way.open(kind, &rules.limits, &counts) {
                Ok(()) => handle(&rules, inner, request, &arrived, &mut under_way).await,
                Err(refused) => refuse(&refused),
            };
            let response = explain(response, kind, &arrived.method);
            match Status::from_header_map(response.headers()) {
                Some(status) => ending.tell(status.code()),
                None if response.status() != StatusCode::OK => ending.no_call(),
                None => {}
            }
            Ok(response.map(|body| Body::new(Answer::new(body, kind, ending, drain, under_way))))
        };
        Box::pin(call.instrument(span))
    }
}

/// What the head of a call says.
struct Arrived {
    kind: Kind,
    method: Method,
    deadline: Deadline,
    trace: TraceContext,
}

/// A call counts as under way, for the port and for its connection, and keeps its place, until this is dropped: with the
/// answer, when the client has taken it.
#[expect(dead_code, reason = "the parts count by being there")]
pub(crate) struct UnderWay {
    on_port: TaskTrackerToken,
    on_connection: Option<connection::UnderWay>,
    place: Option<Place>,
    share: Option<Share>,
    streams: Vec<OpenStream>,
}

impl UnderWay {
    fn new(on_port: TaskTrackerToken, on_connection: Option<connection::UnderWay>) -> Self {
        Self { on_port, on_connection, place: None, share: None, streams: Vec::new() }
    }

    /// Counts a stream that only its client ends, at its connection and at the port.
    fn open(&mut self, kind: Kind, limits: &Limits, counts: &[OpenStreams]) -> Result<(), TooManyStreams> {
        if kind == Kind::OpenStream {
            self.streams = counts.iter().map(|count| limits.open(count)).collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

/// What needs no token: the link in a message has all that is needed to be heard.
const LINKS: [&str; 1] = ["/docket.v1.NotificationService/Unsubscribe"];

/// How the shell treats a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Docket's API: authenticated, its errors explained.
    Api,
    /// The same for those who prove themselves by what they were sent: there is no token to ask for, and so no user.
    Link,
    /// The state of health: open to all, and answered during a drain too.
    Open,
    /// The same for watches of health and for reflection, which end with their client: there are only so many of them.
    OpenStream,
    /// Calls of the sidecar to the application: they carry no JWT, and their services guard themselves.
    Callback,
}

impl Kind {
    fn of(path: &str, port: Port) -> Self {
        if path.starts_with("/grpc.reflection.") || path == "/grpc.health.v1.Health/Watch" {
            Self::OpenStream
        } else if path.starts_with("/grpc.health.v1.") {
            Self::Open
        } else if port == Port::App && path.starts_with("/dapr.proto.runtime.v1.AppCallback") {
            Self::Callback
        } else if LINKS.contains(&path) {
            Self::Link
        } else {
            Self::Api
        }
    }

    /// Whether its errors are Docket's own.
    pub(crate) fn is_api(self) -> bool {
        matches!(self, Self::Api | Self::Link)
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::OpenStream)
    }
}

async fn handle<S>(
    rules: &Rules,
    mut inner: S,
    mut request: Request<Body>,
    arrived: &Arrived,
    under_way: &mut UnderWay,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    let Arrived { kind, ref method, deadline, ref trace } = *arrived;
    if let Some(refusal) = form::refuse(request.method(), request.headers()) {
        return refusal;
    }
    if !kind.is_open() && rules.draining.is_cancelled() {
        return refuse(&Unavailable);
    }
    if kind.is_api() {
        if let Err(unknown) = check_compression(request.headers()) {
            return refuse_compression(&unknown);
        }
        // Before anything that costs: who is turned away here has cost next to nothing.
        under_way.place = match rules.limits.enter(deadline).await {
            Ok(place) => place,
            Err(overloaded) => return refuse(&overloaded),
        };
    }
    if kind == Kind::Api {
        let now = rules.clock.now();
        let caller = match caller::admit(&rules.authenticator, rules.port, method, request.headers(), now) {
            Ok(caller) => caller,
            Err(refusal) => return refuse(&refusal),
        };
        // Docket's own services work for all users.
        if !caller.service {
            under_way.share = match rules.limits.count(&caller.subject) {
                Ok(share) => share,
                Err(refused) => return refuse(&refused),
            };
        }
        request.extensions_mut().insert(caller);
    }
    let extensions = request.extensions_mut();
    extensions.insert(method.clone());
    extensions.insert(trace.clone());

    // Whatever gives a call up drops its future, and that rolls its transaction back: wholly or not at all.
    let handler = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
    tokio::select! {
        biased;
        handled = handler => match handled {
            Ok(Ok(response)) => response,
            Err(_) => refuse(&Internal::new(Panicked)),
        },
        () = deadline.passed() => refuse(&DeadlineExceeded),
        () = rules.cut.cancelled() => refuse(&Unavailable),
    }
}

/// The kinds of compression that requests may have; the services are told to accept the same.
const COMPRESSIONS: &str = "identity,gzip";

fn check_compression(headers: &HeaderMap) -> Result<(), UnsupportedCompression> {
    match headers.get("grpc-encoding").map(|value| value.to_str().unwrap_or_default()) {
        None => Ok(()),
        Some(known) if COMPRESSIONS.split(',').any(|one| one == known) => Ok(()),
        Some(encoding) => {
            Err(UnsupportedCompression { encoding: encoding.chars().take(MAX_ENCODING_BYTES).collect() })
        }
    }
}

fn refuse_compression(unknown: &UnsupportedCompression) -> Response<Body> {
    let mut response = refuse(unknown);
    let known = http::HeaderValue::from_static(COMPRESSIONS);
    response.headers_mut().insert("grpc-accept-encoding", known);
    response
}

/// The panic hook has told message and place; the message may hold a user's text, so it is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked")]
struct Panicked;

fn refuse(fault: &dyn Fault) -> Response<Body> {
    to_status(fault).into_http()
}

/// Gives the errors that tonic made before it reached a handler, which come without details, a reason like all others.
fn explain(mut response: Response<Body>, kind: Kind, method: &Method) -> Response<Body> {
    let Some(status) = Status::from_header_map(response.headers()) else { return response };
    if kind == Kind::Callback || !status.details().is_empty() {
        return response;
    }
    let message = status.message().to_owned();
    let fault: Box<dyn Fault> = match status.code() {
        Code::Ok | Code::Cancelled => return response,
        Code::Unimplemented => Box::new(UnknownMethod {
            method: method.0.clone(),
            why: Some(message).filter(|message| !message.is_empty()),
        }),
        _ if kind.is_open() => return response,
        // The request's message is damaged or too large. Tonic blames the server for some of these.
        Code::Internal | Code::InvalidArgument | Code::OutOfRange | Code::ResourceExhausted => {
            Box::new(InvalidFields::one("request", message))
        }
        Code::DeadlineExceeded => Box::new(DeadlineExceeded),
        Code::Unavailable => Box::new(Unavailable),
        code => Box::new(Internal::new(format!("unexplained status {code:?}: {message}"))),
    };
    replace_status(response.headers_mut(), &to_status(fault.as_ref()));
    response
}

/// Puts a status in the place of the one that is there.
pub(crate) fn replace_status(headers: &mut HeaderMap, status: &Status) {
    for name in [Status::GRPC_STATUS, Status::GRPC_MESSAGE, Status::GRPC_STATUS_DETAILS] {
        headers.remove(name);
    }
    if status.add_header(headers).is_err() {
        // Can not be: message and details are encoded to visible ASCII. The code alone would still be right.
        headers.insert(Status::GRPC_STATUS, http::HeaderValue::from(status.code() as i32));
    }
}
