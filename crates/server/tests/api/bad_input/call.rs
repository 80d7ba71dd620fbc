//! One call, as raw as HTTP/2 allows, and what comes back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use docket_rpc::auth::ACT_AS_KEY;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use prost::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::told;

/// A call that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// The largest list of headers that every gRPC client takes.
const CLIENTS_HEADER_LIST_BYTES: u32 = 8 << 10;

/// A request that is still to be sent.
#[derive(Clone)]
pub(super) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Call {
    /// Sends a message to a method.
    pub(super) fn of(path: &str, message: &impl Message) -> Self {
        Self::encoded(path, &message.encode_to_vec())
    }

    /// The same with the message in its encoding.
    pub(super) fn encoded(path: &str, message: &[u8]) -> Self {
        Self::framed(path, frame(0, message))
    }

    /// The same with the message in its frame.
    pub(super) fn framed(path: &str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        Self { method: Method::POST, path: path.to_owned(), headers, body }
    }

    /// Shows a token.
    pub(super) fn bearer(self, token: &str) -> Self {
        self.without("authorization").header("authorization", format!("Bearer {token}"))
    }

    /// Names the user to act for.
    pub(super) fn acting_for(self, user: &str) -> Self {
        self.header(ACT_AS_KEY, user)
    }

    /// Sends one more header.
    pub(super) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Leaves a header out.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Uses another method of HTTP.
    pub(super) fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Calls, on a connection of its own, and answers how that ended.
    pub(super) async fn send(self, address: SocketAddr) -> String {
        tokio::time::timeout(PATIENCE, self.exchange(address))
            .await
            .unwrap_or_else(|_| "no answer".to_owned())
    }

    async fn exchange(self, address: SocketAddr) -> String {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut builder = h2::client::Builder::new();
        builder.max_header_list_size(CLIENTS_HEADER_LIST_BYTES);
        let (client, connection) = builder.handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        let mut request = Request::new(());
        *request.method_mut() = self.method;
        *request.uri_mut() = format!("http://{address}{}", self.path).parse().unwrap();
        *request.headers_mut() = self.headers;
        let answer = match client.ready().await {
            Ok(mut client) => {
                ask(&mut client, request, self.body).await.unwrap_or_else(|error| ended(&error))
            }
            Err(error) => ended(&error),
        };
        driver.abort();
        answer
    }
}

/// A message in the frame of gRPC: flag, length, bytes.
pub(super) fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

async fn ask(
    client: &mut h2::client::SendRequest<Bytes>,
    request: Request<()>,
    body: Vec<u8>,
) -> Result<String, h2::Error> {
    let (answer, mut sender) = client.send_request(request, body.is_empty())?;
    if !body.is_empty() {
        sender.send_data(body.into(), true)?;
    }
    let (head, mut body) = answer.await?.into_parts();
    while let Some(chunk) = body.data().await {
        let read = chunk?.len();
        body.flow_control().release_capacity(read)?;
    }
    // An answer without a message has its status in front.
    let trailers = body.trailers().await?.unwrap_or(head.headers);
    Ok(match Status::from_header_map(&trailers) {
        _ if head.status != StatusCode::OK => format!("HTTP {}", head.status.as_u16()),
        Some(status) => text(&status),
        None => "no status".to_owned(),
    })
}

/// How a call ended that got no answer.
fn ended(error: &h2::Error) -> String {
    match error.reason() {
        Some(reason) if error.is_reset() => format!("reset {reason:?}"),
        _ => "closed".to_owned(),
    }
}

/// A status as tables have it.
fn text(status: &Status) -> String {
    if status.code() == Code::Ok {
        return "OK".to_owned();
    }
    let Some(details) = status.get_details_bad_request() else { return told(status) };
    let violations = details.field_violations;
    assert!(violations.iter().all(|violation| !violation.description.is_empty()), "{status:?}");
    let fields: Vec<String> = violations.into_iter().map(|violation| violation.field).collect();
    format!("{} [{}]", told(status), fields.join(", "))
}

/// Whether a connection on which these bytes are sent is ended by the server.
pub(super) async fn hangs_up(address: SocketAddr, bytes: &[u8]) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    // A connection that is cut is ended, too.
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.is_ok()
}
