//! How tokens are checked, and where Docket's own come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source;
use crate::secret::{self, Secret};

/// How tokens are checked, and where Docket's own come from.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The `iss` that tokens must carry. Default `docket`.
    pub issuer: String,
    /// The `aud` that tokens must carry. Default `docket`.
    pub audience: String,
    /// The issuer's public keys, a JSON Web Key Set: a file, or a URL (`https://…`, `http://…`). Default: none, and
    /// tokens are signed with the secret. Written out without the values of a URL's parameters.
    #[serde(serialize_with = "source::serialize_without_secrets")]
    pub jwks: Option<String>,
    /// A PEM file of certificate authorities that vouch for the hosts of key sets, besides the public ones.
    pub jwks_ca: Option<PathBuf>,
    /// How old keys of a URL become before they are fetched again, when their server does not say, in seconds.
    /// Default 300.
    pub jwks_refresh_seconds: u64,
    /// How old keys of a URL may become while they can not be fetched, in seconds. Default 86400: a day.
    pub jwks_max_stale_seconds: u64,
    /// The scope that calls of the API need. Default: none.
    pub required_scope: Option<String>,
    /// The subjects that are Docket's own services, besides those with the scope `tasks:act-as`: subjects of
    /// `service_issuer` if there is one, else of `issuer`. Default: none.
    pub services: BTreeSet<String>,
    /// The `iss` of tokens that only the subjects of `services` may carry, such as the Kubernetes cluster's.
    pub service_issuer: Option<String>,
    /// The public keys of `service_issuer`: a file or a URL. Written out as `jwks` is.
    #[serde(serialize_with = "source::serialize_without_secrets")]
    pub service_jwks: Option<String>,
    /// The file of the token with which Docket's own services call. Default: they sign their own with the secret.
    pub service_token: Option<PathBuf>,
    /// The secret that tokens are signed with; not written out with the rest. Default: that of `secret_file`.
    #[serde(skip_serializing)]
    pub secret: Option<Secret>,
    /// The file of the secret, made on first start. Default: a file in the data folder; none with `jwks`.
    pub secret_file: Option<PathBuf>,
    /// How far the clocks of issuer and server may be apart, in seconds. Default 30.
    pub leeway_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            issuer: "docket".to_owned(),
            audience: "docket".to_owned(),
            jwks: None,
            jwks_ca: None,
            jwks_refresh_seconds: 300,
            jwks_max_stale_seconds: 86_400,
            required_scope: None,
            services: BTreeSet::new(),
            service_issuer: None,
            service_jwks: None,
            service_token: None,
            secret: None,
            secret_file: None,
            leeway_seconds: 30,
        }
    }
}

impl Config {
    /// The secret as configured, else that of the file; `default_file` stands in for `secret_file`. None when tokens are
    /// checked with published keys and no secret is asked for: a secret that nobody knows of is a door that nobody watches.
    pub fn load_secret(&self, default_file: &Path) -> Result<Option<Secret>, secret::Error> {
        match (&self.secret, &self.secret_file) {
            (Some(secret), _) => Ok(Some(secret.clone())),
            (None, Some(file)) => secret::load_or_create(file).map(Some),
            (None, None) if self.jwks.is_some() => Ok(None),
            (None, None) => secret::load_or_create(default_file).map(Some),
        }
    }

    /// What the types leave open, each with the name of its key.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.is_empty() {
                faults.push(format!("auth.{key} must not be empty"));
            }
        }
        for (key, location) in [("jwks", &self.jwks), ("service_jwks", &self.service_jwks)] {
            if let Some(location) = location
                && let Err(what) = source::check(location)
            {
                faults.push(format!("auth.{key} {what}"));
            }
        }
        if self.service_issuer.is_some() != self.service_jwks.is_some() {
            faults.push("auth.service_issuer and auth.service_jwks need each other".to_owned());
        }
        if self.service_issuer.as_ref() == Some(&self.issuer) {
            faults.push("auth.service_issuer must be another one than auth.issuer".to_owned());
        }
        if self.service_jwks.is_some() && self.services.is_empty() {
            faults.push("auth.services must name a subject: auth.service_jwks is for them alone".to_owned());
        }
        if let Some(scope) = &self.required_scope
            && (scope.is_empty() || scope.contains(char::is_whitespace))
        {
            faults.push("auth.required_scope must be one scope".to_owned());
        }
        faults
    }
}
