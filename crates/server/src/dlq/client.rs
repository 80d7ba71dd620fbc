//! How `docket dlq` reaches the server, and as whom.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use docket_domain::source::Clock as _;
use docket_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use docket_rpc::Signer;
use docket_rpc::auth::DEAD_LETTERS_ADMIN;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};

use super::args::Dlq;
use crate::config::Config;
use crate::source::SystemClock;

/// The service, as whom the token names.
pub(super) type Client = DeadLetterServiceClient<InterceptedService<Channel, Bearer>>;

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a token that is signed here is good for: as long as the longest command.
const TTL: Duration = Duration::from_secs(3600);

/// The most bytes of an answer. A letter has the bytes of a message, which brokers limit to a few megabytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Puts a token on every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// Connects, so that a server that is not there is told of before anything else.
pub(super) async fn connect(config: &Config, asked: &Dlq) -> anyhow::Result<Client> {
    let token = match &asked.token {
        Some(token) => token.clone(),
        None => sign(config, asked)?,
    };
    let bearer = format!("Bearer {token}").parse().context("--token: holds what is in no token")?;
    let url = url(config, asked.server.as_deref());
    let channel = endpoint(&url, asked)?.connect().await;
    let channel = channel.with_context(|| format!("no connection to {url}"))?;
    let client = DeadLetterServiceClient::with_interceptor(channel, Bearer(bearer));
    Ok(client.max_decoding_message_size(MAX_ANSWER_BYTES))
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

fn endpoint(url: &str, asked: &Dlq) -> anyhow::Result<Endpoint> {
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

/// A token with the scope, signed with the server's own secret where that is at hand. None is made for it.
fn sign(config: &Config, asked: &Dlq) -> anyhow::Result<String> {
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
    let scopes: Vec<&str> = std::iter::once(DEAD_LETTERS_ADMIN).chain(required).collect();
    Ok(Signer::new(&config.auth, &secret).issue(&asked.user, &scopes, TTL, SystemClock.now()))
}
