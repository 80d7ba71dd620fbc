//! What the admin port may do.

use serde::{Deserialize, Serialize};

/// The section `admin` of the configuration.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether a profile of the process can be taken (`/debug/pprof/profile`). It costs the process a little while it is
    /// taken. Default: false.
    pub profiling: bool,
}
