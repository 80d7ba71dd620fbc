//! Calls to another app, passed on by the sidecar.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use docket_rpc::fault::DeadlineExceeded;
use docket_rpc::to_status;
use docket_rpc::trace::{TRACEPARENT, TRACESTATE, code_name};
use docket_telemetry::{TraceContext, context_of, continue_trace, current, fail};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status, TimeoutExpired};
use tower::{Service, ServiceExt as _};
use tracing::Span;
use tracing::field::Empty;

use crate::client::InvalidAppId;
use crate::config::ApiToken;
use crate::guard::TOKEN_HEADER;
use crate::handler::BoxError;

/// A channel for a generated client. Each call that has no `grpc-timeout` gets one, and none takes longer than the
/// deadline: it ends with DEADLINE_EXCEEDED, and then may or may not have taken place.
///
/// A call belongs to the [`TraceContext`] among the extensions of its request, or else to the span in which it is made, and
/// has a span there if that is recorded. A call that belongs to no trace begins none on its way.
#[derive(Clone, Debug)]
pub struct InvocationChannel {
    channel: Channel,
    app_id: HeaderValue,
    api_token: Option<HeaderValue>,
    timeout: HeaderValue,
    deadline: Duration,
}

impl InvocationChannel {
    pub(crate) fn new(
        channel: Channel,
        app_id: &str,
        api_token: Option<&ApiToken>,
        deadline: Duration,
    ) -> Result<Self, InvalidAppId> {
        let invalid = || InvalidAppId(app_id.to_owned());
        if app_id.is_empty() {
            return Err(invalid());
        }
        let api_token = api_token.map(|token| HeaderValue::from_str(token.as_str())).transpose();
        Ok(Self {
            channel,
            app_id: HeaderValue::from_str(app_id).map_err(|_| invalid())?,
            api_token: api_token.map_err(|_| invalid())?,
            timeout: HeaderValue::from_str(&format!("{}m", deadline.as_millis())).map_err(|_| invalid())?,
            deadline,
        })
    }
}

impl Service<Request<Body>> for InvocationChannel {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The channel is asked within the call, so that waiting for it counts towards the deadline.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let handed =
            request.extensions_mut().remove::<TraceContext>().filter(|told| told.traceparent.is_some());
        let (span, context) = self.begin(request.uri().path(), handed.unwrap_or_else(current));
        let headers = request.headers_mut();
        carry_on(&context, headers);
        headers.insert(HeaderName::from_static("dapr-app-id"), self.app_id.clone());
        if let Some(token) = &self.api_token {
            headers.insert(HeaderName::from_static(TOKEN_HEADER), token.clone());
        }
        headers.entry(HeaderName::from_static("grpc-timeout")).or_insert_with(|| self.timeout.clone());
        let call = tokio::time::timeout(self.deadline, self.channel.clone().oneshot(request));
        let mut watched = Watched(Some(span).filter(|span| !span.is_none()));
        Box::pin(async move {
            match call.await {
                Ok(Ok(response)) => Ok(watch(response, watched)),
                Ok(Err(error)) if !timed_out(&error) => {
                    watched.ended(Code::Unavailable);
                    Err(error.into())
                }
                Ok(Err(_)) | Err(_) => Ok(watch(to_status(&DeadlineExceeded).into_http(), watched)),
            }
        })
    }
}

impl InvocationChannel {
    /// The span of a call, and the trace that goes on with it.
    fn begin(&self, path: &str, parent: TraceContext) -> (Span, TraceContext) {
        if !parent.is_sampled() {
            let parent = Some(parent).filter(|parent| parent.traceparent.is_some());
            return (Span::none(), parent.unwrap_or_else(TraceContext::unrecorded));
        }
        let method = path.trim_start_matches('/');
        let span = tracing::info_span!(
            parent: None,
            "invoke",
            otel.name = method,
            otel.kind = "client",
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
            server.address = self.app_id.to_str().unwrap_or_default()
        );
        continue_trace(&span, &parent);
        let own = Some(context_of(&span)).filter(|own| own.traceparent.is_some());
        (span, own.unwrap_or(parent))
    }
}

/// Tells the app that is called, and the sidecars on the way, what the call belongs to. Those make spans of their own, of
/// which the app must know nothing.
fn carry_on(context: &TraceContext, headers: &mut HeaderMap) {
    let parent = context.traceparent.as_deref();
    for (name, text) in
        [(TRACEPARENT, parent), ("traceparent", parent), (TRACESTATE, context.tracestate.as_deref())]
    {
        if let Some(Ok(value)) = text.map(HeaderValue::from_str) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Tells the span how the call ends, which an answer says in its head or behind its body. The span lasts until then.
fn watch(response: Response<Body>, mut watched: Watched) -> Response<Body> {
    if watched.0.is_none() {
        return response;
    }
    if let Some(status) = Status::from_header_map(response.headers()) {
        watched.ended(status.code());
        return response;
    }
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            if let Some(status) = frame.trailers_ref().and_then(Status::from_header_map) {
                watched.ended(status.code());
            }
            frame
        }))
    })
}

/// The span of a call of which is still to be told how it ends, if it has one. Who drops it before has given the call up, or
/// the answer broke off.
struct Watched(Option<Span>);

impl Watched {
    fn ended(&mut self, code: Code) {
        let Some(span) = self.0.take() else { return };
        span.record("rpc.response.status_code", code_name(code));
        if code != Code::Ok {
            fail(&span, code_name(code));
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.ended(Code::Cancelled);
    }
}

/// Whether tonic's own timer, which runs from the same header, ended the call; it would answer CANCELLED.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<TimeoutExpired>())
}
