//! Who calls: bearer tokens (JSON Web Tokens), checked against an injected clock with a secret or with published keys.

mod authenticator;
mod cache;
mod config;
mod jwks;
mod keys;
mod service_token;
mod signer;
mod source;

use std::time::Duration;

use docket_proto::v1::ErrorReason;
use jsonwebtoken::errors::ErrorKind;
use tonic::Code;

pub use authenticator::{Authenticator, Claims, OpenError};
pub use config::Config;
pub use keys::DocumentError;
pub use service_token::{ServiceToken, ServiceTokenError};
pub use signer::Signer;
pub use source::SourceError;

use crate::fault::Fault;

/// The scope of Docket's own services: on the app port its holder names the user it acts for.
pub const ACT_AS: &str = "tasks:act-as";

/// The scope of those who look after dead letters.
pub const DEAD_LETTERS_ADMIN: &str = "deadletters:admin";

/// The metadata key that names the user whom a service acts for.
pub const ACT_AS_KEY: &str = "docket-act-as";

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Defect {
    /// It is no JSON Web Token, lacks a claim, or has extensions that nobody here understands.
    Malformed,
    /// It is signed in a way that is not accepted, or that does not fit the key it names.
    Algorithm,
    /// It names a key that its issuer has not published.
    UnknownKey,
    /// It is not signed with the secret, or with the key that it names.
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
    /// Its subject is not the name of a user, or its issuer may not speak for that subject.
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
            Self::UnknownKey => "unknown_key",
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
    /// The keys that would tell whether the token is good are not there; they are being loaded, or will be.
    #[error("the issuer's keys are being loaded, try again")]
    KeysUnavailable {
        /// When to come again.
        after: Duration,
    },
    /// The token lacks a scope.
    #[error("the bearer token lacks the scope `{scope}`")]
    MissingScope {
        /// Which one.
        scope: String,
    },
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

impl Error {
    /// Only Docket's own services may do this.
    pub(crate) fn no_service() -> Self {
        Self::MissingScope { scope: ACT_AS.to_owned() }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::MissingToken | Self::InvalidToken(_) => Code::Unauthenticated,
            Self::KeysUnavailable { .. } => Code::Unavailable,
            Self::MissingScope { .. } | Self::InternalMethod { .. } => Code::PermissionDenied,
            Self::InvalidActAs(_) => Code::InvalidArgument,
        }
    }

    fn reason(&self) -> ErrorReason {
        match self {
            Self::MissingToken => ErrorReason::MissingToken,
            Self::InvalidToken(_) => ErrorReason::InvalidToken,
            Self::KeysUnavailable { .. } => ErrorReason::Unavailable,
            Self::MissingScope { .. } => ErrorReason::MissingScope,
            Self::InternalMethod { .. } => ErrorReason::InternalMethod,
            Self::InvalidActAs(_) => ErrorReason::InvalidFields,
        }
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::InvalidToken(defect) => vec![("detail", defect.as_str().to_owned())],
            Self::MissingScope { scope } => vec![("scope", scope.clone())],
            Self::InternalMethod { method } => vec![("method", method.clone())],
            Self::MissingToken | Self::KeysUnavailable { .. } | Self::InvalidActAs(_) => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::KeysUnavailable { after } => Some(*after),
            // The same call would be refused again.
            _ => None,
        }
    }

    fn violations(&self) -> Vec<(String, String)> {
        match self {
            Self::InvalidActAs(why) => vec![(ACT_AS_KEY.to_owned(), (*why).to_owned())],
            _ => Vec::new(),
        }
    }
}
