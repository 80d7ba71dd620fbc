//! Log lines: where they go and how they look.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts to log on standard error. Called once; a second call changes nothing.
pub fn start(config: &Config) {
    // Checked when the configuration was read.
    let filter = config.log.parse::<EnvFilter>().unwrap_or_default();
    // Colours are for eyes, not for files.
    let colours = std::io::stderr().is_terminal();
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let started = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}
