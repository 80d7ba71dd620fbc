//! More replicas, and fewer again: the new ones get work of those who are there already.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use docket_testkit::kubernetes::Forward;
use docket_testkit::{Figures, Role, http};
use tokio::time::{Instant, sleep};

use super::nemesis::Deeds;
use super::objects::Pod;
use super::site::Site;
use crate::ground::Ground as _;

/// How soon every replica must have work.
const LIMIT: Duration = Duration::from_secs(60);

/// How many replicas there are to be.
const MANY: usize = 3;

/// Where a pod tells its figures, to itself alone.
const ADMIN: u16 = 7602;

/// Calls of the API by those outside, and events that were handled.
const CALLS: &str = "rpc_server_call_duration_seconds_count";
const EVENTS: &str = "docket_events_handled_total";

/// Labels of a figure.
type Labels = &'static [(&'static str, &'static str)];

/// Whose replicas must have work: the target, its figure, and a label of it. A message is due too seldom for three.
const WORK: [(Role, &str, Labels); 4] = [
    (Role::Tasks, CALLS, &[("docket_port", "public")]),
    (Role::Audit, EVENTS, &[]),
    (Role::Recurrence, EVENTS, &[]),
    (Role::Reminders, EVENTS, &[]),
];

/// One replica of every target, three, one again, and as many as before.
pub(super) async fn strike(site: &mut Site, deeds: &mut Deeds) -> Result<()> {
    let before = site.helm.revision().await?;
    let result = up_and_down(site, deeds).await;
    site.helm.roll_back(before).await?;
    result
}

async fn up_and_down(site: &mut Site, deeds: &mut Deeds) -> Result<()> {
    replicas(site, 1).await?;
    replicas(site, MANY).await?;
    // From now on: Helm has seen all of them ready.
    let start = Instant::now();
    let mut watches = Vec::new();
    for pod in site.pods().await? {
        if let Some((role, figure, labels)) = WORK.iter().find(|(role, ..)| role.name() == pod.component) {
            watches.push(Watch::new(site, &pod, *role, figure, labels).await?);
        }
    }
    let mut served: BTreeMap<Role, Vec<f64>> = BTreeMap::new();
    while !watches.is_empty() && start.elapsed() < LIMIT {
        let mut idle = Vec::new();
        for watch in watches {
            match watch.has_work().await {
                Ok(true) => served.entry(watch.role).or_default().push(start.elapsed().as_secs_f64()),
                // Asked again until the time is over.
                Ok(false) | Err(_) => idle.push(watch),
            }
        }
        watches = idle;
        sleep(site.interval()).await;
    }
    for (role, ..) in WORK {
        let times = served.remove(&role).unwrap_or_default();
        let slowest = times.iter().copied().fold(0.0, f64::max);
        let note =
            format!("of {MANY} replicas of {} {} had work within {slowest:.0} s", role.name(), times.len());
        deeds.notes.push(format!("scale: {note}"));
        if times.len() < MANY {
            deeds.complaints.push(format!("scale: {note}, the others not within {LIMIT:?}"));
        }
    }
    replicas(site, 1).await
}

/// Gives every target so many replicas, and waits until they are ready.
async fn replicas(site: &mut Site, count: usize) -> Result<()> {
    let targets = Role::ALL.map(|role| format!("targets.{}.replicas={count}", role.name()));
    site.upgrade(&targets).await?;
    site.up(LIMIT).await.map(drop).map_err(|down| anyhow::anyhow!(down))
}

/// A replica that is watched.
struct Watch {
    role: Role,
    figure: &'static str,
    labels: Labels,
    way: Forward,
    /// What its figure was.
    first: f64,
}

impl Watch {
    async fn new(site: &Site, pod: &Pod, role: Role, figure: &'static str, labels: Labels) -> Result<Self> {
        let way = Forward::to(site.kubectl(), &site.helm.namespace, &format!("pod/{}", pod.name), &[ADMIN]);
        way.open().await?;
        let mut watch = Self { role, figure, labels, way, first: 0.0 };
        watch.first = watch.ask().await?;
        Ok(watch)
    }

    async fn has_work(&self) -> Result<bool> {
        Ok(self.ask().await? > self.first)
    }

    async fn ask(&self) -> Result<f64> {
        // kubectl gives its ports up when a connection breaks.
        self.way.open().await?;
        let (code, page) = http::exchange(self.way.address(ADMIN), "GET", "/metrics", &[], "").await?;
        ensure!(code == 200, "/metrics: {code}");
        let figures = Figures::parse(&page).map_err(|why| anyhow::anyhow!(why)).context("/metrics")?;
        // One that has done nothing yet has no figure.
        Ok(figures.sum(self.figure, self.labels).unwrap_or_default())
    }
}
