//! What this process tells of itself, as it is configured: who it is, and where spans, figures and log lines go.

use docket_telemetry::{Collector, Identity, KeyValue, Levels, Lines, Meters, Telemetry};
use uuid::Uuid;

use crate::config::{Config, Error};

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

/// Logs from now on what the configuration says by now, if it can be read. Nothing else of it is taken over.
pub fn read_again(levels: Option<&Levels>, config: &impl Fn() -> Result<Config, Error>) {
    let Some(levels) = levels else { return };
    let read = config().map_err(anyhow::Error::new).and_then(|config| Ok(levels.set(&config.log)?));
    match read {
        Ok(()) => tracing::info!(log = levels.get(), "the log is as the configuration says"),
        Err(error) => tracing::warn!(error = format!("{error:#}"), "the log stays as it is"),
    }
}

/// Tells which version this is, with the other figures.
pub(crate) fn build_info(meters: &Meters) {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let meter = meters.meter("docket-server");
    let info = meter.u64_gauge("docket.build.info").with_description("1, and which version this is").build();
    info.record(1, &[version]);
}
