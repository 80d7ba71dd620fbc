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
use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::auth::Authenticator;
use crate::body::Answer;
use crate::caller::{self, Method, Port};
use crate::deadline::Deadline;
use crate::fault::{DeadlineExceeded, Fault, Internal, InvalidFields, Unavailable, UnknownMethod};
use crate::status::to_status;
use crate::trace::TraceContext;

/// The most bytes of a method's name that spans and answers repeat: it is the client's text.
const MAX_METHOD_BYTES: usize = 256;

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
    /// Cancelled when the server begins to drain: calls that arrive later are refused.
    pub draining: CancellationToken,
    /// Cancelled when the drain took too long: calls that are still under way are given up.
    pub cut: CancellationToken,
    /// Counts the calls under way, each until its answer is made and taken.
    pub calls: TaskTracker,
}

/// Puts a [`Shell`] around the routes of a server.
#[derive(Clone)]
pub struct ShellLayer(Arc<Rules>);

impl ShellLayer {
    /// A layer with these rules.
    pub fn new(rules: Rules) -> Self {
        Self(Arc::new(rules))
    }
}

impl<S> Layer<S> for ShellLayer {
    type Service = Shell<S>;

    fn layer(&self, inner: S) -> Shell<S> {
        Shell { inner, rules: self.0.clone() }
    }
}

/// The middleware around all services of a port.
#[derive(Clone)]
pub struct Shell<S> {
    inner: S,
    rules: Arc<Rules>,
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
        // Taken here and not at the first poll, so that it is not later than the one that tonic starts after this.
        let deadline = Deadline::of(request.headers(), rules.max_deadline);
        let trace = TraceContext::of(request.headers());
        let span = span(kind, &method, &trace);
        let under_way = rules.calls.token();

        let call = async move {
            let drain = (kind == Kind::Open).then(|| Box::pin(rules.draining.clone().cancelled_owned()));
            let response = handle(&rules, inner, request, kind, &method, deadline, trace).await;
            let response = explain(response, kind, &method);
            let span = Span::current();
            if let Some(status) = Status::from_header_map(response.headers()) {
                record(&span, status.code());
            }
            Ok(response.map(|body| Body::new(Answer::new(body, kind, span, drain, under_way))))
        };
        Box::pin(call.instrument(span))
    }
}

/// How the shell treats a service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Docket's API: authenticated, its errors explained.
    Api,
    /// Health and reflection: open to all, and answered during a drain too.
    Open,
    /// Calls of the sidecar to the application: they carry no JWT, and their services guard themselves.
    Callback,
}

impl Kind {
    fn of(path: &str, port: Port) -> Self {
        if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") {
            Self::Open
        } else if port == Port::App && path.starts_with("/dapr.proto.runtime.v1.AppCallback") {
            Self::Callback
        } else {
            Self::Api
        }
    }
}

async fn handle<S>(
    rules: &Rules,
    mut inner: S,
    mut request: Request<Body>,
    kind: Kind,
    method: &Method,
    deadline: Deadline,
    trace: TraceContext,
) -> Response<Body>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    if kind != Kind::Open && rules.draining.is_cancelled() {
        return refuse(&Unavailable);
    }
    if kind == Kind::Api {
        let now = rules.clock.now();
        match caller::admit(&rules.authenticator, rules.port, method, request.headers(), now) {
            Ok(caller) => request.extensions_mut().insert(caller),
            Err(refusal) => return refuse(&refusal),
        };
    }
    let extensions = request.extensions_mut();
    extensions.insert(method.clone());
    extensions.insert(trace);

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
        _ if kind == Kind::Open => return response,
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

fn span(kind: Kind, method: &Method, trace: &TraceContext) -> Span {
    let (service, name) = method.0.split_once('/').unwrap_or((&method.0, ""));
    let trace_id = trace.trace_id();
    // Probes come every few seconds and say nothing.
    if kind == Kind::Open {
        tracing::debug_span!(
            "rpc",
            rpc.service = service,
            rpc.method = name,
            rpc.code = tracing::field::Empty
        )
    } else {
        tracing::info_span!(
            "rpc",
            rpc.service = service,
            rpc.method = name,
            trace_id,
            rpc.code = tracing::field::Empty
        )
    }
}

/// Tells the span how its call ended.
pub(crate) fn record(span: &Span, code: Code) {
    span.record("rpc.code", tracing::field::debug(code));
    tracing::debug!(parent: span, code = ?code, "call answered");
}
