//! Checks tokens: who issued them, with which key, for whom, and until when.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use docket_domain::{Instant, UserId};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::cache::{Digest, Tokens};
use super::jwks::{Jwks, LoadError, Pace};
use super::keys::ALGORITHMS;
use super::{ACT_AS, Config, Defect, Error, source};
use crate::secret::Secret;

/// Longer tokens are damaged for certain, and are not worth hashing.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Checks tokens.
pub struct Authenticator {
    issuers: Vec<Issuer>,
    required_scope: Option<String>,
    services: BTreeSet<String>,
    /// The one whose subjects [`Config::services`] names: the same subject of another issuer is somebody else.
    service_issuer: Arc<str>,
    leeway: f64,
    tokens: Tokens,
    generation: Arc<AtomicU64>,
}

/// Why tokens can not be checked.
#[derive(Debug, thiserror::Error)]
#[error("auth.{key}: no keys")]
pub struct OpenError {
    key: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Who issues tokens, and how they are checked.
struct Issuer {
    name: Arc<str>,
    secret: Option<DecodingKey>,
    jwks: Option<Jwks>,
    /// Whether it may only speak for [`Config::services`].
    services_only: bool,
    /// One for each algorithm, because a token must not choose among several.
    validations: Vec<(Algorithm, Validation)>,
}

/// What a checked token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// Whose token it is.
    pub subject: UserId,
    /// Who says so.
    pub issuer: Arc<str>,
    /// What it allows, besides acting as its subject.
    pub scopes: BTreeSet<String>,
}

/// A token whose signature was checked. Its times have to be, for every call.
pub(super) struct Verified {
    claims: Arc<Claims>,
    expires: f64,
    not_before: Option<f64>,
    issued: Option<f64>,
}

impl Authenticator {
    /// With a secret alone: what [`Config`] says of published keys is left out.
    pub fn new(config: &Config, secret: &Secret) -> Self {
        let issuer = Issuer::new(config, &config.issuer, Some(secret), None, false);
        Self::with(config, vec![issuer], Arc::default())
    }

    /// With all keys that the configuration names, and the secret that [`Config::load_secret`] found.
    pub async fn open(config: &Config, secret: Option<&Secret>) -> Result<Self, OpenError> {
        let generation = Arc::<AtomicU64>::default();
        let open = async |key, location: &Option<String>| match location {
            None => Ok(None),
            Some(location) => published(config, key, location, generation.clone())
                .await
                .map(Some)
                .map_err(|source| OpenError { key, source }),
        };
        let jwks = open("jwks", &config.jwks).await?;
        let mut issuers = vec![Issuer::new(config, &config.issuer, secret, jwks, false)];
        if let Some(name) = &config.service_issuer {
            let jwks = open("service_jwks", &config.service_jwks).await?;
            issuers.push(Issuer::new(config, name, None, jwks, true));
        }
        Ok(Self::with(config, issuers, generation))
    }

    fn with(config: &Config, issuers: Vec<Issuer>, generation: Arc<AtomicU64>) -> Self {
        Self {
            issuers,
            required_scope: config.required_scope.clone(),
            services: config.services.clone(),
            service_issuer: config.service_issuer.as_ref().unwrap_or(&config.issuer).as_str().into(),
            leeway: f64::from(config.leeway_seconds),
            tokens: Tokens::new(),
            generation,
        }
    }

    /// Keeps published keys up to date until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let published = self.issuers.iter().filter_map(|issuer| issuer.jwks.as_ref());
        futures::future::join_all(published.map(|jwks| jwks.run(&stop))).await;
        stop.cancelled().await;
    }

    /// Checks signature, issuer, audience, times and subject of a token. Never waits.
    pub fn verify(&self, token: &str, now: Instant) -> Result<Arc<Claims>, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::InvalidToken(Defect::Malformed));
        }
        let digest = Tokens::digest(token);
        // Before the keys are looked at, so that what was checked with old ones is not remembered for new ones.
        let generation = self.generation.load(Ordering::Acquire);
        if let Some(known) = self.tokens.get(&digest, generation) {
            return match known.check_times(now, self.leeway) {
                Ok(()) => Ok(known.claims.clone()),
                Err(defect) => {
                    self.tokens.remove(&digest);
                    Err(Error::InvalidToken(defect))
                }
            };
        }
        let verified = self.check(token, &digest)?;
        verified.check_times(now, self.leeway).map_err(Error::InvalidToken)?;
        let claims = verified.claims.clone();
        self.tokens.insert(digest, generation, Arc::new(verified));
        Ok(claims)
    }

    /// Whether the token is one of Docket's own services'. It counts on the app port only.
    pub fn is_service(&self, claims: &Claims) -> bool {
        let named = claims.issuer == self.service_issuer && self.services.contains(claims.subject.as_str());
        named || claims.scopes.contains(ACT_AS)
    }

    /// Whether the token has the scope that the API asks for, if it does.
    pub(crate) fn check_scope(&self, claims: &Claims) -> Result<(), Error> {
        match &self.required_scope {
            Some(scope) if !claims.scopes.contains(scope) => {
                Err(Error::MissingScope { scope: scope.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check(&self, token: &str, digest: &Digest) -> Result<Verified, Error> {
        let malformed = |_| Error::InvalidToken(Defect::Malformed);
        let header = jsonwebtoken::decode_header(token).map_err(malformed)?;
        // Who lists extensions says that whoever does not know them must not go on (RFC 7515 section 4.1.11).
        if header.crit.is_some() {
            return Err(Error::InvalidToken(Defect::Malformed));
        }
        // Not checked yet: it only says whose keys would have to be right.
        let claimed: Issued = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(malformed)?;
        let issuer = self.issuers.iter().find(|issuer| *issuer.name == *claimed.iss);
        let issuer = issuer.ok_or(Error::InvalidToken(Defect::Issuer))?;
        let received = issuer.decode(token, digest, &header)?;
        if issuer.services_only && !self.services.contains(&received.sub) {
            return Err(Error::InvalidToken(Defect::Subject));
        }
        Verified::new(received, issuer.name.clone()).map_err(Error::InvalidToken)
    }
}

async fn published(
    config: &Config,
    key: &'static str,
    location: &str,
    generation: Arc<AtomicU64>,
) -> Result<Jwks, Box<dyn std::error::Error + Send + Sync>> {
    let authorities: Option<&Path> = config.jwks_ca.as_deref();
    let (source, is_file) = source::open(location, authorities)?;
    let pace = match is_file {
        true => Pace::File,
        false => Pace::Server {
            refresh: Duration::from_secs(config.jwks_refresh_seconds),
            max_stale: Duration::from_secs(config.jwks_max_stale_seconds),
        },
    };
    let name = if key == "jwks" { "auth.jwks" } else { "auth.service_jwks" };
    Jwks::open(name, source, pace, generation).await.map_err(|error: LoadError| error.into())
}

impl Issuer {
    fn new(
        config: &Config,
        name: &str,
        secret: Option<&Secret>,
        jwks: Option<Jwks>,
        services_only: bool,
    ) -> Self {
        let validation = |algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.set_issuer(&[name]);
            validation.set_audience(&[&config.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            // Times are checked apart, against the injected clock: the library would ask the system's.
            validation.validate_exp = false;
            validation.validate_nbf = false;
            (algorithm, validation)
        };
        let secret = secret.map(|secret| DecodingKey::from_secret(secret.expose().as_bytes()));
        let shared = secret.iter().map(|_| Algorithm::HS256);
        let public = jwks.iter().flat_map(|_| ALGORITHMS);
        let validations = shared.chain(public).map(validation).collect();
        Self { name: name.into(), secret, jwks, services_only, validations }
    }

    /// The secret for HS256 and nothing else, public keys for the algorithm of their kind and nothing else.
    fn decode(&self, token: &str, digest: &Digest, header: &Header) -> Result<Received, Error> {
        let refused = |defect| Err(Error::InvalidToken(defect));
        let Some((_, validation)) = self.validations.iter().find(|(algorithm, _)| *algorithm == header.alg)
        else {
            return refused(Defect::Algorithm);
        };
        match (&self.secret, &self.jwks) {
            (Some(secret), _) if header.alg == Algorithm::HS256 => {
                decode(token, [secret], validation)?.ok_or(Error::InvalidToken(Defect::Signature))
            }
            (_, Some(jwks)) if header.alg != Algorithm::HS256 => loop {
                let keys = jwks.current();
                let candidates = keys.candidates(header.kid.as_deref(), header.alg);
                if let Some(received) = decode(token, candidates.keys, validation)? {
                    return Ok(received);
                }
                if candidates.named {
                    return refused(candidates.otherwise);
                }
                let missed = jwks.miss(digest);
                // Else the keys have just changed, and the answer is about others than those that were tried.
                if Arc::ptr_eq(&keys, &jwks.current()) {
                    return Err(missed.map_or(Error::InvalidToken(candidates.otherwise), |after| {
                        Error::KeysUnavailable { after }
                    }));
                }
            },
            _ => refused(Defect::Algorithm),
        }
    }
}

/// Tries one key after the other. Nothing if none of them has signed the token.
fn decode<'a>(
    token: &str,
    keys: impl IntoIterator<Item = &'a DecodingKey>,
    validation: &Validation,
) -> Result<Option<Received>, Error> {
    for key in keys {
        match jsonwebtoken::decode(token, key, validation) {
            Ok(decoded) => return Ok(Some(decoded.claims)),
            Err(error) if *error.kind() == ErrorKind::InvalidSignature => {}
            Err(error) => return Err(Error::InvalidToken(Defect::of(error.kind()))),
        }
    }
    Ok(None)
}

#[derive(Deserialize)]
struct Issued {
    iss: String,
}

#[derive(Deserialize)]
struct Received {
    sub: String,
    /// A NumericDate is any JSON number (RFC 7519 section 2).
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    /// Scopes as RFC 8693 has them, in one text.
    #[serde(default)]
    scope: String,
    /// Scopes as others write them.
    #[serde(default)]
    scp: Scopes,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

impl Default for Scopes {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Verified {
    fn new(received: Received, issuer: Arc<str>) -> Result<Self, Defect> {
        let subject = received.sub.parse().map_err(|_| Defect::Subject)?;
        let mut scopes: BTreeSet<String> = match received.scp {
            Scopes::Text(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
            Scopes::List(list) => list.into_iter().collect(),
        };
        scopes.extend(received.scope.split_ascii_whitespace().map(str::to_owned));
        Ok(Self {
            claims: Arc::new(Claims { subject, issuer, scopes }),
            expires: received.exp,
            not_before: received.nbf,
            issued: received.iat,
        })
    }

    fn check_times(&self, now: Instant, leeway: f64) -> Result<(), Defect> {
        let now = now.timestamp_micros() as f64 / 1e6;
        if self.expires + leeway <= now {
            Err(Defect::Expired)
        } else if self.not_before.is_some_and(|from| from > now + leeway) {
            Err(Defect::NotYetValid)
        } else if self.issued.is_some_and(|issued| issued > now + leeway) {
            Err(Defect::IssuedInFuture)
        } else {
            Ok(())
        }
    }
}
