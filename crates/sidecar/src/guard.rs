//! Lets only the sidecar itself reach the callbacks.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use docket_rpc::to_status;
use futures::future::Either;
use http::{HeaderMap, Request, Response};
use subtle::ConstantTimeEq as _;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

use crate::config::{ApiToken, Config, InvalidConfig};
use crate::fault::Refusal;

/// The header in which the sidecar proves itself.
pub(crate) const TOKEN_HEADER: &str = "dapr-api-token";

/// What may be left on a call that came through another app's sidecar. daprd 1.18.3 adds the second and the third, and
/// takes the first, which says where the call goes, away.
const PROXY_HEADERS: [&str; 3] = ["dapr-app-id", "dapr-callee-app-id", "dapr-caller-app-id"];

/// What daprd 1.18.3 calls without the token, though it has one. These only answer what is no secret.
const WITHOUT_TOKEN: [&str; 3] = [
    "AppCallback/ListTopicSubscriptions",
    "AppCallback/ListInputBindings",
    "AppCallbackHealthCheck/HealthCheck",
];

/// How the sidecar's own calls are marked. What it proxies is marked `application/grpc+proto`, whatever the caller sent,
/// and that is the only trace of a call that came through Docket's own sidecar.
const OWN_CONTENT_TYPE: &str = "application/grpc";

/// Decides who may call the callbacks.
#[derive(Clone, Debug)]
pub struct Guard {
    token: Option<Arc<ApiToken>>,
}

impl Guard {
    /// Takes the token from the configuration; refuses to do without one unless `insecure` is set.
    pub fn new(config: &Config) -> Result<Self, InvalidConfig> {
        match &config.app_api_token {
            None if !config.insecure => Err(InvalidConfig::NoAppToken),
            token => Ok(Self { token: token.clone().map(Arc::new) }),
        }
    }

    fn admit(&self, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let method = || path.trim_start_matches('/').to_owned();
        let own = headers.get(http::header::CONTENT_TYPE).is_some_and(|value| value == OWN_CONTENT_TYPE);
        if !own || PROXY_HEADERS.iter().any(|name| headers.contains_key(*name)) {
            return Err(Refusal::Proxied { method: method() });
        }
        // An event's own metadata arrives as headers too, so the sidecar's token may be the second value of its name.
        let proven = self.token.as_ref().is_none_or(|token| {
            let right = |value: &http::HeaderValue| bool::from(value.as_bytes().ct_eq(token.as_bytes()));
            headers.get_all(TOKEN_HEADER).iter().any(right)
        });
        let open = WITHOUT_TOKEN.iter().any(|method| path.ends_with(method));
        if proven || open { Ok(()) } else { Err(Refusal::Stranger { method: method() }) }
    }
}

/// A service behind the guard.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<S> {
    pub(crate) guard: Guard,
    pub(crate) inner: S,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<S::Future, Ready<Result<Response<Body>, Infallible>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.guard.admit(request.uri().path(), request.headers()) {
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(refusal) => {
                tracing::warn!(%refusal, "callback refused");
                Either::Right(ready(Ok(to_status(&refusal).into_http())))
            }
        }
    }
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxied_calls_are_known_by_their_content_type() {
        let token = ApiToken::try_from("secret".to_owned()).unwrap();
        let guard = Guard::new(&Config { app_api_token: Some(token), ..Config::default() }).unwrap();
        let check = |path: &str, content_type: &'static str, token: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
            headers.insert(TOKEN_HEADER, http::HeaderValue::from_static(token));
            assert_eq!(guard.admit(path, &headers).is_ok(), expect, "{path} {content_type} {token}");
        };
        let (job, topics) = (
            "/dapr.proto.runtime.v1.AppCallback/OnJobEvent",
            "/dapr.proto.runtime.v1.AppCallback/ListTopicSubscriptions",
        );
        check(job, "application/grpc", "secret", true);
        check(job, "application/grpc+proto", "secret", false);
        check(job, "application/grpc", "", false);
        check(topics, "application/grpc", "", true);
        check(topics, "application/grpc+proto", "secret", false);
        check("/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck", "application/grpc", "", true);
    }
}
