//! One request at a time over HTTP/1: what health ports and the HTTP API of a sidecar need.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A header's name and value.
pub type Header<'a> = (&'a str, &'a str);

/// The body of a successful answer, or what happened instead.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[Header<'_>]) -> Result<String, String> {
    match exchange(address, "GET", path, headers, "").await {
        Ok((200..300, body)) => Ok(body),
        Ok((code, body)) => Err(format!("GET {path}: {code} {body}")),
        Err(error) => Err(format!("GET {path}: {error}")),
    }
}

/// The code and the body of an answer.
///
/// # Errors
/// When there is no connection, or the answer is not HTTP.
pub async fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[Header<'_>],
    body: &str,
) -> std::io::Result<(u16, String)> {
    let answer = answer(address, method, path, headers, body).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let code = code.ok_or_else(|| std::io::Error::other(format!("no answer of HTTP: {head:?}")))?;
    Ok((code, body.to_owned()))
}

/// The whole answer as it came, with its head.
///
/// # Errors
/// When there is no connection.
pub async fn answer(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[Header<'_>],
    body: &str,
) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // Version 1.0, so that the answer is in one piece and ends the connection.
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
