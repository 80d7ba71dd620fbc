//! How long a connection lives. Time stands still unless nothing else is left to do, or a test moves it.

use std::time::Duration;

use bytes::Bytes;
use docket_rpc::{LimitsConfig, Port, ServerConfig};
use h2::client::{ResponseFuture, SendRequest};
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{LONG, Running, plain, start_with, start_with_chance, token};

/// A connection that shows when it was told to go.
pub(crate) struct Client {
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn connect(server: &Running) -> Self {
        Self::connect_with(server, &h2::client::Builder::new()).await
    }

    /// One with settings of its own.
    pub(crate) async fn connect_with(server: &Running, settings: &h2::client::Builder) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = settings.handshake(stream).await.unwrap();
        Self { sender, connection: tokio::spawn(connection) }
    }

    pub(crate) async fn call(&mut self, task: &str) -> Result<ResponseFuture, h2::Error> {
        let request = http::Request::post("http://docket/docket.v1.AuditService/ListAuditEntries")
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {}", token("alice", &[])))
            .body(())
            .unwrap();
        self.sender = self.sender.clone().ready().await?;
        let (answer, mut body) = self.sender.send_request(request, false)?;
        let message = plain(task).into_inner().encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        body.send_data([&[0][..], &length, &message].concat().into(), true)?;
        Ok(answer)
    }

    /// Calls once a second until the connection takes no more calls; how often.
    async fn call_until_told_to_go(&mut self) -> u64 {
        let mut seconds = 0;
        while let Ok(answer) = self.call("").await {
            ok(answer).await;
            tokio::time::advance(Duration::from_secs(1)).await;
            seconds += 1;
            assert!(seconds < 3_600, "the connection does not age");
        }
        seconds
    }
}

/// Keeps the clock from jumping while an answer is on its way: somebody is always busy, until this is aborted or
/// the test ends.
pub(crate) fn hold_the_clock() -> JoinHandle<()> {
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    })
}

/// The answer is a success, down to its trailers.
pub(crate) async fn ok(answer: ResponseFuture) {
    let mut body = answer.await.unwrap().into_body();
    while let Some(data) = body.data().await {
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    let trailers = body.trailers().await.unwrap().expect("trailers");
    assert_eq!(trailers["grpc-status"], "0");
}

pub(crate) fn config() -> ServerConfig {
    // Probes would be in the way: the clock jumps past the time for their answers.
    ServerConfig { keepalive_seconds: 3_600, keepalive_timeout_seconds: 3_600, ..ServerConfig::default() }
}

async fn start(config: ServerConfig) -> Running {
    start_with(Port::Public, LONG, config, &LimitsConfig::default()).await
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_told_to_go_and_its_calls_finish() {
    let config = ServerConfig { max_connection_age_seconds: 20, ..config() };
    let mut server = start(config).await;
    let mut client = Client::connect(&server).await;
    let waiting = client.call("wait").await.unwrap();
    assert_eq!(server.events.recv().await, Some("started"));
    client.call_until_told_to_go().await;
    server.gate.notify_one();
    ok(waiting).await;
    client.connection.await.unwrap().expect("closed in peace");
    let mut next = Client::connect(&server).await;
    ok(next.call("").await.unwrap()).await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_began_together_do_not_all_end_together() {
    hold_the_clock();
    // Ten per cent less, and ten per cent more. The word to go may come a call or two late.
    for (random, seconds) in [(0.0, 18..=20), (1.0, 22..=24)] {
        let config = ServerConfig { max_connection_age_seconds: 20, ..config() };
        let server = start_with_chance(Port::Public, config, random).await;
        let lived = Client::connect(&server).await.call_until_told_to_go().await;
        assert!(seconds.contains(&lived), "{random}: {lived} seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_on_an_old_connection_do_not_hold_it_for_ever() {
    let config = ServerConfig {
        max_connection_age_seconds: 10,
        max_connection_age_grace_seconds: 5,
        max_deadline_seconds: 3_600,
        ..config()
    };
    let mut server = start(config).await;
    let mut client = Client::connect(&server).await;
    let waiting = client.call("wait").await.unwrap();
    assert_eq!(server.events.recv().await, Some("started"));
    assert!(waiting.await.is_err(), "cut");
    assert_eq!(server.events.recv().await, Some("ended"), "and its handler with it");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_told_to_go_and_one_with_calls_is_not() {
    let config = ServerConfig {
        max_connection_age_seconds: 0,
        max_connection_idle_seconds: 20,
        max_deadline_seconds: 3_600,
        ..config()
    };
    let mut server = start(config).await;
    let mut busy = Client::connect(&server).await;
    let waiting = busy.call("wait").await.unwrap();
    assert_eq!(server.events.recv().await, Some("started"));
    let mut idle = Client::connect(&server).await;
    ok(idle.call("").await.unwrap()).await;
    idle.connection.await.unwrap().expect("closed in peace");
    server.gate.notify_one();
    ok(waiting).await;
    ok(busy.call("").await.unwrap()).await;
}

/// What peers send that never become clients: nothing, half of the preface, the beginning of a header list.
#[tokio::test(start_paused = true)]
async fn connections_that_never_make_a_call_are_closed() {
    let config = ServerConfig { max_connection_age_grace_seconds: 1, ..config() };
    let server = start(config).await;
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS of stream 1 without END_HEADERS: `:method: POST`, and no CONTINUATION ever.
    let headers = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x83];
    for bytes in [&b""[..], &preface[..10], &[preface, &settings, &headers].concat()] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // Ends, or is reset: but is not left open.
        let closed = tokio::time::timeout(Duration::from_secs(400), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{bytes:?}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_room_is_used_again() {
    let limited = LimitsConfig { max_connections: 1, ..LimitsConfig::default() };
    let server = start_with(Port::Public, LONG, config(), &limited).await;
    let mut first = Client::connect(&server).await;
    ok(first.call("").await.unwrap()).await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let _ = second.read_to_end(&mut rest).await;
    assert!(rest.is_empty(), "not a word of HTTP/2");
    ok(first.call("").await.unwrap()).await;

    drop(first.sender);
    first.connection.await.unwrap().expect("closed in peace");
    // The server hears of it in its own time.
    let served = async {
        loop {
            let stream = TcpStream::connect(server.address).await.unwrap();
            let Ok((sender, connection)) = h2::client::handshake(stream).await else { continue };
            let mut third = Client { sender, connection: tokio::spawn(connection) };
            let Ok(answer) = third.call("").await else { continue };
            if answer.await.is_ok() {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, served).await.expect("the room of the first is never used again");
}
