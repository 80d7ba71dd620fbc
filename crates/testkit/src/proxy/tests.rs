//! Each fault as the two ends of a connection see it.

use std::io::ErrorKind;
use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::*;

/// Long enough for whatever is on its way on loopback.
const MOMENT: Duration = Duration::from_millis(200);

/// A target that says everything back, and hangs up when it was told all.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// What comes back within the test's patience.
async fn answer(stream: &mut TcpStream, size: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; size];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await.expect("an answer, or the end")?;
    Ok(bytes)
}

async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<Vec<u8>> {
    stream.write_all(text.as_bytes()).await?;
    answer(stream, text.len()).await
}

async fn expect_silence(stream: &mut TcpStream) {
    let mut byte = [0];
    assert!(timeout(MOMENT, stream.read(&mut byte)).await.is_err(), "{byte:?}");
}

async fn expect_reset(stream: &mut TcpStream) {
    let error = answer(stream, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn bytes_and_ends_pass_both_ways_and_are_counted() {
    let proxy = Proxy::start(echo().await).await;
    let text = "0123456789".repeat(100_000);
    let mut stream = connect(&proxy).await;
    let (mut from, mut to) = stream.split();
    let mut back = Vec::new();
    let say = async {
        to.write_all(text.as_bytes()).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let (_, read) = tokio::join!(say, from.read_to_end(&mut back));
    assert_eq!((read.unwrap(), back == text.as_bytes()), (1_000_000, true));
    assert_eq!((proxy.bytes(Way::ToTarget), proxy.bytes(Way::ToClient)), (1_000_000, 1_000_000));
    assert_eq!((proxy.connections(), proxy.bytes(Way::Both)), (1, 2_000_000));
    proxy.closed().await;
}

#[tokio::test]
async fn cut_network_resets_and_refuses_until_healed() {
    let proxy = Proxy::start(echo().await).await;
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, "one").await.unwrap(), b"one");
    proxy.cut().await;
    expect_reset(&mut stream).await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.heal().await;
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, "two").await.unwrap(), b"two");
    proxy.reset().await;
    expect_reset(&mut stream).await;
    assert_eq!(ask(&mut connect(&proxy).await, "three").await.unwrap(), b"three");
}

#[tokio::test]
async fn black_hole_keeps_what_it_swallows() {
    let proxy = Proxy::start(echo().await).await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, "before").await.unwrap(), b"before");
    proxy.blackhole(Way::Both);
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"swallowed").await.unwrap();
        expect_silence(stream).await;
    }
    assert_eq!(proxy.bytes(Way::ToTarget), 6);
    proxy.heal().await;
    for stream in [&mut old, &mut new] {
        assert_eq!(answer(stream, 9).await.unwrap(), b"swallowed");
    }
    // One way alone: the target hears, and its answer is lost.
    proxy.blackhole(Way::ToClient);
    old.write_all(b"heard").await.unwrap();
    expect_silence(&mut old).await;
    assert_eq!(proxy.bytes(Way::ToTarget), 6 + 9 + 9 + 5);
    proxy.cut().await;
    expect_reset(&mut old).await;
}

#[tokio::test]
async fn half_open_connection_seems_alive_until_the_network_is_healed() {
    // The target of this one is held by the test, which sees both ends.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await;
    for gone in [End::Target, End::Client] {
        let mut client = connect(&proxy).await;
        let mut target = listener.accept().await.unwrap().0;
        assert_eq!(ask_across(&mut client, &mut target).await, b"hello");
        proxy.half_open(gone);
        let (gone, left) = match gone {
            End::Target => (&mut target, &mut client),
            End::Client => (&mut client, &mut target),
        };
        expect_reset(gone).await;
        left.write_all(b"are you there?").await.unwrap();
        expect_silence(left).await;
        proxy.heal().await;
        expect_reset(left).await;
    }
}

async fn ask_across(client: &mut TcpStream, target: &mut TcpStream) -> Vec<u8> {
    client.write_all(b"hello").await.unwrap();
    answer(target, 5).await.unwrap()
}

#[tokio::test]
async fn forgotten_connections_are_silent_and_new_ones_are_served() {
    let proxy = Proxy::start(echo().await).await;
    let mut before = connect(&proxy).await;
    assert_eq!(ask(&mut before, "there").await.unwrap(), b"there");
    proxy.forget();
    before.write_all(b"lost").await.unwrap();
    expect_silence(&mut before).await;
    let mut after = connect(&proxy).await;
    assert_eq!(ask(&mut after, "new").await.unwrap(), b"new");
    proxy.heal().await;
    expect_reset(&mut before).await;
    assert_eq!(ask(&mut after, "still").await.unwrap(), b"still");
}

#[tokio::test]
async fn delay_is_of_time_and_not_of_order() {
    const LEAST: Duration = Duration::from_millis(100);
    let proxy = Proxy::start(echo().await).await;
    let mut stream = connect(&proxy).await;
    proxy.delay(Way::ToTarget, LEAST, Duration::from_millis(50), 7);
    let start = Instant::now();
    for n in 0..10 {
        stream.write_all(format!("{n}").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
    }
    assert_eq!(answer(&mut stream, 10).await.unwrap(), b"0123456789");
    assert!(start.elapsed() >= LEAST, "{:?}", start.elapsed());
    proxy.heal().await;
    assert_eq!(ask(&mut stream, "prompt").await.unwrap(), b"prompt");
}
