//! What this process tells of itself, as it is configured: who it is, and where spans, figures and log lines go.

use docket_telemetry::{Collector, Identity, Levels, Lines, Telemetry};
use uuid::Uuid;

use crate::config::Config;

/// Who this process is: its app id at Dapr, so that a trace and a component are named alike.
pub fn identity(config: &Config) -> Identity {
    let service = match config.targets[..] {
        [target] => format!("docket-{}", target.name()),
        _ => "docket".to_owned(),
    };
    Identity { service, version: env!("CARGO_PKG_VERSION"), instance: Uuid::new_v4() }
}

/// Starts to tell. Called once.
pub fn start(config: &Config) -> anyhow::Result<Telemetry> {
    let collector = Collector {
        endpoint: config.dapr.endpoint(),
        api_token: config.dapr.api_token.as_ref().map(|token| token.as_str().to_owned()),
    };
    // Checked when the configuration was read.
    let filter = Levels::parse(&config.log)?;
    let lines = Lines { format: config.log_format, filter };
    Ok(Telemetry::start(&config.telemetry, lines, &identity(config), &collector)?)
}
