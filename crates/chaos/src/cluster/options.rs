//! What a run in a cluster can be told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;
use serde::Serialize;

use super::fault::Fault;

/// What a run in a cluster can be told.
#[derive(Clone, Debug, Serialize)]
pub struct Options {
    /// Decides in which order faults strike and whom, and what every client wants.
    pub seed: u64,
    /// How long faults strike; each once when absent.
    pub safety: Option<Duration>,
    /// How long everything may take to be in order again, after a fault and at the end.
    pub liveness: Duration,
    /// How many clients work at the same time.
    pub clients: usize,
    /// As how many users.
    pub users: usize,
    /// By how many connections to each target, all of which are opened at the beginning and kept.
    pub connections: usize,
    /// How long a client rests between two calls, on average.
    pub rest: Duration,
    /// How many replicas each target has during the run; as many as it has when absent.
    pub replicas: Option<usize>,
    /// Which faults there are.
    pub faults: Vec<Fault>,
    /// Where targets are, by their names, in place of what the cluster says.
    pub api: BTreeMap<String, SocketAddr>,
    /// Docket's namespace, and its release there.
    pub namespace: String,
    /// The name of the release.
    pub release: String,
    /// The chart, for what changes the release.
    pub chart: PathBuf,
    /// Helm.
    pub helm: PathBuf,
    /// Where reports and logs go.
    pub folder: PathBuf,
}

impl Options {
    /// A run of this seed, in which every fault strikes once.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            safety: None,
            liveness: Duration::from_secs(120),
            clients: 8,
            users: 6,
            connections: 12,
            rest: Duration::from_millis(80),
            replicas: None,
            faults: Fault::value_variants().to_vec(),
            api: BTreeMap::new(),
            namespace: "docket".to_owned(),
            release: "docket".to_owned(),
            chart: PathBuf::from("deploy/chart"),
            helm: PathBuf::from("helm"),
            folder: PathBuf::from("target/chaos"),
        }
    }
}
