//! The fields of Dapr's resources (`apiVersion: dapr.io/v1alpha1` of Dapr 1.18) as far as Docket uses them. daprd itself
//! passes over a field that it does not know.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What every resource has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) api_version: String,
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Component {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) metadata: Named,
    pub(super) spec: ComponentSpec,
    pub(super) auth: Option<Auth>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ComponentSpec {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) version: String,
    #[serde(rename = "ignoreErrors")]
    _ignore_errors: Option<bool>,
    pub(super) init_timeout: Option<String>,
    pub(super) metadata: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) secret_key_ref: Option<Secret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Secret {
    pub(super) name: String,
    pub(super) key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Auth {
    pub(super) secret_store: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Resiliency {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "metadata")]
    _metadata: Named,
    pub(super) spec: ResiliencySpec,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResiliencySpec {
    pub(super) policies: Policies,
    pub(super) targets: Targets,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Policies {
    #[serde(default)]
    pub(super) timeouts: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) retries: BTreeMap<String, Retry>,
    #[serde(default)]
    pub(super) circuit_breakers: BTreeMap<String, CircuitBreaker>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Retry {
    pub(super) policy: String,
    pub(super) duration: Option<String>,
    pub(super) max_interval: Option<String>,
    #[serde(rename = "maxRetries")]
    _max_retries: i64,
    pub(super) matching: Option<Matching>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matching {
    #[serde(rename = "gRPCStatusCodes")]
    pub(super) grpc: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct CircuitBreaker {
    #[serde(rename = "maxRequests")]
    _max_requests: u32,
    pub(super) interval: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) trip: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Targets {
    #[serde(default)]
    pub(super) apps: BTreeMap<String, Names>,
    #[serde(default)]
    pub(super) components: BTreeMap<String, Ways>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ways {
    pub(super) inbound: Option<Names>,
    pub(super) outbound: Option<Names>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Names {
    pub(super) timeout: Option<String>,
    pub(super) retry: Option<String>,
    pub(super) circuit_breaker: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Configuration {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "metadata")]
    _metadata: Named,
    pub(super) spec: ConfigurationSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ConfigurationSpec {
    pub(super) tracing: Tracing,
    pub(super) access_control: AccessControl,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Tracing {
    pub(super) sampling_rate: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AccessControl {
    pub(super) default_action: String,
    #[serde(rename = "trustDomain")]
    _trust_domain: String,
    pub(super) policies: Vec<AppPolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AppPolicy {
    pub(super) app_id: String,
    pub(super) default_action: String,
    #[serde(rename = "trustDomain")]
    _trust_domain: String,
    #[serde(rename = "namespace")]
    _namespace: String,
    pub(super) operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    #[serde(rename = "name")]
    _name: String,
    pub(super) action: String,
    #[serde(rename = "httpVerb")]
    _http_verb: Option<Value>,
}
