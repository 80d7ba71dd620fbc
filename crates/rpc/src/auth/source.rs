//! Where a document of keys comes from: a file, or a server.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url, header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use serde::{Serialize as _, Serializer};
use tokio::io::AsyncReadExt as _;

/// The most bytes of a document. Sets of keys have a few thousand; a wrong address may have any number.
const MAX_BYTES: usize = 256 << 10;

/// How long a server may take to answer, all in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often an answer may send on to another address of the same host.
const MAX_REDIRECTS: usize = 3;

/// A document as it was loaded.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Loaded {
    pub(super) document: Vec<u8>,
    /// How long its server says that it is fresh.
    pub(super) max_age: Option<Duration>,
}

/// Why there is no document.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file can not be read.
    #[error("can not read {}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of certificate authorities can not be used.
    #[error("can not use the certificate authorities of {}", .path.display())]
    Authorities {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client can not be made.
    #[error("can not make an HTTP client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server does not answer as it should.
    #[error("{url} does not answer")]
    Server {
        /// Where it is.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The server answers that it has no document.
    #[error("{url} answers {status}")]
    Status {
        /// Where it is.
        url: String,
        /// What it says.
        status: StatusCode,
    },
    /// The document is too large.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

/// Where a document comes from.
#[async_trait]
pub(super) trait Source: Send + Sync {
    async fn load(&self) -> Result<Loaded, SourceError>;
}

fn is_url(location: &str) -> bool {
    location.starts_with("https://") || location.starts_with("http://")
}

/// Whether a location can be one at all; says what is wrong, without the text, in which there may be a password.
pub(super) fn check(location: &str) -> Result<(), &'static str> {
    match location {
        "" => Err("must not be empty"),
        url if is_url(url) => match Url::parse(url) {
            Err(_) => Err("is not a URL"),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("must not have a user or a password in it")
            }
            Ok(_) => Ok(()),
        },
        url if url.contains("://") => Err("must be a file, or a URL of https or http"),
        _ => Ok(()),
    }
}

/// A location as it may be shown: of a URL its origin, its path and the names of its parameters. The values may be
/// secrets.
fn without_secrets(location: &str) -> String {
    let url = match Url::parse(location) {
        Ok(url) if is_url(location) => url,
        _ => {
            return location
                .split_once("://")
                .map_or(location.to_owned(), |(scheme, _)| format!("{scheme}:…"));
        }
    };
    let hidden = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) => format!("{name}=…"),
        None => "…".to_owned(),
    };
    let query: Option<Vec<String>> = url.query().map(|query| query.split('&').map(hidden).collect());
    let query = query.map(|query| format!("?{}", query.join("&"))).unwrap_or_default();
    format!("{}{query}", place(&url))
}

/// Origin and path.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

pub(super) fn serialize_without_secrets<S: Serializer>(
    location: &Option<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    location.as_deref().map(without_secrets).serialize(serializer)
}

/// The source at a location, and whether it is a file.
pub(super) fn open(
    location: &str,
    authorities: Option<&Path>,
) -> Result<(Box<dyn Source>, bool), SourceError> {
    match Url::parse(location) {
        Ok(url) if is_url(location) => Ok((Box::new(Server::new(url, authorities)?), false)),
        _ => Ok((Box::new(File(PathBuf::from(location))), true)),
    }
}

struct File(PathBuf);

#[async_trait]
impl Source for File {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let unreadable = |source| SourceError::File { path: self.0.clone(), source };
        let file = tokio::fs::File::open(&self.0).await.map_err(unreadable)?;
        let mut document = Vec::new();
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut document).await.map_err(unreadable)?;
        if document.len() > MAX_BYTES {
            return Err(SourceError::TooLarge);
        }
        Ok(Loaded { document, max_age: None })
    }
}

struct Server {
    url: Url,
    /// The address without what may be secret in it, for messages.
    name: String,
    client: Client,
}

impl Server {
    fn new(url: Url, authorities: Option<&Path>) -> Result<Self, SourceError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| SourceError::Client(source);
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = authorities {
            add(&mut roots, path)
                .map_err(|source| SourceError::Authorities { path: path.to_owned(), source })?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.into()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client =
            Client::builder().use_preconfigured_tls(tls).timeout(TIMEOUT).redirect(same_host_only());
        let host = url.host_str().unwrap_or_default();
        let local = host.trim_matches(['[', ']']).parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if local {
            // A proxy has another loopback.
            client = client.no_proxy();
        } else if url.scheme() == "http" {
            tracing::warn!(host, "keys are fetched without TLS: whoever is in between may put in their own");
        }
        let client = client.build().map_err(|error| failed(error.into()))?;
        let name = place(&url);
        Ok(Self { url, name, client })
    }

    fn failed(&self, error: reqwest::Error) -> SourceError {
        SourceError::Server { url: self.name.clone(), source: error.without_url() }
    }
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, pem::Error>>()?;
    if certificates.is_empty() {
        return Err(pem::Error::NoItemsFound.into());
    }
    for certificate in certificates {
        roots.add(certificate)?;
    }
    Ok(())
}

fn same_host_only() -> Policy {
    Policy::custom(|attempt| {
        let same = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
        // An answer that sends on is then the answer, and its status an error.
        if same && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
    })
}

#[async_trait]
impl Source for Server {
    async fn load(&self) -> Result<Loaded, SourceError> {
        let mut response =
            self.client.get(self.url.clone()).send().await.map_err(|error| self.failed(error))?;
        if response.status() != StatusCode::OK {
            return Err(SourceError::Status { url: self.name.clone(), status: response.status() });
        }
        let max_age = max_age(&response);
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if document.len() + chunk.len() > MAX_BYTES {
                return Err(SourceError::TooLarge);
            }
            document.extend_from_slice(&chunk);
        }
        Ok(Loaded { document, max_age })
    }
}

/// `max-age` of `Cache-Control` (RFC 9111 section 5.2.2.1).
fn max_age(response: &Response) -> Option<Duration> {
    let values = response.headers().get_all(header::CACHE_CONTROL);
    let mut directives =
        values.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()).flatten()
    });
    seconds.map(Duration::from_secs)
}
