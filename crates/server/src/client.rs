//! How commands reach the server, and as whom.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use docket_domain::UserId;
use docket_domain::source::Clock as _;
use docket_rpc::Signer;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::config::Config;
use crate::source::SystemClock;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a token that is signed here is good for: as long as the longest command.
const TTL: Duration = Duration::from_secs(3600);

/// Where the server is, and who asks.
#[derive(Args, Debug)]
pub struct Server {
    /// Where the server is: an address, or a URL. Default: `listen.public` of the configuration.
    #[arg(long, global = true, value_name = "URL")]
    pub server: Option<String>,
    /// A PEM file of certificate authorities that vouch for the server, besides the public ones.
    #[arg(long, global = true, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A PEM file of the certificate to prove oneself with, where the server asks for one.
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    pub cert: Option<PathBuf>,
    /// A PEM file of its private key.
    #[arg(long = "key-file", id = "client_key", global = true, value_name = "FILE", requires = "cert")]
    pub client_key: Option<PathBuf>,
    /// A token that allows what the command does. Default: one that is signed here, where the server's own secret is.
    #[arg(long, global = true, env = "DOCKET_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Whom the token names that is signed here.
    #[arg(long, global = true, env = "USER", hide_env_values = true, default_value = "admin")]
    pub user: UserId,
}

/// What the call came to, if it failed. Its text is the server's.
#[derive(Debug, thiserror::Error)]
#[error("{} ({:?}{})", .0.message(), .0.code(), reason(.0))]
pub(crate) struct Refused(pub(crate) Status);

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| format!(", {}", info.reason)).unwrap_or_default()
}

/// A connection as whom the token names.
pub(crate) type Connection = InterceptedService<Channel, Bearer>;

/// Puts a token on every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connects, so that a server that is not there is told of before anything else. A token that is signed here has these
/// scopes.
pub(crate) async fn connect(config: &Config, asked: &Server, scopes: &[&str]) -> anyhow::Result<Connection> {
    let token = match &asked.token {
        Some(token) => token.clone(),
        None => sign(config, asked, scopes)?,
    };
    let bearer = format!("Bearer {token}").parse().context("--token: holds what is in no token")?;
    Ok(InterceptedService::new(connect_as_nobody(config, asked).await?, Bearer(bearer)))
}

/// The same for what needs no token.
pub(crate) async fn connect_as_nobody(config: &Config, asked: &Server) -> anyhow::Result<Channel> {
    let url = url(config, asked.server.as_deref());
    let channel = endpoint(&url, asked)?.connect().await;
    channel.with_context(|| format!("no connection to {url}"))
}

/// A server that listens everywhere is reached on this machine.
fn url(config: &Config, server: Option<&str>) -> String {
    let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
    match server {
        Some(url) if url.contains("://") => url.to_owned(),
        Some(address) => format!("{scheme}://{address}"),
        None => {
            let mut address = config.listen.public;
            if address.ip().is_unspecified() {
                address.set_ip(match address.is_ipv4() {
                    true => std::net::Ipv4Addr::LOCALHOST.into(),
                    false => std::net::Ipv6Addr::LOCALHOST.into(),
                });
            }
            format!("{scheme}://{address}")
        }
    }
}

fn endpoint(url: &str, asked: &Server) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(url.to_owned()).with_context(|| format!("{url:?} is no URL"))?;
    let endpoint = endpoint.connect_timeout(DEADLINE).timeout(DEADLINE);
    if !url.starts_with("https://") {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new().with_webpki_roots();
    if let Some(path) = &asked.ca {
        tls = tls.ca_certificate(Certificate::from_pem(read("--ca", path)?));
    }
    if let (Some(certificate), Some(key)) = (&asked.cert, &asked.client_key) {
        tls = tls.identity(Identity::from_pem(read("--cert", certificate)?, read("--key-file", key)?));
    }
    endpoint.tls_config(tls).context("TLS")
}

fn read(flag: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{flag}: cannot read {}", path.display()))
}

/// A token, signed with the server's own secret where that is at hand. None is made for it.
fn sign(config: &Config, asked: &Server, scopes: &[&str]) -> anyhow::Result<String> {
    let file = config.auth.secret_file.clone().unwrap_or_else(|| config.secret_file());
    if config.auth.secret.is_none() && !file.is_file() {
        bail!(
            "no token: set --token or DOCKET_TOKEN, or run this where the server's secret is ({})",
            file.display()
        );
    }
    let secret = config.auth.load_secret(&file).context("cannot read the secret")?;
    let secret = secret.context(
        "no token: set --token or DOCKET_TOKEN, because auth.jwks says that tokens are issued elsewhere",
    )?;
    let required = config.auth.required_scope.as_deref();
    let scopes: Vec<&str> = scopes.iter().copied().chain(required).collect();
    Ok(Signer::new(&config.auth, &secret).issue(&asked.user, &scopes, TTL, SystemClock.now()))
}
