//! The templates for `dapr run -f`, read as the Dapr CLI reads them: its keys, where its paths begin, what it gives an app of
//! what all have in common, and the flags that it starts a sidecar with. After the CLI's own source, where keys and flags are in
//! `RunConfig` and `SharedRunConfig`, and paths in `validateRunConfig`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A key of the template. A text that is empty turns off what has a default.
struct Key {
    name: &'static str,
    /// The flag of the sidecar that it becomes; none where it is for the CLI alone.
    flag: &'static str,
    /// What counts where nobody says anything; nothing is said to the sidecar where this is empty, too.
    default: &'static str,
}

const fn key(name: &'static str, flag: &'static str, default: &'static str) -> Key {
    Key { name, flag, default }
}

/// What an app alone has.
const OWN: [Key; 12] = [
    key("appID", "app-id", ""),
    key("appChannelAddress", "app-channel-address", ""),
    key("appPort", "app-port", "0"),
    key("daprHTTPPort", "dapr-http-port", ""),
    key("daprGRPCPort", "dapr-grpc-port", ""),
    key("profilePort", "profile-port", "-1"),
    key("metricsPort", "metrics-port", ""),
    key("unixDomainSocket", "unix-domain-socket", ""),
    key("daprInternalGRPCPort", "dapr-internal-grpc-port", ""),
    key("command", "", ""),
    key("appDirPath", "", ""),
    // Only for Kubernetes: containerImage, containerImagePullPolicy, createService.
    key("createService", "", ""),
];

/// What apps may have in common.
const SHARED: [Key; 22] = [
    key("configFilePath", "config", ""),
    key("appProtocol", "app-protocol", "http"),
    key("apiListenAddresses", "dapr-listen-addresses", ""),
    key("enableProfiling", "enable-profiling", ""),
    key("logLevel", "log-level", ""),
    key("appMaxConcurrency", "app-max-concurrency", "-1"),
    key("placementHostAddress", "placement-host-address", "localhost:50005"),
    key("resourcesPath", "", ""),
    key("resourcesPaths", "resources-path", ""),
    key("appSSL", "app-ssl", ""),
    key("maxBodySize", "max-body-size", "4Mi"),
    key("readBufferSize", "read-buffer-size", "4Ki"),
    key("enableAppHealthCheck", "enable-app-health-check", ""),
    key("appHealthCheckPath", "app-health-check-path", ""),
    key("appHealthProbeInterval", "app-health-probe-interval", ""),
    key("appHealthProbeTimeout", "app-health-probe-timeout", ""),
    key("appHealthThreshold", "app-health-threshold", ""),
    key("enableApiLogging", "enable-api-logging", ""),
    key("runtimePath", "", ""),
    key("env", "", ""),
    key("daprdLogDestination", "", ""),
    key("appLogDestination", "", ""),
];

/// The last of them; its port has a default of its own.
const SCHEDULER: Key = key("schedulerHostAddress", "scheduler-host-address", "localhost");

/// The keys of the file.
const FILE: [&str; 4] = ["version", "name", "common", "apps"];

/// Which of the paths below are there.
const PATHS: [&str; 2] = ["resourcesPaths", "configFilePath"];

/// An app, with what it has of the others.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// By their keys.
    pub(crate) settings: Map<String, Value>,
}

/// All apps of a template that would be in this folder.
pub(crate) fn parse(text: &str, folder: &Path) -> Result<Vec<App>, String> {
    let file: Map<String, Value> = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    known(&file, FILE.into_iter())?;
    if file.get("version") != Some(&Value::from(1)) {
        return Err("required field 'version' is 1".to_owned());
    }
    let nothing = Map::new();
    let common = file.get("common").map_or(Ok(&nothing), |common| common.as_object().ok_or("common"))?;
    let shared = || SHARED.iter().chain([&SCHEDULER]).map(|key| key.name);
    known(common, shared())?;
    let common = resolved(common.clone(), folder)?;
    let apps = file.get("apps").and_then(Value::as_array).ok_or("apps")?;
    let app = |app: &Value| -> Result<App, String> {
        let own = app.as_object().ok_or("an app is a mapping")?;
        known(own, shared().chain(OWN.iter().map(|key| key.name)))?;
        let directory = own.get("appDirPath").and_then(Value::as_str).ok_or("required field 'appDirPath'")?;
        let directory = folder.join(directory);
        let mut settings = resolved(own.clone(), &directory)?;
        settings.insert("appDirPath".to_owned(), directory.display().to_string().into());
        for (name, value) in &common {
            match (name.as_str(), settings.get_mut(name)) {
                ("env", Some(Value::Object(own))) => {
                    for (name, value) in value.as_object().into_iter().flatten() {
                        own.entry(name).or_insert_with(|| value.clone());
                    }
                }
                (_, Some(_)) => {}
                (_, None) => drop(settings.insert(name.clone(), value.clone())),
            }
        }
        Ok(App { settings })
    };
    apps.iter().map(app).collect()
}

fn known<'a>(map: &Map<String, Value>, names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let names: Vec<&str> = names.collect();
    // The CLI itself passes over what it does not know.
    match map.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("the CLI does not know the key {key}")),
        None => Ok(()),
    }
}

/// With paths that begin in this folder, all of which must be there.
fn resolved(mut map: Map<String, Value>, folder: &Path) -> Result<Map<String, Value>, String> {
    for name in PATHS {
        let Some(value) = map.get_mut(name) else { continue };
        let paths = match value {
            Value::Array(paths) => paths.iter_mut().collect(),
            path => vec![path],
        };
        for path in paths {
            let resolved = normal(&folder.join(path.as_str().ok_or(name)?));
            if !resolved.exists() {
                return Err(format!("{name}: {} is not there", resolved.display()));
            }
            *path = resolved.display().to_string().into();
        }
    }
    Ok(map)
}

/// Without `..`: the folder of the data need not be there yet.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
        path
    })
}

impl App {
    /// What a key says as a text; empty when it says nothing.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.settings.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The program and its arguments; the program's path begins in the app's folder.
    pub(crate) fn command(&self) -> (PathBuf, Vec<String>) {
        let words = self.settings.get("command").and_then(Value::as_array).unwrap();
        let mut words = words.iter().map(|word| word.as_str().unwrap().to_owned());
        let program = Path::new(&self.text("appDirPath")).join(words.next().unwrap());
        (normal(&program), words.collect())
    }

    /// What the app finds in its environment besides what the CLI has itself.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let told = [
            ("APP_ID", "appID"),
            ("APP_PORT", "appPort"),
            ("DAPR_HTTP_PORT", "daprHTTPPort"),
            ("DAPR_GRPC_PORT", "daprGRPCPort"),
            ("DAPR_METRICS_PORT", "metricsPort"),
            ("APP_PROTOCOL", "appProtocol"),
        ];
        let mut environment: BTreeMap<String, String> =
            told.into_iter().map(|(name, key)| (name.to_owned(), self.text(key))).collect();
        for (name, value) in self.settings.get("env").and_then(Value::as_object).into_iter().flatten() {
            environment.insert(name.clone(), value.as_str().unwrap().to_owned());
        }
        environment
    }

    /// What the sidecar is started with.
    pub(crate) fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        for key in OWN.iter().chain(&SHARED).chain([&SCHEDULER]).filter(|key| !key.flag.is_empty()) {
            let flag = format!("--{}", key.flag);
            match self.settings.get(key.name) {
                Some(Value::Bool(true)) => flags.push(flag),
                Some(Value::Bool(false)) => {}
                Some(Value::Array(values)) => {
                    flags.extend(
                        values.iter().flat_map(|value| [flag.clone(), value.as_str().unwrap().to_owned()]),
                    );
                }
                said => {
                    let mut value = self.text(key.name);
                    // Of the scheduler the CLI does not take that there is none.
                    if said.is_none() || (key.name == SCHEDULER.name && value.is_empty()) {
                        value = key.default.to_owned();
                    }
                    if !value.is_empty() && key.name == SCHEDULER.name && !value.contains(':') {
                        value.push_str(":50006");
                    }
                    if !value.is_empty() {
                        flags.extend([flag, value]);
                    }
                }
            }
        }
        flags
    }
}
