//! Where a cluster is, and as whom to call it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::Error;

/// How long a broker may take for an answer, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a cluster is, and as whom to call it.
#[derive(Clone, Debug)]
pub struct Access {
    pub(crate) brokers: Vec<String>,
    pub(crate) login: Option<Login>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) patience: Duration,
    pub(crate) detours: BTreeMap<String, SocketAddr>,
}

/// A user and a password.
#[derive(Clone)]
pub struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) mechanism: Mechanism,
}

/// How somebody logs in. With each the password itself does not travel, and the broker proves that it knows it, too; a broker
/// keeps something else of the password for each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mechanism {
    /// SCRAM-SHA-256.
    #[default]
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl Mechanism {
    /// Its name among the mechanisms of SASL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Access {
    /// Brokers to begin at, each as `host:port`; they name the others. Without TLS, and without a login.
    pub fn new(brokers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let brokers = brokers.into_iter().map(Into::into).collect();
        Self { brokers, login: None, tls: None, patience: PATIENCE, detours: BTreeMap::new() }
    }

    /// With a login.
    pub fn login(mut self, login: Login) -> Self {
        self.login = Some(login);
        self
    }

    /// With TLS, to brokers for which one of these authorities (PEM) vouches.
    ///
    /// # Errors
    /// When the text has no certificate, or one that is none.
    pub fn tls(mut self, authorities: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities) {
            let authority = authority.map_err(|error| Error::Authorities(error.to_string()))?;
            roots.add(authority).map_err(|error| Error::Authorities(error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(Error::Authorities("there is no certificate in it".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Authorities(error.to_string()))?;
        self.tls = Some(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
        Ok(self)
    }

    /// How long a broker may take for an answer, and for a connection. Default: 10 seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Reaches the broker that names itself so (`host:port`) at another address: where its own name means nothing, because a
    /// tunnel leads to it. With TLS its certificate is that of its name all the same.
    pub fn detour(mut self, broker: impl Into<String>, to: SocketAddr) -> Self {
        self.detours.insert(broker.into(), to);
        self
    }
}

impl Login {
    /// A user and a password, by SCRAM-SHA-256.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into(), mechanism: Mechanism::default() }
    }

    /// The same by another mechanism.
    pub fn by(self, mechanism: Mechanism) -> Self {
        Self { mechanism, ..self }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Login");
        shown.field("user", &self.user).field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_not_shown() {
        let access = Access::new(["broker:9092"]).login(Login::new("docket", "open sesame"));
        let shown = format!("{access:?}");
        assert!(shown.contains("docket") && !shown.contains("sesame"), "{shown}");
    }

    #[test]
    fn authorities_must_be_certificates() {
        let refused = |text: &str| {
            Access::new(["broker:9092"]).tls(text.as_bytes()).err().map(|error| error.to_string())
        };
        let nothing = refused("").unwrap_or_default();
        assert!(nothing.contains("there is no certificate"), "{nothing}");
        let broken =
            refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap_or_default();
        assert!(broken.starts_with("the authorities"), "{broken}");
    }
}
