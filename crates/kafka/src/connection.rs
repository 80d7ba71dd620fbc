//! One connection to one broker: it says one thing after the other, and waits for each answer.

use std::io;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, HeaderVersion as _, StrBytes};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::call::Call;
use crate::{Access, Error, login};

/// More than this is no answer, but another protocol: the first bytes of TLS, or of HTTP, read as a length.
const MOST_BYTES: usize = 128 << 20;

/// How this client is called in the broker's logs and metrics.
const CLIENT: &str = "docket";

/// What bytes travel on.
trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

/// A connection. After an error it is of no use: a late answer would be taken for that of the next call.
pub(crate) struct Connection {
    broker: String,
    stream: Box<dyn Stream>,
    patience: Duration,
    calls: i32,
}

impl Connection {
    /// Connects, and logs in.
    pub(crate) async fn open(broker: &str, access: &Access) -> Result<Self, Error> {
        let silent = || Error::Silent { broker: broker.to_owned(), limit: access.patience };
        let stream =
            timeout(access.patience, stream(broker, access)).await.map_err(|_elapsed| silent())??;
        let mut connection = Self { broker: broker.to_owned(), stream, patience: access.patience, calls: 0 };
        if let Some(login) = &access.login {
            login::run(&mut connection, login).await?;
        }
        Ok(connection)
    }

    /// Which broker it is with, as `host:port`.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// Says something, and gives the answer to it.
    pub(crate) async fn call<C: Call>(&mut self, call: &C) -> Result<C::Answer, Error> {
        self.calls = self.calls.wrapping_add(1);
        let request = frame(call, self.calls)?;
        let answer = match timeout(self.patience, self.exchange(&request)).await {
            Ok(answer) => answer?,
            Err(_elapsed) => {
                return Err(Error::Silent { broker: self.broker.clone(), limit: self.patience });
            }
        };
        self.read::<C>(answer)
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Bytes, Error> {
        self.write(request).await.map_err(|why| self.closed(why))?;
        let length = self.stream.read_u32().await.map_err(|why| self.closed(why))?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MOST_BYTES {
            return Err(self.strange("it is too long to be one (does the broker want TLS?)"));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await.map_err(|why| self.closed(why))?;
        Ok(answer.into())
    }

    async fn write(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.stream.flush().await
    }

    fn read<C: Call>(&self, mut answer: Bytes) -> Result<C::Answer, Error> {
        let header = ResponseHeader::decode(&mut answer, C::Answer::header_version(C::VERSION));
        let header = header.map_err(|error| self.strange(error))?;
        if header.correlation_id != self.calls {
            return Err(self.strange("it answers another call"));
        }
        let read = C::Answer::decode(&mut answer, C::VERSION).map_err(|error| self.strange(error))?;
        if answer.has_remaining() { Err(self.strange("it goes on after its end")) } else { Ok(read) }
    }

    fn closed(&self, why: io::Error) -> Error {
        Error::Closed { broker: self.broker.clone(), why }
    }

    fn strange(&self, what: impl ToString) -> Error {
        Error::Answer { broker: self.broker.clone(), what: what.to_string() }
    }
}

/// A request as it travels: its length, its header, itself.
fn frame<C: Call>(call: &C, number: i32) -> Result<Bytes, Error> {
    let header = RequestHeader::default()
        .with_request_api_key(C::KEY as i16)
        .with_request_api_version(C::VERSION)
        .with_correlation_id(number)
        .with_client_id(Some(StrBytes::from_static_str(CLIENT)));
    let wrong = |error: &dyn ToString| Error::Request(error.to_string());
    let mut body = BytesMut::new();
    header.encode(&mut body, C::header_version(C::VERSION)).map_err(|error| wrong(&error))?;
    call.encode(&mut body, C::VERSION).map_err(|error| wrong(&error))?;
    let length = u32::try_from(body.len()).map_err(|error| wrong(&error))?;
    let mut request = BytesMut::with_capacity(body.len() + 4);
    request.put_u32(length);
    request.put(body);
    Ok(request.freeze())
}

async fn stream(broker: &str, access: &Access) -> Result<Box<dyn Stream>, Error> {
    let host = broker.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(host, _)| host);
    let host = host.ok_or_else(|| Error::Address(broker.to_owned()))?.trim_matches(['[', ']']);
    let unreachable = |why| Error::Unreachable { broker: broker.to_owned(), why };
    let stream = match access.detours.get(broker) {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect(broker).await,
    };
    let stream = stream.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let Some(config) = &access.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|_invalid| Error::Address(broker.to_owned()))?;
    let stream = TlsConnector::from(config.clone()).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|why| Error::Tls { broker: broker.to_owned(), why })?))
}
