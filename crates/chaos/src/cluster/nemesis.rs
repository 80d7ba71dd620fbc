//! Carries faults out in a cluster, and sees how long it takes until everything works again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use docket_testkit::kubernetes::Forward;
use docket_testkit::publish;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use tokio::time::{Instant, sleep};

use super::fault::{Deck, Fault};
use super::options::Options;
use super::site::{DAPR, Site};
use super::{scale, switch};
use crate::ground::Ground as _;
use crate::nemesis::Struck;
use crate::probe::Probe;
use crate::tally::Tally;

/// How long nothing happens between two faults.
const CALM: Duration = Duration::from_secs(3);

/// How long everything may take to be in its place again.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many pods go at the same time.
const PODS: usize = 2;

/// Where a sidecar listens to its app.
const SIDECAR: u16 = 50_001;

/// The name of calls that no fault concerns.
pub(super) const NOTHING: &str = "nothing";

/// What a nemesis did.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    pub(super) struck: Vec<Struck>,
    /// What should not have been.
    pub(super) complaints: Vec<String>,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
}

/// Lets faults strike: each once, or for as long as it was said.
pub(super) async fn rage(site: &mut Site, options: &Options, tally: &Tally, probe: &mut Probe) -> Deeds {
    let start = Instant::now();
    let mut deeds = Deeds::default();
    let mut random = StdRng::seed_from_u64(options.seed);
    let once = options.safety.is_none().then_some(options.faults.len());
    for fault in Deck::new(options.seed, &options.faults).take(once.unwrap_or(usize::MAX)) {
        sleep(CALM).await;
        if options.safety.is_some_and(|safety| start.elapsed() >= safety) {
            break;
        }
        tally.act(&fault.name());
        let at = start.elapsed();
        let struck = strike(site, options, fault, tally, &mut random, &mut deeds).await;
        let what = struck.unwrap_or_else(|error| {
            deeds.complaints.push(format!("{}: {error:#}", fault.name()));
            fault.name()
        });
        if let Err(down) = site.up(PATIENCE).await {
            deeds.complaints.push(format!("after {}: {down}", fault.name()));
        }
        let lasted = start.elapsed() - at;
        let recovered = recover(site, options, probe, fault, &mut deeds).await;
        if let Err(error) = site.gone(PATIENCE).await {
            deeds.complaints.push(format!("after {}: {error:#}", fault.name()));
        }
        let (at, lasted) = (at.as_secs_f64(), lasted.as_secs_f64());
        eprintln!(
            "    {at:>7.1} s  {what}: {lasted:.1} s, works again after {:.1} s",
            recovered.unwrap_or(f64::NAN)
        );
        deeds.struck.push(Struck { fault: fault.name(), what, at, lasted, recovered });
        tally.act(NOTHING);
    }
    deeds
}

async fn recover(
    site: &Site,
    options: &Options,
    probe: &mut Probe,
    fault: Fault,
    deeds: &mut Deeds,
) -> Option<f64> {
    let start = Instant::now();
    match probe.works(site, options.liveness).await {
        Ok(()) => Some(start.elapsed().as_secs_f64()),
        Err(why) => {
            let limit = options.liveness;
            deeds.complaints.push(format!("not recovered from {} within {limit:?}: {why}", fault.name()));
            None
        }
    }
}

/// Lets a fault strike, and waits until it is over; says what it did.
async fn strike(
    site: &mut Site,
    options: &Options,
    fault: Fault,
    tally: &Tally,
    random: &mut StdRng,
    deeds: &mut Deeds,
) -> Result<String> {
    let name = fault.name();
    if let Some(role) = fault.rolls() {
        let deployment = site.deployment(role);
        roll(site, &deployment).await?;
        return Ok(format!("{name}: {deployment}"));
    }
    match fault {
        Fault::DeletePods => delete_pods(site, random, &[]).await.map(|pods| format!("{name}: {pods}")),
        Fault::KillPods => {
            let arguments = ["--grace-period=0", "--force"];
            delete_pods(site, random, &arguments).await.map(|pods| format!("{name}: {pods}"))
        }
        Fault::Rollback => rollback(site, options.seed).await.map(|revision| format!("{name} to {revision}")),
        Fault::EndSidecar => end_sidecar(site, random).await.map(|pod| format!("{name}: {pod}")),
        Fault::DrainSidecars => drain(site, random).await.map(|pods| format!("{name}: {pods}")),
        Fault::RestartDatabase => {
            let (namespace, selector) = site.database_pods().await?;
            delete(site, &namespace, &selector).await.map(|pods| format!("{name}: {pods}"))
        }
        Fault::RestartBroker => {
            let (namespace, selector) = site.broker_pods().await?;
            delete(site, &namespace, &selector).await.map(|pods| format!("{name}: {pods}"))
        }
        Fault::RestartScheduler => one_of(site, "app=dapr-scheduler-server", random).await,
        Fault::RestartOperator => one_of(site, "app=dapr-operator", random).await,
        Fault::Scale => scale::strike(site, deeds).await.map(|()| name),
        _ => switch::strike(site, tally, deeds).await.map(|()| name),
    }
}

async fn roll(site: &Site, deployment: &str) -> Result<()> {
    let deployment = format!("deployment/{deployment}");
    let namespace = ["--namespace", &site.helm.namespace];
    site.kubectl().text(&[&["rollout", "restart", &deployment][..], &namespace].concat()).await?;
    site.kubectl().wait(&[&["rollout", "status", &deployment][..], &namespace].concat()).await?;
    Ok(())
}

/// Tells some pods to go, of different targets where there are several.
async fn delete_pods(site: &Site, random: &mut StdRng, how: &[&str]) -> Result<String> {
    let pods = site.pods().await?;
    let first = pods.choose(random).context("no pod is ready")?;
    let others: Vec<_> = pods.iter().filter(|pod| pod.component != first.component).collect();
    let more = others.choose_multiple(random, PODS - 1).map(|pod| pod.name.as_str());
    let names: Vec<&str> = std::iter::once(first.name.as_str()).chain(more).collect();
    tell_to_go(site, &names, how).await?;
    Ok(names.join(", "))
}

/// A pod of every target at the same time, while events are on their way through it.
async fn drain(site: &Site, random: &mut StdRng) -> Result<String> {
    let pods = site.pods().await?;
    let mut names = Vec::new();
    let mut components: Vec<_> = pods.iter().map(|pod| pod.component.as_str()).collect();
    components.sort_unstable();
    components.dedup();
    for component in components {
        let replicas: Vec<_> = pods.iter().filter(|pod| pod.component == component).collect();
        names.extend(replicas.choose(random).map(|pod| pod.name.as_str()));
    }
    tell_to_go(site, &names, &[]).await?;
    Ok(format!("{} pods", names.len()))
}

async fn tell_to_go(site: &Site, names: &[&str], how: &[&str]) -> Result<()> {
    let delete = ["delete", "pod", "--namespace", &site.helm.namespace, "--wait=false"];
    site.kubectl().text(&[&delete[..], how, names].concat()).await?;
    still_there(site, names).await
}

/// Waits until none of them counts any more; Kubernetes may take a moment to see what is to be done.
async fn still_there(site: &Site, names: &[&str]) -> Result<()> {
    let start = Instant::now();
    while site.pods().await?.iter().any(|pod| names.contains(&pod.name.as_str())) {
        ensure!(start.elapsed() < PATIENCE, "pods that were told to go are ready all the same");
        sleep(site.interval()).await;
    }
    Ok(())
}

/// Tells all pods of a selector to go, and waits until they have.
async fn delete(site: &Site, namespace: &str, selector: &str) -> Result<String> {
    let selector = format!("--selector={selector}");
    let said = site.kubectl().wait(&["delete", "pod", "--namespace", namespace, &selector]).await?;
    let pods: Vec<&str> = said.lines().filter_map(|line| line.split('"').nth(1)).collect();
    Ok(pods.join(", "))
}

/// Tells one pod of Dapr's control plane to go.
async fn one_of(site: &Site, selector: &str, random: &mut StdRng) -> Result<String> {
    let list = site.kubectl().get(&["pods", "--namespace", DAPR, "--selector", selector]).await?;
    let names = super::objects::names(&list);
    let name = names.choose(random).with_context(|| format!("{DAPR} has no pods {selector}"))?;
    site.kubectl().wait(&["delete", "pod", "--namespace", DAPR, name]).await?;
    Ok(format!("restart of {name}"))
}

/// An upgrade that changes nothing but starts every pod anew, and the way back, which does the same.
async fn rollback(site: &Site, seed: u64) -> Result<u64> {
    let revision = site.helm.revision().await?;
    site.upgrade(&[format!(r#"defaults.podAnnotations.docket\.dev/chaos="{seed}""#)]).await?;
    site.helm.roll_back(revision).await?;
    Ok(revision)
}

/// Asks a sidecar to end, by the API that its app has. Its container is started again; the pod and the app stay.
async fn end_sidecar(site: &Site, random: &mut StdRng) -> Result<String> {
    let token = site.secret("docket-api-token", "token").await?;
    let pods = site.pods().await?;
    let pod = pods.choose(random).context("no pod is ready")?;
    let way = Forward::to(site.kubectl(), &site.helm.namespace, &format!("pod/{}", pod.name), &[SIDECAR]);
    way.open().await?;
    publish::shut_down(way.channel(SIDECAR), Some(&token))
        .await
        .context("the sidecar does not want to end")?;
    let start = Instant::now();
    loop {
        let now = site.pods().await?;
        let now = now.iter().find(|now| now.name == pod.name);
        if now.is_some_and(|now| now.restarts_of("daprd") > pod.restarts_of("daprd")) {
            return Ok(pod.name.clone());
        }
        ensure!(start.elapsed() < PATIENCE, "the sidecar of {} was not started again", pod.name);
        sleep(site.interval()).await;
    }
}

impl Site {
    /// Notes which shape the release has now.
    pub(super) fn is_single(&self, single: bool) {
        self.single.store(single, Ordering::SeqCst);
    }
}
