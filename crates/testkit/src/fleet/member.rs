//! One process of a fleet, its sidecar, and the networks around them.

use futures::future::join;

use crate::daprd::Daprd;
use crate::docket::Docket;
use crate::kafka::Kafka;
use crate::process::Process;
use crate::proxy::Proxy;

use super::{Release, Role};

/// A process, and its sidecar.
#[derive(Debug)]
pub struct Member {
    /// The binary under test. Ends first, so that its sidecar is not seen to go.
    pub docket: Docket,
    /// Its sidecar.
    pub daprd: Daprd,
    /// The networks around them.
    pub links: Links,
    pub(super) role: Role,
    pub(super) index: usize,
    pub(super) app_id: String,
    /// The broker's proxy through which its sidecar goes.
    pub(super) through: Option<usize>,
}

/// The networks between a process and others.
#[derive(Debug)]
pub struct Links {
    /// From docket to PostgreSQL.
    pub database: Proxy,
    /// From docket to its sidecar's API.
    pub sidecar: Proxy,
    /// From the sidecar to docket's app port.
    pub app: Proxy,
}

impl Member {
    /// The target that it is a replica of.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Which of the replicas it is, counted from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Such as `audit-0`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.role.name(), self.index)
    }

    /// The app-id that it shares with the other replicas of its target.
    pub fn app_id(&self) -> &str {
        &self.app_id
    }

    /// The network between its sidecar and the broker; none where the broker has no proxy for it.
    pub fn broker<'a>(&self, kafka: &'a Kafka) -> Option<&'a Proxy> {
        self.through.map(|number| kafka.proxy(number))
    }

    /// Starts both.
    ///
    /// # Panics
    /// When one of them runs.
    pub fn start(&mut self) {
        self.docket.spawn();
        self.daprd.spawn();
    }

    /// Ends both as an orchestrator does with a pod: they are asked at the same time.
    ///
    /// # Panics
    /// When one of them does not run, or ends as if something had failed.
    pub async fn end(&mut self) {
        let name = self.name();
        let (docket, daprd) = join(self.docket.terminate(), self.daprd.terminate()).await;
        assert!(docket.success() && daprd.success(), "{name} ended with {docket}, its sidecar with {daprd}");
    }

    /// Puts one of this release in its place, as an orchestrator replaces a pod, and waits until that is ready.
    ///
    /// # Panics
    /// As [`Member::end`] does, where it runs.
    pub async fn replace_by(&mut self, release: &Release) {
        if self.is_started() {
            self.end().await;
        }
        self.docket.change_to(release);
        self.start();
        self.ready().await;
    }

    /// Whether it was started, and has not ended.
    pub(super) fn is_started(&self) -> bool {
        self.docket.id().is_some()
    }

    /// Waits until docket serves, and its sidecar delivers.
    pub async fn ready(&mut self) {
        self.docket.ready().await;
        self.daprd.ready().await;
        if self.role.subscribes() {
            self.daprd.subscribed().await;
        }
    }

    /// Asks once whether docket serves, and its sidecar delivers.
    pub async fn is_ready(&self) -> Result<(), String> {
        self.docket.serves().await.map_err(|error| format!("docket: {error}"))?;
        self.daprd.works(self.role.subscribes()).await.map_err(|error| format!("daprd: {error}"))
    }

    /// Puts an end to its faults, without waiting until it is ready.
    pub(super) async fn heal(&mut self, kafka: &Kafka) {
        for link in [Some(&self.links.database), Some(&self.links.sidecar), Some(&self.links.app)]
            .into_iter()
            .chain([self.broker(kafka)])
            .flatten()
        {
            link.heal().await;
        }
        revive(&mut self.docket);
        revive(&mut self.daprd);
    }
}

/// Lets a process go on that was stopped, and starts it again when it has ended.
fn revive(process: &mut Process) {
    if process.runs() {
        process.resume();
    } else {
        process.spawn();
    }
}
