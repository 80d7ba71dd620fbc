//! Who calls: what the shell found out about a request, for the handlers.

use std::collections::BTreeSet;

use docket_domain::{Instant, UserId};
use docket_telemetry::TraceContext;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tonic::{Request, Status};

use crate::auth::{ACT_AS_KEY, Authenticator, Defect, Error};
use crate::fault::Internal;
use crate::status::{OrStatus as _, to_status};

/// The door through which a call came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Port {
    /// Open to clients: every token acts as its own subject.
    Public,
    /// Open to the sidecar: service tokens act for the user they name.
    App,
}

/// Who calls, and for whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The `sub` of the token.
    pub subject: UserId,
    /// The user whose data the call may touch; absent for a service that named none.
    pub user: Option<UserId>,
    /// Whether it is one of Docket's own services.
    pub service: bool,
    /// What the token allows, besides acting as its subject.
    pub scopes: BTreeSet<String>,
    /// The door through which the call came.
    pub port: Port,
}

/// The method as called: `package.Service/Method`.
#[derive(Clone, Debug)]
pub(crate) struct Method(pub(crate) String);

/// The caller of a request.
pub fn caller<T>(request: &Request<T>) -> Result<&Caller, Status> {
    // A service that is mounted without the shell answers nobody.
    request
        .extensions()
        .get::<Caller>()
        .ok_or_else(|| to_status(&Internal::new("the call did not pass the shell")))
}

/// The user whose data the call may touch.
pub fn user<T>(request: &Request<T>) -> Result<&UserId, Status> {
    let missing = Error::InvalidActAs("must name the user whom the service acts for");
    caller(request)?.user.as_ref().ok_or(missing).or_status()
}

/// The caller of a request that only Docket's own services may make.
pub fn service<T>(request: &Request<T>) -> Result<&Caller, Status> {
    let caller = caller(request)?;
    match caller {
        Caller { service: true, .. } => Ok(caller),
        Caller { port: Port::App, .. } => Err(Error::no_service()).or_status(),
        Caller { port: Port::Public, .. } => {
            let method =
                request.extensions().get::<Method>().map(|method| method.0.clone()).unwrap_or_default();
            Err(Error::InternalMethod { method }).or_status()
        }
    }
}

/// The caller of a request that only those with a scope may make, on whichever port.
pub fn with_scope<'a, T>(request: &'a Request<T>, scope: &str) -> Result<&'a Caller, Status> {
    let caller = caller(request)?;
    match caller.scopes.contains(scope) {
        true => Ok(caller),
        false => Err(Error::MissingScope { scope: scope.to_owned() }).or_status(),
    }
}

/// The trace that the request belongs to; empty when the client sent none.
pub fn trace_context<T>(request: &Request<T>) -> TraceContext {
    request.extensions().get().cloned().unwrap_or_default()
}

/// Finds out who calls.
pub(crate) fn admit(
    authenticator: &Authenticator,
    port: Port,
    method: &Method,
    headers: &HeaderMap,
    now: Instant,
) -> Result<Caller, Error> {
    let claims = authenticator.verify(bearer(headers)?, now)?;
    let named = only(headers, ACT_AS_KEY).map_err(|Repeated| Error::InvalidActAs("must be sent once"))?;
    let service = port == Port::App && authenticator.is_service(&claims);
    if !service {
        authenticator.check_scope(&claims)?;
    }
    let user = match (named, port) {
        (None, _) if service => None,
        (None, _) => Some(claims.subject.clone()),
        (Some(_), Port::Public) => return Err(Error::InternalMethod { method: method.0.clone() }),
        (Some(_), Port::App) if !service => return Err(Error::no_service()),
        (Some(name), Port::App) => {
            let user = name.parse().map_err(|_| Error::InvalidActAs("must be the name of a user"))?;
            Some(user)
        }
    };
    Ok(Caller { subject: claims.subject.clone(), user, service, scopes: claims.scopes.clone(), port })
}

fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let malformed = |Repeated| Error::InvalidToken(Defect::Malformed);
    let value = only(headers, AUTHORIZATION.as_str()).map_err(malformed)?.ok_or(Error::MissingToken)?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Error::MissingToken),
    }
}

pub(crate) struct Repeated;

/// The value of a header; one that is no visible ASCII counts as empty, and so satisfies nobody.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Repeated> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Ok(Some(value.to_str().unwrap_or_default())),
        (Some(_), Some(_)) => Err(Repeated),
    }
}
