//! Peers that do what no client does: floods, headers without end, messages that lie about their size, bombs.

use std::time::Duration;

use docket_proto::v1::audit_service_client::AuditServiceClient;
use docket_rpc::{LimitsConfig, Port, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

use crate::connections::{Client, config, hold_the_clock, ok};
use crate::support::{LONG, MAX_MESSAGE_BYTES, Running, plain, start, start_with, token, told};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

/// More than the buffers of the network hold, there and back.
const FLOOD_BYTES: usize = 128 << 20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header list in which nothing is compressed: `:method: POST`, `:scheme: http` by number, then names and values.
fn header_list(path: &str) -> Vec<u8> {
    let mut list = vec![0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    list.extend(path.bytes());
    list
}

async fn speak(server: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    stream.write_all(&bytes).await.unwrap();
    stream
}

/// Reads until the server closes the connection; the error of its last GOAWAY.
async fn last_words(mut stream: impl tokio::io::AsyncRead + Unpin) -> Option<u32> {
    let mut code = None;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return code;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            return code;
        }
        if head[3] == GOAWAY {
            code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

async fn still_serves(server: &Running) {
    server.client().await.list_audit_entries(plain("")).await.expect("others are served");
}

#[tokio::test]
async fn floods_end_with_their_connection() {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let server = start(Port::Public, LONG).await;
    let list = header_list("/grpc.health.v1.Health/Check");
    let mut resets = Vec::new();
    for stream in (1..4_000).step_by(2) {
        resets.extend(frame(HEADERS, 4, stream, &list));
        resets.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    // One header list that never ends: it is read, and thrown away, up to a point.
    let mut endless = frame(HEADERS, 0, 1, &list);
    let header = [&[0x00, 0x01, b'a', 0x7f, 0x81, 0x7c][..], &[b'x'; 16_000]].concat();
    for _ in 0..2_000 {
        endless.extend(frame(CONTINUATION, 0, 1, &header));
    }
    for (name, flood) in [("resets", resets), ("endless headers", endless)] {
        let (reading, mut writing) = speak(&server).await.into_split();
        // The server may close before it has all.
        let sent = tokio::spawn(async move { writing.write_all(&flood).await });
        let code = last_words(reading).await;
        // A reset may overtake the GOAWAY.
        assert!(matches!(code, None | Some(ENHANCE_YOUR_CALM)), "{name}: {code:?}");
        let _ = sent.await.unwrap();
        still_serves(&server).await;
    }
}

/// These two are answered frame by frame. A peer that does not read the answers is not read from any more, and so costs
/// no memory.
#[tokio::test]
async fn floods_that_are_not_read_back_are_not_buffered() {
    let server = start(Port::Public, LONG).await;
    for (name, one) in [
        ("pings", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
    ] {
        let stream = speak(&server).await;
        let flood = one.repeat(1_024);
        let (mut sent, mut stuck) = (0, 0);
        // Until nothing more goes out while others are served many times over, or the server has closed.
        while sent < FLOOD_BYTES && stuck < 20 {
            match stream.try_write(&flood[sent % one.len()..]) {
                Ok(bytes) => (sent, stuck) = (sent + bytes, 0),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    still_serves(&server).await;
                    stuck += 1;
                }
                Err(_) => break,
            }
        }
        assert!(sent < FLOOD_BYTES, "{name}: the server read everything");
        still_serves(&server).await;
    }
}

#[tokio::test]
async fn a_header_list_that_is_too_large_is_refused_and_its_connection_goes_on() {
    let server = start(Port::Public, LONG).await;
    let mut client = server.client().await;
    let mut request = plain("");
    request.metadata_mut().insert("x-much", "y".repeat(20_000).parse().unwrap());
    let status = client.list_audit_entries(request).await.expect_err("too large");
    // HTTP 431, in front of everything that could make a gRPC status of it.
    assert!(matches!(status.code(), Code::Unknown | Code::Internal), "{status:?}");
    client.list_audit_entries(plain("")).await.expect("the same connection serves on");
}

/// Sends the bytes as the body of a call; the refusal.
async fn send(server: &Running, encoding: Option<&str>, bytes: &[u8]) -> (Status, Option<String>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut request = http::Request::post("http://docket/docket.v1.AuditService/ListAuditEntries")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {}", token("alice", &[])));
    if let Some(encoding) = encoding {
        request = request.header("grpc-encoding", encoding);
    }
    let (answer, mut body) =
        client.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap();
    // The refusal may come before all is sent.
    let _ = body.send_data(bytes.to_vec().into(), true);
    let answer = answer.await.unwrap();
    let accepted =
        answer.headers().get("grpc-accept-encoding").map(|value| value.to_str().unwrap().to_owned());
    connection.abort();
    (Status::from_header_map(answer.headers()).expect("refused"), accepted)
}

fn prefixed(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), message].concat()
}

#[tokio::test]
async fn messages_that_lie_or_cannot_be_read_are_refused_with_a_reason() {
    let server = start(Port::Public, LONG).await;
    let invalid = "InvalidArgument INVALID_FIELDS";
    for (name, encoding, bytes, expect) in [
        ("ten megabytes announced", None, prefixed(0, 10 << 20, &[1]), "length too large"),
        ("four gigabytes announced", None, prefixed(0, u32::MAX, &[1]), "length too large"),
        ("less than announced", None, prefixed(0, 100, &[1; 10]), "Unexpected EOF"),
        ("half a prefix", None, vec![0, 0, 0], "Unexpected EOF"),
        ("compressed, nobody says how", None, prefixed(1, 3, &[1, 2, 3]), "no grpc-encoding"),
        ("a flag that does not exist", None, prefixed(7, 3, &[1, 2, 3]), "invalid compression flag"),
        ("not gzip at all", Some("gzip"), prefixed(1, 3, &[1, 2, 3]), "decompressing"),
    ] {
        let (status, _) = send(&server, encoding, &bytes).await;
        assert_eq!(told(&status), invalid, "{name}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "request", "{name}");
        assert!(violations[0].description.contains(expect), "{name}: {violations:?}");
    }
    for encoding in ["snappy", "deflate", "zstd", "", "gzip,snappy"] {
        let (status, accepted) = send(&server, Some(encoding), &prefixed(1, 3, &[1, 2, 3])).await;
        assert_eq!(told(&status), format!("Unimplemented UNSUPPORTED_COMPRESSION encoding={encoding}"));
        assert_eq!(accepted.as_deref(), Some("identity,gzip"));
    }
}

#[tokio::test]
async fn compressed_requests_are_read_and_bombs_are_not() {
    let server = start(Port::Public, LONG).await;
    let mut client =
        AuditServiceClient::new(server.channel().await).send_compressed(CompressionEncoding::Gzip);
    client.list_audit_entries(plain("")).await.expect("gzip is understood");
    // Some three kilobytes on the wire: less than a message may have.
    let status = client.list_audit_entries(plain(&"x".repeat(3_000_000))).await.expect_err("a bomb");
    assert_eq!(told(&status), "InvalidArgument INVALID_FIELDS");
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let limit = format!("size limit, of {MAX_MESSAGE_BYTES} bytes");
    assert!(violations[0].description.contains(&limit), "{violations:?}");
    client.list_audit_entries(plain("")).await.expect("the same connection serves on");
}

/// Clients that ask and do not take the answer, or no more than a part of it: the answers hold their places, so that there
/// are only so many, and they are thrown away when their time is over.
#[tokio::test(start_paused = true)]
async fn answers_that_are_not_taken_hold_their_places_until_their_time_is_over() {
    let limited =
        LimitsConfig { max_concurrent_calls: 3, max_concurrent_calls_per_user: 2, ..LimitsConfig::default() };
    let config = ServerConfig { max_connection_age_seconds: 0, max_connection_idle_seconds: 0, ..config() };
    let server = start_with(Port::Public, LONG, config, &limited).await;
    for window in [0, 1, 10] {
        let held = hold_the_clock();
        let mut client =
            Client::connect_with(&server, h2::client::Builder::new().initial_window_size(window)).await;
        let mut answers = Vec::new();
        for _ in 0..2 {
            let answer = client.call("").await.unwrap().await.unwrap();
            assert_eq!(Status::from_header_map(answer.headers()).map(|status| told(&status)), None);
            answers.push(answer.into_body());
        }
        let refused = client.call("").await.unwrap().await.unwrap();
        let refused = told(&Status::from_header_map(refused.headers()).expect("refused"));
        let expect = "ResourceExhausted CONCURRENCY_LIMITED";
        assert!(refused.starts_with(expect), "a window of {window}: {refused}");
        // The deadline, and a little more.
        tokio::time::advance(Duration::from_secs(31)).await;
        held.abort();
        for mut body in answers {
            let mut taken = 0;
            let end = loop {
                let data = tokio::time::timeout(Duration::from_secs(5), body.data()).await;
                match data.expect("the stream goes on").expect("no end without an error") {
                    Ok(data) => taken += data.len(),
                    Err(error) => break error,
                }
            };
            assert_eq!((end.reason(), end.is_remote()), (Some(h2::Reason::CANCEL), true), "{end}");
            assert_eq!(taken, window as usize);
        }
        let held = hold_the_clock();
        // Both places are free again, and a client that takes its answers has them for a moment only.
        let mut settings = h2::client::Builder::new();
        let mut honest = Client::connect_with(&server, settings.initial_window_size(window.max(10))).await;
        for _ in 0..5 {
            ok(honest.call("").await.unwrap()).await;
        }
        held.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_outlasts_every_deadline() {
    let config = ServerConfig { max_connection_age_seconds: 0, max_deadline_seconds: 1, ..config() };
    let server = start_with(Port::Public, LONG, config, &LimitsConfig::default()).await;
    let mut health = HealthClient::new(server.channel().await);
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let silence = tokio::time::timeout(Duration::from_secs(60), watch.message()).await;
    assert!(silence.is_err(), "it ended, or said something: {silence:?}");
    server.health.not_serving().await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

#[tokio::test]
async fn one_connection_has_few_open_streams_and_its_probes_are_answered() {
    let limited = LimitsConfig { max_open_streams_per_connection: 2, ..LimitsConfig::default() };
    let server = start_with(Port::Public, LONG, ServerConfig::default(), &limited).await;
    let mut client = HealthClient::new(server.channel().await);
    let mut watches = Vec::new();
    for _ in 0..2 {
        watches.push(client.watch(HealthCheckRequest::default()).await.expect("a watch"));
    }
    let refused = client.watch(HealthCheckRequest::default()).await.expect_err("one too many");
    let expect = "ResourceExhausted OVERLOADED limit=max_open_streams_per_connection unit=streams value=2";
    assert_eq!(told(&refused), expect);
    client.check(HealthCheckRequest::default()).await.expect("a probe is no stream");
    let mut other = HealthClient::new(server.channel().await);
    other.watch(HealthCheckRequest::default()).await.expect("others are not concerned");
    watches.pop();
    // The server hears of it in its own time.
    let opened = async { while client.watch(HealthCheckRequest::default()).await.is_err() {} };
    tokio::time::timeout(LONG, opened).await.expect("what closed is never free again");
}
