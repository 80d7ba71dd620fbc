//! TLS for a port: certificates from files that are looked at again and again, and handshakes that end in time.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_secs(5);

/// How many handshakes may be under way. The oldest makes room for the newest: who is slow on purpose grows old, and
/// others are done before that.
const MAX_HANDSHAKES: usize = 256;

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 20;

/// Where certificates and keys are; all files are PEM.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The certificate of the server, and those between it and an authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities that vouch for clients. When it is there, a client without a certificate is not let in.
    pub client_ca: Option<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file can not be read.
    #[error("{key}: can not read {}", .path.display())]
    Read {
        /// Which key of the configuration names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has not in it what it should.
    #[error("{key}: {} can not be used", .path.display())]
    Content {
        /// Which key of the configuration names it.
        key: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// An authority is none.
    #[error("client_ca: can not be used")]
    Authority(#[source] rustls::Error),
    /// The authorities are not fit to check anybody.
    #[error("client_ca: can not be used")]
    Verifier(#[source] VerifierBuilderError),
    /// The private key is not that of the certificate, or neither can be used.
    #[error("certificate, key: can not be used together")]
    Pair(#[source] rustls::Error),
}

/// The TLS side of a port.
pub struct Tls {
    config: Config,
    /// As the files were when `current` was made.
    files: Mutex<Files>,
    current: ArcSwap<ServerConfig>,
    handshakes: Mutex<Handshakes>,
}

#[derive(Default)]
struct Handshakes {
    count: u64,
    under_way: VecDeque<(u64, CancellationToken)>,
}

#[derive(Eq, PartialEq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files for the first time.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let files = Files::read(&config).await?;
        let current = ArcSwap::from_pointee(files.server_config(&config)?);
        Ok(Self { config, files: Mutex::new(files), current, handshakes: Mutex::default() })
    }

    /// Looks at the files again and again until it is told to stop. Connections stay as they are; new ones get what the
    /// files say. Files that can not be used, or that are not of one another yet, change nothing.
    pub async fn run(&self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
            match self.reload().await {
                Ok(changed) => {
                    failing = false;
                    if changed {
                        tracing::info!("listen.tls: the new certificate is in use");
                    }
                }
                // Once, and not with every look.
                Err(_) if failing => {}
                Err(error) => {
                    failing = true;
                    let cause =
                        std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                    tracing::warn!(cause, "listen.tls.{error}; the certificate stays as it is");
                }
            }
        }
    }

    /// Looks at the files; answers whether what they say is new.
    async fn reload(&self) -> Result<bool, Error> {
        let files = Files::read(&self.config).await?;
        if *lock(&self.files) == files {
            return Ok(false);
        }
        self.current.store(Arc::new(files.server_config(&self.config)?));
        *lock(&self.files) = files;
        Ok(true)
    }

    /// Makes a connection out of one that was accepted, within `patience`.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> io::Result<TlsStream<TcpStream>> {
        let turn = Turn::take(&self.handshakes);
        let acceptor = TlsAcceptor::from(self.current.load_full());
        tokio::select! {
            done = acceptor.accept(stream) => done,
            () = turn.given_up.cancelled() => Err(io::ErrorKind::ResourceBusy.into()),
            () = tokio::time::sleep(patience) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// One of the handshakes under way, until it is dropped.
struct Turn<'a> {
    all: &'a Mutex<Handshakes>,
    number: u64,
    given_up: CancellationToken,
}

impl<'a> Turn<'a> {
    fn take(all: &'a Mutex<Handshakes>) -> Self {
        let given_up = CancellationToken::new();
        let mut handshakes = lock(all);
        if handshakes.under_way.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = handshakes.under_way.pop_front()
        {
            oldest.cancel();
        }
        handshakes.count += 1;
        let number = handshakes.count;
        handshakes.under_way.push_back((number, given_up.clone()));
        Self { all, number, given_up }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(self.all).under_way.retain(|(number, _)| *number != self.number);
    }
}

/// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Files {
    async fn read(config: &Config) -> Result<Self, Error> {
        let client_ca = match &config.client_ca {
            Some(path) => Some(read("client_ca", path).await?),
            None => None,
        };
        Ok(Self {
            certificate: read("certificate", &config.certificate).await?,
            key: read("key", &config.key).await?,
            client_ca,
        })
    }

    fn server_config(&self, config: &Config) -> Result<ServerConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(Error::Pair)?;
        let builder = match (&self.client_ca, &config.client_ca) {
            (Some(authorities), Some(path)) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates("client_ca", path, authorities)? {
                    roots.add(authority).map_err(Error::Authority)?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.map_err(Error::Verifier)?)
            }
            _ => builder.with_no_client_auth(),
        };
        let chain = certificates("certificate", &config.certificate, &self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| Error::Content {
            key: "key",
            path: config.key.clone(),
            source,
        })?;
        let mut server = builder.with_single_cert(chain, key).map_err(Error::Pair)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        warn_if_exposed(&config.key);
        Ok(server)
    }
}

fn certificates(key: &'static str, path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unusable = |source| Error::Content { key, path: path.to_owned(), source };
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(unusable)?;
    if certificates.is_empty() { Err(unusable(pem::Error::NoItemsFound)) } else { Ok(certificates) }
}

async fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    use tokio::io::AsyncReadExt as _;
    let unreadable = |source| Error::Read { key, path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).await.map_err(unreadable)?;
    Ok(text)
}

/// No more than a warning: Kubernetes gives the files of a secret to the group that a pod runs as.
fn warn_if_exposed(key: &Path) {
    let mode = std::fs::metadata(key).map_or(0, |file| file.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        let file = key.display();
        tracing::warn!("listen.tls.key: {file} has mode {mode:04o}: everybody may read it");
    }
}
