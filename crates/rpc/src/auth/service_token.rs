//! The token with which Docket's own services call: from a file that somebody else renews, or signed here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_domain::{Clock, UserId};
use tokio::io::AsyncReadExt as _;
use tonic::metadata::{Ascii, MetadataValue};

use super::{ACT_AS, Config, Signer};
use crate::secret::Secret;

/// How long a token that was signed here is good for; each call gets a new one.
const TTL: Duration = Duration::from_secs(60);

/// The most bytes of a file: twice what a server takes.
const MAX_BYTES: u64 = 16 * 1024;

/// The token with which Docket's own services call.
pub struct ServiceToken(Origin);

enum Origin {
    /// Read for every call: whoever renews the file must not have to tell us. The last one stands in for one that can not
    /// be read.
    File { path: PathBuf, last: Mutex<Bearer> },
    /// Names the service, and carries the scope `tasks:act-as`.
    Signed { signer: Signer, clock: Arc<dyn Clock> },
}

type Bearer = MetadataValue<Ascii>;

/// Why there is no service token.
#[derive(Debug, thiserror::Error)]
pub enum ServiceTokenError {
    /// Neither a file nor a secret.
    #[error(
        "auth.service_token: must name a file, because tokens are checked with auth.jwks and there is no secret to sign one"
    )]
    Missing,
    /// The file can not be read.
    #[error("auth.service_token: can not read {}", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds no token.
    #[error("auth.service_token: {} holds no token", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
    },
}

impl ServiceToken {
    /// From the file that is configured, which must be there; else signed with the secret.
    pub async fn open(
        config: &Config,
        secret: Option<&Secret>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ServiceTokenError> {
        match (&config.service_token, secret) {
            (Some(path), _) => {
                let last = Mutex::new(read(path).await?);
                Ok(Self(Origin::File { path: path.clone(), last }))
            }
            (None, Some(secret)) => {
                let signer = Signer::new(config, secret);
                Ok(Self(Origin::Signed { signer, clock }))
            }
            (None, None) => Err(ServiceTokenError::Missing),
        }
    }

    /// What a call of a service carries in `authorization`.
    pub async fn bearer(&self, service: &UserId) -> Result<MetadataValue<Ascii>, ServiceTokenError> {
        match &self.0 {
            Origin::Signed { signer, clock } => {
                let token = signer.issue(service, &[ACT_AS], TTL, clock.now());
                // A token is base64 and dots.
                header(&token).ok_or(ServiceTokenError::Missing)
            }
            Origin::File { path, last } => {
                let read = read(path).await;
                // Nothing panics while it is held.
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                match read {
                    Ok(token) => *last = token,
                    Err(error) => {
                        tracing::warn!(error = %error, "the service token stays as it is: {error}");
                    }
                }
                Ok(last.clone())
            }
        }
    }
}

async fn read(path: &Path) -> Result<Bearer, ServiceTokenError> {
    let unreadable = |source| ServiceTokenError::Read { path: path.to_owned(), source };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).await.map_err(unreadable)?;
    header(text.trim()).ok_or_else(|| ServiceTokenError::Content { path: path.to_owned() })
}

/// A token as metadata: one word, and not shown.
fn header(token: &str) -> Option<Bearer> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut bearer = MetadataValue::try_from(format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}
