//! Bearer tokens: JSON Web Tokens signed with HS256, made and checked against an injected clock.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docket_domain::{Instant, UserId};
use docket_proto::v1::ErrorReason;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use tonic::Code;

use crate::fault::Fault;
use crate::secret::{self, Secret};

/// The scope of Docket's own services: on the app port its holder names the user it acts for.
pub const ACT_AS: &str = "tasks:act-as";

/// The metadata key that names the user whom a service acts for.
pub const ACT_AS_KEY: &str = "docket-act-as";

/// Longer tokens are damaged for certain, and are not worth hashing.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// How tokens are checked.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The `iss` that tokens must carry. Default `docket`.
    pub issuer: String,
    /// The `aud` that tokens must carry. Default `docket`.
    pub audience: String,
    /// The secret that tokens are signed with; not written out with the rest. Default: that of `secret_file`.
    #[serde(skip_serializing)]
    pub secret: Option<Secret>,
    /// The file of the secret, made on first start. Default: a file in the data folder.
    pub secret_file: Option<PathBuf>,
    /// How far the clocks of issuer and server may be apart, in seconds. Default 30.
    pub leeway_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "docket".to_owned(),
            audience: "docket".to_owned(),
            secret: None,
            secret_file: None,
            leeway_seconds: 30,
        }
    }
}

impl Config {
    /// The secret as configured, else that of the file; `default_file` stands in for `secret_file`.
    pub fn load_secret(&self, default_file: &Path) -> Result<Secret, secret::Error> {
        match &self.secret {
            Some(secret) => Ok(secret.clone()),
            None => secret::load_or_create(self.secret_file.as_deref().unwrap_or(default_file)),
        }
    }
}

/// Makes and checks tokens.
pub struct Authenticator {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
    issuer: String,
    audience: String,
    leeway: f64,
}

impl Authenticator {
    /// With the secret that [`Config::load_secret`] found.
    pub fn new(config: &Config, secret: &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are checked below, against the injected clock: the library would ask the system's.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            signing: EncodingKey::from_secret(secret.expose().as_bytes()),
            checking: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: f64::from(config.leeway_seconds),
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
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
            .expect("an HMAC key signs a JSON object")
    }

    /// Checks signature, issuer, audience, times and subject of a token.
    pub fn verify(&self, token: &str, now: Instant) -> Result<Claims, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::InvalidToken(Defect::Malformed));
        }
        let received = jsonwebtoken::decode::<Received>(token, &self.checking, &self.validation)
            .map_err(|error| Error::InvalidToken(Defect::of(error.kind())))?
            .claims;
        // A NumericDate is any JSON number (RFC 7519 section 2).
        let now = now.timestamp_micros() as f64 / 1e6;
        let defect = if received.exp + self.leeway <= now {
            Defect::Expired
        } else if received.nbf.is_some_and(|from| from > now + self.leeway) {
            Defect::NotYetValid
        } else if received.iat.is_some_and(|issued| issued > now + self.leeway) {
            Defect::IssuedInFuture
        } else {
            let subject = received.sub.parse().map_err(|_| Error::InvalidToken(Defect::Subject))?;
            let scopes = received.scope.split_ascii_whitespace().map(str::to_owned).collect();
            return Ok(Claims { subject, scopes });
        };
        Err(Error::InvalidToken(defect))
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

#[derive(Deserialize)]
struct Received {
    sub: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(default)]
    scope: String,
}

/// What a checked token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claims {
    /// Whose token it is.
    pub subject: UserId,
    /// What it allows, besides acting as its subject.
    pub scopes: BTreeSet<String>,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Defect {
    /// It is no JSON Web Token, or lacks a claim.
    Malformed,
    /// It is signed in another way than HS256.
    Algorithm,
    /// It is not signed with the server's secret.
    Signature,
    /// It was issued by somebody else.
    Issuer,
    /// It is meant for somebody else.
    Audience,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It says that it was issued later than now.
    IssuedInFuture,
    /// Its subject is not the name of a user.
    Subject,
}

impl Defect {
    fn of(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Self::Algorithm,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            _ => Self::Malformed,
        }
    }

    /// The `detail` of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::Subject => "subject",
        }
    }
}

/// Why a caller is turned away.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no bearer token.
    #[error("a bearer token in `authorization` is missing")]
    MissingToken,
    /// The bearer token is not good.
    #[error("the bearer token is not valid: {}", .0.as_str())]
    InvalidToken(Defect),
    /// The token lacks the scope [`ACT_AS`].
    #[error("the bearer token lacks the scope `{ACT_AS}`")]
    MissingScope,
    /// The method, or the way to call it, is for Docket's own services.
    #[error("this is for Docket's own services, on their own port")]
    InternalMethod {
        /// The method as called: `package.Service/Method`.
        method: String,
    },
    /// The metadata [`ACT_AS_KEY`] is missing or does not name a user.
    #[error("{ACT_AS_KEY}: {0}")]
    InvalidActAs(&'static str),
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::MissingToken | Self::InvalidToken(_) => Code::Unauthenticated,
            Self::MissingScope | Self::InternalMethod { .. } => Code::PermissionDenied,
            Self::InvalidActAs(_) => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::MissingToken => ErrorReason::MissingToken,
            Self::InvalidToken(_) => ErrorReason::InvalidToken,
            Self::MissingScope => ErrorReason::MissingScope,
            Self::InternalMethod { .. } => ErrorReason::InternalMethod,
            Self::InvalidActAs(_) => ErrorReason::InvalidFields,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InvalidToken(defect) => vec![("detail", defect.as_str().to_owned())],
            Self::MissingScope => vec![("scope", ACT_AS.to_owned())],
            Self::InternalMethod { method } => vec![("method", method.clone())],
            Self::MissingToken | Self::InvalidActAs(_) => Vec::new(),
        }
    }

    fn violations(&self) -> Vec<(String, String)> {
        match self {
            Self::InvalidActAs(why) => vec![(ACT_AS_KEY.to_owned(), (*why).to_owned())],
            _ => Vec::new(),
        }
    }
}
