//! A PostgreSQL, and on it a Docket for each share of traces, all of the same binary; a sidecar, and behind that of the collector
//! what counts spans.

use std::path::Path;

use anyhow::{Context as _, Result};
use docket_testkit::{Daprd, Docket};

use super::receiver::Receiver;
use super::share::Share;
use crate::load::Caller;
use crate::usage;
use crate::world::World;

/// What runs. Ends when dropped.
pub(crate) struct Ground {
    pub(crate) world: World,
    pub(crate) receiver: Receiver,
    dockets: Vec<(Share, Docket, Caller)>,
    sidecar: Daprd,
    of_collector: Daprd,
}

impl Ground {
    /// Starts all of it.
    pub(crate) async fn start(binary: &Path, more: &[(String, String)]) -> Result<Self> {
        let world = World::start(binary).await?;
        let receiver = Receiver::start().await?;
        // Sidecars find each other by name on the whole machine.
        let collector = format!("otel-collector-{}", uuid::Uuid::new_v4().simple());
        let of_collector = Daprd::builder(&collector).foreign_app(receiver.address.port()).start().await;
        let sidecar = Daprd::builder(&format!("docket-{}", uuid::Uuid::new_v4().simple()));
        let endpoint = format!("http://127.0.0.1:{}", sidecar.grpc_port());
        let sidecar = sidecar.start().await;
        let mut dockets = Vec::new();
        for share in Share::EACH {
            let docket = match share.ratio() {
                None => world.docket_beside(binary).env("DOCKET_TELEMETRY__EXPORT", "none"),
                Some(ratio) => world
                    .docket_beside(binary)
                    .env("DOCKET_TELEMETRY__EXPORT", "sidecar")
                    .env("DOCKET_TELEMETRY__COLLECTOR_APP_ID", &collector)
                    .env("DOCKET_TELEMETRY__SAMPLE_RATIO", ratio)
                    // Only spans are counted.
                    .env("DOCKET_TELEMETRY__METRICS_INTERVAL_SECONDS", "0"),
            };
            let docket = docket.env("DOCKET_DAPR__ENDPOINT", &endpoint);
            let docket = more.iter().fold(docket, |docket, (name, value)| docket.env(name, value));
            let docket = docket.start().await;
            let caller = Caller::new(World::channels_to(&docket))?;
            dockets.push((share, docket, caller));
        }
        Ok(Self { world, receiver, dockets, sidecar, of_collector })
    }

    /// Who calls the Docket of this share.
    pub(crate) fn caller(&self, share: Share) -> Result<&Caller> {
        self.of(share).map(|(_, caller)| caller)
    }

    /// CPU seconds of the Docket of this share and of the sidecar so far.
    pub(crate) fn cpu(&self, share: Share) -> Result<[f64; 2]> {
        let docket = self.of(share)?.0.id().context("docket has ended")?;
        let sidecar = self.sidecar.id().context("the sidecar has ended")?;
        Ok([usage::of_process(docket)?, usage::of_process(sidecar)?])
    }

    /// CPU seconds of everything that runs, so far; of the Dockets that of this share alone, since the others rest.
    pub(crate) fn all_cpu(&self, share: Share) -> Result<f64> {
        let collector = self.of_collector.id().context("the collector's sidecar has ended")?;
        let [docket, sidecar] = self.cpu(share)?;
        let beside = usage::of_process(collector)? + usage::of_process(std::process::id())?;
        Ok(docket + sidecar + self.world.postgres_cpu()? + beside)
    }

    fn of(&self, share: Share) -> Result<(&Docket, &Caller)> {
        let found = self.dockets.iter().find(|(other, ..)| *other == share);
        found.map(|(_, docket, caller)| (docket, caller)).context("there is no such Docket")
    }
}
