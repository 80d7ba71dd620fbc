//! What is logged, and how that is changed while the process runs.

use tracing_subscriber::{EnvFilter, Registry, reload};

/// Directives that can not be read.
#[derive(Debug, thiserror::Error)]
#[error("not directives of a log filter: {0}")]
pub struct InvalidLevels(String);

/// Changes what is logged. Cheap to clone.
#[derive(Clone)]
pub struct Levels(reload::Handle<EnvFilter, Registry>);

impl std::fmt::Debug for Levels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Levels").field(&self.get()).finish()
    }
}

impl Levels {
    pub(crate) fn new(filter: EnvFilter) -> (reload::Layer<EnvFilter, Registry>, Self) {
        let (layer, handle) = reload::Layer::new(filter);
        (layer, Self(handle))
    }

    /// Reads directives as `RUST_LOG` has them: `info,docket_outbox=debug`.
    pub fn parse(directives: &str) -> Result<EnvFilter, InvalidLevels> {
        directives.trim().parse().map_err(|error| InvalidLevels(format!("{error}")))
    }

    /// What is logged now.
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }

    /// Logs something else from now on.
    pub fn set(&self, directives: &str) -> Result<(), InvalidLevels> {
        let filter = Self::parse(directives)?;
        // It fails when the process has another subscriber, as tests have.
        self.0.reload(filter).map_err(|error| InvalidLevels(error.to_string()))
    }
}
