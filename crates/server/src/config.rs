//! Configuration in layers: defaults, then a file, then `DOCKET_…` of the environment, then flags.
//!
//! An unknown key stops the start with its name: a misspelt key that is silently ignored is a promise broken later.

mod optional;
mod rules;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use figment::error::Kind;
use figment::providers::{Env, Format as _, Serialized, Toml};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};

use crate::target::Target;

/// The prefix of every variable of the environment; `__` stands for the dot of a nested key.
const PREFIX: &str = "DOCKET_";

/// The variables with the prefix that are read elsewhere.
const NOT_KEYS: [&str; 2] = ["config", "token"];

/// The keys whose values nobody may see. Their variables are taken as they are written; those of others are read as TOML
/// would: `true` is no text.
const SECRETS: [&str; 4] = ["auth.secret", "dapr.api_token", "dapr.app_api_token", "kafka.password"];

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The roles to run: a list, or one text with commas; all when empty.
    #[serde(deserialize_with = "crate::target::list")]
    pub targets: Vec<Target>,
    /// Where generated secrets are kept, and the database unless `database.url` says otherwise.
    pub data_dir: PathBuf,
    /// What is logged: directives of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// How log lines look: `text` or `json`.
    pub log_format: docket_telemetry::Format,
    /// How long calls that are under way may take after the order to stop, in seconds.
    pub drain_seconds: u64,
    /// Where traces and metrics go.
    pub telemetry: docket_telemetry::Config,
    /// Where the data is.
    pub database: docket_store::Config,
    /// The addresses that are listened on.
    pub listen: Listen,
    /// Who may call.
    pub auth: docket_rpc::AuthConfig,
    /// The sidecar.
    pub dapr: docket_sidecar::Config,
    /// How the ports are served: sizes, deadlines, connections.
    pub server: docket_rpc::ServerConfig,
    /// How much is served, to one user and to all.
    pub limits: docket_rpc::LimitsConfig,
    /// The target `tasks`.
    pub tasks: docket_tasks::Config,
    /// The target `recurrence`.
    pub recurrence: docket_recurrence::Config,
    /// The target `reminders`.
    pub reminders: docket_reminders::Config,
    /// The target `notification`.
    pub notification: docket_notification::Config,
    /// The target `deadletters`.
    pub deadletters: docket_deadletters::Config,
    /// The relay.
    pub outbox: docket_outbox::Config,
    /// How long things are kept that are not kept for ever.
    pub retention: crate::retention::Config,
    /// Kafka, for `docket topics`, and for how far behind the handlers of this process are.
    pub kafka: crate::topics::Config,
    /// The admin port.
    pub admin: crate::admin::Config,
}

/// The addresses that are listened on. Port 0 takes a free one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// The API, health and reflection, for clients.
    pub public: SocketAddr,
    /// What the sidecar calls (`--app-port`): loopback or pod-local.
    pub app: SocketAddr,
    /// What operators ask the process itself, by HTTP. Nobody has to prove who they are there, so: loopback or pod-local. An
    /// empty text turns it off.
    #[serde(with = "optional")]
    pub admin: Option<SocketAddr>,
    /// TLS for the public port. Default: none.
    pub tls: Option<docket_rpc::TlsConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            data_dir: PathBuf::from("."),
            log: "info,sqlx=warn,sea_orm_migration=warn,h2=warn,hyper=warn".to_owned(),
            log_format: Default::default(),
            drain_seconds: 20,
            telemetry: Default::default(),
            database: Default::default(),
            listen: Default::default(),
            auth: Default::default(),
            dapr: Default::default(),
            server: Default::default(),
            limits: Default::default(),
            tasks: Default::default(),
            recurrence: Default::default(),
            reminders: Default::default(),
            notification: Default::default(),
            deadletters: Default::default(),
            outbox: Default::default(),
            retention: Default::default(),
            kafka: Default::default(),
            admin: Default::default(),
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 7600)),
            app: SocketAddr::from(([127, 0, 0, 1], 7601)),
            admin: Some(SocketAddr::from(([127, 0, 0, 1], 7602))),
            tls: None,
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file named on the command line is not there.
    #[error("the configuration file {0} does not exist")]
    NoFile(PathBuf),
    /// A key is unknown or its value is not of its kind; one line for each.
    #[error("the configuration is wrong:\n{0}")]
    Wrong(String),
}

/// What the command line says; every value is one that was given.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// `--target`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// `--public-address`, `--app-address` and `--admin-address`.
    pub listen: ListenFlags,
}

/// The addresses that the command line gives.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ListenFlags {
    /// `--public-address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public: Option<SocketAddr>,
    /// `--app-address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<SocketAddr>,
    /// `--admin-address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin: Option<SocketAddr>,
}

impl Config {
    /// Reads all layers.
    pub fn load(file: Option<&Path>, flags: Flags) -> Result<Self, Error> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            if !file.is_file() {
                return Err(Error::NoFile(file.to_owned()));
            }
            check_syntax(file)?;
            layers = layers.merge(Toml::file_exact(file));
        }
        let environment = Env::prefixed(PREFIX).ignore(&NOT_KEYS).split("__");
        let secrets = Verbatim(environment.clone().only(&SECRETS));
        let mut config: Self = layers
            .merge(environment)
            .merge(secrets)
            .merge(Serialized::defaults(flags))
            .extract()
            .map_err(|error| wrong(&error))?;
        // Dapr's own variables come last: they say where the sidecar is, when nothing of ours does.
        let dapr = config.dapr.or_environment(|name| std::env::var(name).ok());
        config.dapr = dapr.map_err(|error| Error::Wrong(format!("dapr: {error}")))?;
        config.telemetry = config.telemetry.or_environment(|name| std::env::var(name).ok());
        if config.database.url.is_empty() {
            config.database.url = docket_store::url_of(&config.data_dir.join("docket.db"));
        }
        config.check()?;
        Ok(config)
    }

    /// What only a server needs: that the sidecar can prove itself.
    pub fn check_to_serve(&self) -> Result<(), Error> {
        if !self.dapr.enabled {
            return Ok(());
        }
        docket_sidecar::Guard::new(&self.dapr)
            .map(drop)
            .map_err(|error| Error::Wrong(format!("dapr: {error}")))
    }

    /// The pub/sub component of due reminders.
    pub fn reminders_pubsub(&self) -> &str {
        self.reminders.pubsub.as_ref().unwrap_or(&self.dapr.pubsub)
    }

    /// The pub/sub component of dead letters.
    pub fn dead_letter_pubsub(&self) -> &str {
        self.deadletters.pubsub.as_ref().unwrap_or(&self.dapr.pubsub)
    }

    /// Whether this process plays the role.
    pub fn runs(&self, target: Target) -> bool {
        self.targets.is_empty() || self.targets.contains(&target)
    }

    /// The parts of the database that this process works with.
    pub fn schemas(&self) -> Vec<docket_store::Schema> {
        Target::value_variants()
            .iter()
            .filter(|target| self.runs(**target))
            .map(|target| target.schema())
            .collect()
    }

    /// The file of the HS256 secret, unless `auth` names another one.
    pub fn secret_file(&self) -> PathBuf {
        self.data_dir.join("secret")
    }

    /// The configuration as a file. Secrets are left out, so that the file is safe to show, and never taken for one that
    /// has them.
    pub fn print(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

/// Variables whose values are texts, whatever they look like: a secret may be all digits, and an error that said so
/// would show it.
struct Verbatim(Env);

impl Provider for Verbatim {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut sections: Map<String, Map<String, String>> = Map::new();
        for (key, text) in self.0.iter() {
            if let Some((section, name)) = key.as_str().split_once('.') {
                sections.entry(section.to_owned()).or_default().insert(name.to_owned(), text);
            }
        }
        let sections: Dict = sections.into_iter().map(|(name, section)| (name, section.into())).collect();
        Ok(Profile::Default.collect(sections))
    }
}

/// Refuses a file that is no TOML by the number of the line: the reader's own message would show it, secret or not.
fn check_syntax(file: &Path) -> Result<(), Error> {
    // One that cannot be read is told of by the reader.
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    text.parse::<toml::Table>().map(drop).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        Error::Wrong(format!("{}: line {line} is not TOML", file.display()))
    })
}

/// Whether an error at this key could show a secret: at the secret itself, or where its whole section is of another kind.
fn near_secret(path: &str) -> bool {
    SECRETS.iter().any(|secret| {
        let below = |parent: &str, child: &str| {
            child.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        below(path, secret) || below(secret, path)
    })
}

fn wrong(error: &figment::Error) -> Error {
    let lines = error.clone().into_iter().map(|error| {
        let path = error.path.join(".");
        let mut line = match &error.kind {
            // Our own words about a value, which do not repeat it.
            kind @ (Kind::Message(_) | Kind::UnknownField(..)) => kind.to_string(),
            _ if SECRETS.contains(&path.as_str()) => "must be a text in quotes".to_owned(),
            _ if near_secret(&path) => "is of another kind than it must be".to_owned(),
            kind => kind.to_string(),
        };
        if !error.path.is_empty() {
            line = format!("{path}: {line}");
        }
        let Some(metadata) = &error.metadata else { return line };
        match &metadata.source {
            Some(source) => format!("{line} ({} {source})", metadata.name),
            None => format!("{line} ({})", metadata.name),
        }
    });
    Error::Wrong(lines.collect::<Vec<_>>().join("\n"))
}
