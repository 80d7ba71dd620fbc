//! The form of a call in HTTP: what is not gRPC is answered as HTTP answers it, before anything is looked at.

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use tonic::body::Body;

/// The answer to a request that is none of gRPC's, which are all POST with a content type of their own.
pub(crate) fn refuse(method: &Method, headers: &HeaderMap) -> Option<Response<Body>> {
    if method != Method::POST {
        let mut response = answer(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    (!is_grpc(content_type)).then(|| answer(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

/// `application/grpc`, perhaps with the name of an encoding of messages, or with parameters. What is called
/// `application/grpc-web` has other frames.
fn is_grpc(content_type: &[u8]) -> bool {
    const NAME: &[u8] = b"application/grpc";
    content_type.split_at_checked(NAME.len()).is_some_and(|(name, rest)| {
        name.eq_ignore_ascii_case(NAME) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
    })
}

fn answer(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
