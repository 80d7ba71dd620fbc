//! Calls to another app, passed on by the sidecar.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use docket_rpc::fault::DeadlineExceeded;
use docket_rpc::to_status;
use http::{HeaderName, HeaderValue, Request, Response};
use tonic::TimeoutExpired;
use tonic::body::Body;
use tonic::transport::Channel;
use tower::{Service, ServiceExt as _};

use crate::client::InvalidAppId;
use crate::config::ApiToken;
use crate::guard::TOKEN_HEADER;
use crate::handler::BoxError;

/// A channel for a generated client. Each call that has no `grpc-timeout` gets one, and none takes longer than the
/// deadline: it ends with DEADLINE_EXCEEDED, and then may or may not have taken place.
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
        let headers = request.headers_mut();
        headers.insert(HeaderName::from_static("dapr-app-id"), self.app_id.clone());
        if let Some(token) = &self.api_token {
            headers.insert(HeaderName::from_static(TOKEN_HEADER), token.clone());
        }
        headers.entry(HeaderName::from_static("grpc-timeout")).or_insert_with(|| self.timeout.clone());
        let call = tokio::time::timeout(self.deadline, self.channel.clone().oneshot(request));
        Box::pin(async move {
            match call.await {
                Ok(Ok(response)) => Ok(response),
                Ok(Err(error)) if !timed_out(&error) => Err(error.into()),
                Ok(Err(_)) | Err(_) => Ok(to_status(&DeadlineExceeded).into_http()),
            }
        })
    }
}

/// Whether tonic's own timer, which runs from the same header, ended the call; it would answer CANCELLED.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<TimeoutExpired>())
}
