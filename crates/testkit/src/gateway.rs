//! Stands for a host on the internet: a proxy of HTTPS that leads whoever asks for the host to a server of the test's.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::hooks::Hooks;

/// A gateway on loopback. Ends when dropped, or with the runtime of the test.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    authority: String,
    task: AbortHandle,
}

impl Gateway {
    /// Leads those who ask for this host, by HTTPS and through the gateway, to the server.
    pub async fn start(host: &str, hooks: &Hooks) -> Self {
        let own = rcgen::generate_simple_self_signed([host.to_owned()]).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key.into())
            })
            .expect("the certificate fits its key");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (acceptor, target) = (TlsAcceptor::from(Arc::new(config)), hooks.address());
        let wanted = format!("CONNECT {host}:443 ");
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, wanted) = (acceptor.clone(), wanted.clone());
                connections.spawn(async move { lead(client, &wanted, acceptor, target).await });
            }
        });
        Self { address, authority: own.cert.pem(), task: task.abort_handle() }
    }

    /// Where it is, as `HTTPS_PROXY` says it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The authority (PEM) that vouches for it as the host.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Hears which host is wanted, becomes that host, and says everything to the target.
async fn lead(
    mut client: TcpStream,
    wanted: &str,
    acceptor: TlsAcceptor,
    target: SocketAddr,
) -> std::io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        asked.push(client.read_u8().await?);
    }
    if !asked.starts_with(wanted.as_bytes()) {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
    }
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    let mut client = acceptor.accept(client).await?;
    let mut target = TcpStream::connect(target).await?;
    copy_bidirectional(&mut client, &mut target).await.map(drop)
}
