//! Finds in Dapr's resources what daprd would pass over in silence: unknown keys, names of nothing, values of another kind.

mod names;
mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use schema::{Component, Configuration, Resiliency, Resource};

/// The apps that there are: everything in one process, or a target each.
const APPS: [&str; 7] = [
    "docket",
    "docket-tasks",
    "docket-recurrence",
    "docket-reminders",
    "docket-notification",
    "docket-audit",
    "docket-deadletters",
];

/// What circuit breakers can look at.
const COUNTS: [&str; 5] =
    ["requests", "totalSuccesses", "totalFailures", "consecutiveSuccesses", "consecutiveFailures"];

/// Folders whose files one sidecar loads together.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Each file with what is in it.
    pub(crate) files: Vec<(PathBuf, Value)>,
}

impl Shape {
    /// Reads all files of these folders.
    pub(crate) fn read(folders: &[PathBuf]) -> Self {
        let mut paths: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| {
                std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            })
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        Self { files: paths.into_iter().map(|path| (path.clone(), parse(&path))).collect() }
    }

    /// The components in it, each with its type.
    pub(crate) fn components(&self) -> Vec<(String, String)> {
        let component =
            |(_, value): &(PathBuf, Value)| serde_json::from_value::<Component>(value.clone()).ok();
        self.files.iter().filter_map(component).map(|one| (one.metadata.name, one.spec.kind)).collect()
    }

    /// Everything that is wrong with it, each with the file.
    pub(crate) fn faults(&self) -> Vec<String> {
        let components: BTreeSet<String> = self.components().into_iter().map(|(name, _)| name).collect();
        let mut faults = Vec::new();
        for (path, value) in &self.files {
            let found = faults_of(value.clone(), &components);
            faults.extend(found.into_iter().map(|fault| format!("{}: {fault}", path.display())));
        }
        faults
    }
}

fn parse(path: &Path) -> Value {
    assert!(
        path.extension().is_some_and(|extension| extension == "yaml"),
        "daprd does not read {}",
        path.display()
    );
    let text = std::fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn faults_of(value: Value, components: &BTreeSet<String>) -> Vec<String> {
    let resource: Resource = match serde_json::from_value(value.clone()) {
        Ok(resource) => resource,
        Err(error) => return vec![error.to_string()],
    };
    let read = |error: serde_json::Error| vec![error.to_string()];
    match (resource.api_version.as_str(), resource.kind.as_str()) {
        ("dapr.io/v1alpha1", "Component") => {
            serde_json::from_value(value).map_or_else(read, |component| of_component(&component, components))
        }
        ("dapr.io/v1alpha1", "Resiliency") => serde_json::from_value(value)
            .map_or_else(read, |resiliency| of_resiliency(&resiliency, components)),
        ("dapr.io/v1alpha1", "Configuration") => {
            serde_json::from_value(value).map_or_else(read, |configuration| of_configuration(&configuration))
        }
        (version, kind) => vec![format!("no kind of resource: {version} {kind}")],
    }
}

fn of_component(component: &Component, components: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let spec = &component.spec;
    let Some(known) = names::of(&spec.kind, &spec.version) else {
        return vec![format!("no component: {} {}", spec.kind, spec.version)];
    };
    let mut seen = BTreeSet::new();
    for item in &spec.metadata {
        if !seen.insert(&item.name) {
            faults.push(format!("{} is there twice", item.name));
        }
        let Some(kind) = known.iter().find(|(name, _)| *name == item.name).map(|(_, kind)| kind) else {
            faults.push(format!("{} has no {}", spec.kind, item.name));
            continue;
        };
        match (&item.value, &item.secret_key_ref) {
            (Some(value), None) if kind.takes(value) => {}
            (Some(_), None) if matches!(kind, names::Kind::Secret) => {
                faults.push(format!("{} is a secret, and must come from a secret store", item.name));
            }
            (Some(value), None) => faults.push(format!("{}: {value:?} is not {kind:?}", item.name)),
            (None, Some(secret)) if names::SECRET.contains(&(&*secret.name, &*secret.key)) => {}
            (None, Some(secret)) => faults.push(format!("no secret {} {}", secret.name, secret.key)),
            _ => faults.push(format!("{} needs a value, or a secret", item.name)),
        }
    }
    let secrets = spec.metadata.iter().any(|item| item.secret_key_ref.is_some());
    let store = component.auth.as_ref().map(|auth| &auth.secret_store);
    if secrets && store.is_none_or(|store| !components.contains(store)) {
        faults.push(format!("no secret store {store:?}"));
    }
    if !spec.init_timeout.as_deref().is_none_or(names::is_duration) {
        faults.push("initTimeout is no duration".to_owned());
    }
    faults.extend(apps(&component.scopes));
    faults
}

fn of_resiliency(resiliency: &Resiliency, components: &BTreeSet<String>) -> Vec<String> {
    let (policies, targets) = (&resiliency.spec.policies, &resiliency.spec.targets);
    let mut faults = apps(&resiliency.scopes);
    faults.extend(apps(targets.apps.keys()));
    let strange = targets.components.keys().filter(|name| !components.contains(*name));
    faults.extend(strange.map(|name| format!("no component {name}")));

    let inbound = targets.components.values().filter_map(|target| target.inbound.as_ref());
    let outbound = targets.components.values().filter_map(|target| target.outbound.as_ref());
    if inbound.clone().any(|names| names.circuit_breaker.is_some()) {
        faults.push("a circuit breaker before the app: what it stops is lost, or a dead letter".to_owned());
    }
    let used: Vec<_> = targets.apps.values().chain(inbound).chain(outbound).collect();
    let named = |pick: fn(&schema::Names) -> &Option<String>| -> BTreeSet<String> {
        used.iter().filter_map(|names| pick(names).clone()).collect()
    };
    let kinds: [(&str, BTreeSet<String>, BTreeSet<String>); 3] = [
        ("timeout", policies.timeouts.keys().cloned().collect(), named(|names| &names.timeout)),
        ("retry", policies.retries.keys().cloned().collect(), named(|names| &names.retry)),
        (
            "circuitBreaker",
            policies.circuit_breakers.keys().cloned().collect(),
            named(|names| &names.circuit_breaker),
        ),
    ];
    for (kind, there, named) in kinds {
        faults.extend(named.difference(&there).map(|name| format!("no {kind} {name}")));
        faults.extend(there.difference(&named).map(|name| format!("nobody uses {kind} {name}")));
    }
    faults.extend(policy_values(policies));
    faults
}

fn policy_values(policies: &schema::Policies) -> Vec<String> {
    let mut faults = Vec::new();
    let mut duration = |what: &str, text: &Option<String>| {
        if text.as_deref().is_some_and(|text| !names::is_duration(text)) {
            faults.push(format!("{what} {text:?} is no duration"));
        }
    };
    for (name, timeout) in &policies.timeouts {
        duration(name, &Some(timeout.clone()));
    }
    for (name, retry) in &policies.retries {
        duration(name, &retry.duration);
        duration(name, &retry.max_interval);
    }
    for (name, breaker) in &policies.circuit_breakers {
        duration(name, &breaker.interval);
        duration(name, &breaker.timeout);
    }
    for (name, retry) in &policies.retries {
        // What the other policy has is not looked at.
        match (retry.policy.as_str(), &retry.duration, &retry.max_interval) {
            ("constant", Some(_), None) | ("exponential", None, Some(_)) => {}
            other => faults.push(format!("retry {name}: {other:?}")),
        }
        let codes = retry.matching.iter().flat_map(|matching| matching.grpc.split([',', '-']));
        faults.extend(
            codes
                .filter(|code| !code.parse::<u8>().is_ok_and(|code| code <= 16))
                .map(|code| format!("{code} is no code of gRPC")),
        );
    }
    for (name, breaker) in &policies.circuit_breakers {
        let words: Vec<&str> = breaker.trip.split_whitespace().collect();
        let known = |count: &str, number: &str| COUNTS.contains(&count) && number.parse::<u32>().is_ok();
        if !matches!(words[..], [count, ">" | ">=", number] if known(count, number)) {
            faults.push(format!("circuitBreaker {name}: {:?}", breaker.trip));
        }
    }
    faults
}

fn of_configuration(configuration: &Configuration) -> Vec<String> {
    let control = &configuration.spec.access_control;
    let mut faults = apps(control.policies.iter().map(|policy| &policy.app_id));
    if configuration.spec.tracing.sampling_rate.parse::<f64>().is_err() {
        faults.push("samplingRate is no number".to_owned());
    }
    let operations =
        control.policies.iter().flat_map(|policy| &policy.operations).map(|operation| &operation.action);
    let actions =
        control.policies.iter().map(|policy| &policy.default_action).chain([&control.default_action]);
    let strange = actions.chain(operations).filter(|action| !["allow", "deny"].contains(&action.as_str()));
    faults.extend(strange.map(|action| format!("no action {action}")));
    faults
}

fn apps<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let strange = names.into_iter().filter(|name| !APPS.contains(&name.as_str()));
    strange.map(|name| format!("no app {name}")).collect()
}
