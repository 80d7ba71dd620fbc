//! What a run can be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;
use serde::Serialize;

use crate::plan::Kind;

/// What a run can be told.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Decides which faults strike, when and whom, and what every client wants. When each thing happens it does not decide.
    pub seed: u64,
    /// How long faults strike.
    pub safety: Duration,
    /// How long everything may take to be in order again afterwards.
    pub liveness: Duration,
    /// How many clients work at the same time.
    pub clients: usize,
    /// As how many users.
    pub users: usize,
    /// How long a client rests between two calls, on average.
    pub rest: Duration,
    /// How many replicas each target has.
    pub replicas: usize,
    /// Which faults there are.
    pub faults: Vec<Kind>,
    /// The lease of a relay.
    pub lease: Duration,
    /// The binary.
    pub docket: PathBuf,
    /// Where reports and logs go.
    pub folder: PathBuf,
}

impl Options {
    /// A run of this seed, whose faults strike for so long.
    pub fn new(seed: u64, safety: Duration, docket: PathBuf) -> Self {
        Self {
            seed,
            safety,
            liveness: Duration::from_secs(60),
            clients: 8,
            users: 6,
            rest: Duration::from_millis(40),
            replicas: 2,
            faults: Kind::value_variants().to_vec(),
            lease: Duration::from_secs(5),
            docket,
            folder: PathBuf::from("target/chaos"),
        }
    }
}
