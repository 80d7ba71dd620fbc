//! Who is let in, and as whom this process calls: keys, tokens and certificates.

use std::sync::Arc;

use anyhow::Context as _;
use docket_domain::source::Clock;
use docket_rpc::{Authenticator, ServiceToken, Tls};

use crate::config::Config;
use crate::target::Target;

/// Keys, tokens and certificates, all of which were there at the start.
pub(crate) struct Identity {
    /// Checks tokens.
    pub(crate) authenticator: Arc<Authenticator>,
    /// What Docket's own services call with, when one of them runs here.
    pub(crate) service_token: Option<Arc<ServiceToken>>,
    /// How the public port proves itself, when it does.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Identity {
    /// Reads and fetches everything for the first time. Whatever is missing stops the start: a server that let nobody in
    /// would only hide it.
    pub(crate) async fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let secret =
            config.auth.load_secret(&config.secret_file()).context("auth: the secret cannot be had")?;
        let authenticator = Authenticator::open(&config.auth, secret.as_ref()).await?;
        let calls = config.runs(Target::Recurrence) || config.runs(Target::Notification);
        let service_token = match config.dapr.enabled && calls {
            true => Some(Arc::new(ServiceToken::open(&config.auth, secret.as_ref(), clock).await?)),
            false => None,
        };
        let tls = match &config.listen.tls {
            Some(tls) => Some(Arc::new(Tls::open(tls.clone()).await.context("listen.tls")?)),
            None => None,
        };
        Ok(Self { authenticator: Arc::new(authenticator), service_token, tls })
    }
}
