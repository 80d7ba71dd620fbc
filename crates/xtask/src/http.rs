//! One GET request: all that the health ports need.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The body of a successful answer, or what came instead.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String, String> {
    const LIMIT: Duration = Duration::from_secs(2);
    let answer = match timeout(LIMIT, exchange(address, path)).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err("no answer".to_owned()),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).unwrap_or_default();
    if code.starts_with('2') { Ok(body.to_owned()) } else { Err(format!("{code} {body}")) }
}

async fn exchange(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    // Version 1.0, so that the answer is in one piece and ends the connection.
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
