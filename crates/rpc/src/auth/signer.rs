//! Makes tokens, signed with the secret (HS256).

use std::time::Duration;

use docket_domain::{Instant, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::Config;
use crate::secret::Secret;

/// Makes tokens that a server with the same secret accepts.
pub struct Signer {
    key: EncodingKey,
    issuer: String,
    audience: String,
}

impl Signer {
    /// With the secret that [`Config::load_secret`] found.
    pub fn new(config: &Config, secret: &Secret) -> Self {
        Self {
            key: EncodingKey::from_secret(secret.expose().as_bytes()),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        }
    }

    /// Makes a token for a user, valid from now on.
    pub fn issue(&self, user: &UserId, scopes: &[&str], ttl: Duration, now: Instant) -> String {
        let issued = now.timestamp();
        let claims = Issued {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user.as_str(),
            iat: issued,
            exp: issued.saturating_add_unsigned(ttl.as_secs()),
            scope: scopes.join(" "),
        };
        // Fails for keys of another family and for claims that are no JSON object, and these are neither.
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.key)
            .expect("an HMAC key signs a JSON object")
    }
}

#[derive(Serialize)]
struct Issued<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
}
