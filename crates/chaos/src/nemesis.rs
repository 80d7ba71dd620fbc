//! Carries out faults, puts an end to them, and sees how long it takes until everything works again.

use std::time::Duration;

use docket_testkit::{Member, Proxy, Shutdown, Signal, Way};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::ground::Ground as _;
use crate::plan::{Kind, Network, Plan, Step, Strike};
use crate::poison;
use crate::probe::Probe;
use crate::world::{FAILPOINTS, PARTITIONS, World};

/// How long everything may take to work again after one step, before the next one comes in any case.
const PATIENCE: Duration = Duration::from_secs(60);

/// The share of calls whose end is unclear, with the failpoints that make it so.
const UNCLEAR_COMMITS: &str = "commit-unknown=20%return";
const UNCLEAR_PUBLISHES: &str = "publish-unknown=30%return";

/// Where a docket ends itself, and how often it passes by.
const CRASH_POINTS: &str = "after-commit=2%return;after-publish=5%return;before-delete=5%return";

/// The share of deliveries that fail, with the failpoints that make them.
const FAILING_HANDLERS: &str = "audit-error=40%return;recurrence-error=40%return";

/// A fault that has struck.
#[derive(Clone, Debug, Serialize)]
pub struct Struck {
    /// What struck, by its name.
    pub fault: String,
    /// Whom, and how.
    pub what: String,
    /// When, in seconds since the faults began.
    pub at: f64,
    /// How many seconds it lasted.
    pub lasted: f64,
    /// How many seconds after its end everything worked again: events went all the way, next occurrences appeared. Absent
    /// when nobody waited for it.
    pub recovered: Option<f64>,
}

/// What a nemesis did.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) struck: Vec<Struck>,
    /// What should not have been.
    pub(crate) complaints: Vec<String>,
}

/// Lets faults strike for so long; what they left is mended.
pub(crate) async fn rage(world: &mut World, plan: Plan, probe: &mut Probe, safety: Duration) -> Deeds {
    let start = Instant::now();
    let mut deeds = Deeds::default();
    for step in plan {
        sleep(step.calm).await;
        let left = safety.saturating_sub(start.elapsed());
        // A fault that is cut short is not the fault that its name says.
        if step.lasts > left {
            sleep(left).await;
            break;
        }
        let at = start.elapsed();
        let mut whats = Vec::new();
        for strike in &step.strikes {
            let alone = step.strikes.len() == 1;
            let Some(what) = begin(world, strike, alone, &mut deeds).await else { continue };
            eprintln!("    {:>7.1} s  {what}", at.as_secs_f64());
            whats.push((strike.kind, what));
        }
        sleep(step.lasts).await;
        disarm(world, &step);
        world.mend().await;
        let lasted = start.elapsed() - at;
        let recovered = recover(world, probe, &step, &mut deeds).await;
        for (fault, what) in whats {
            let (at, lasted) = (at.as_secs_f64(), lasted.as_secs_f64());
            deeds.struck.push(Struck { fault: fault.name(), what, at, lasted, recovered });
        }
    }
    deeds
}

/// Waits until everything works again, if this step is one after which somebody waits.
async fn recover(world: &mut World, probe: &mut Probe, step: &Step, deeds: &mut Deeds) -> Option<f64> {
    if !step.waits {
        world.revive();
        return None;
    }
    let start = Instant::now();
    let recovered = match world.up(PATIENCE).await {
        Ok(_) => probe.works(world, PATIENCE).await,
        Err(down) => Err(down),
    };
    match recovered {
        Ok(()) => Some(start.elapsed().as_secs_f64()),
        Err(why) => {
            let kinds: Vec<String> = step.strikes.iter().map(|strike| strike.kind.name()).collect();
            deeds
                .complaints
                .push(format!("not recovered from {} within {PATIENCE:?}: {why}", kinds.join(" and ")));
            None
        }
    }
}

/// Lets a fault strike; says what it does, if it does anything.
async fn begin(world: &mut World, strike: &Strike, alone: bool, deeds: &mut Deeds) -> Option<String> {
    let kind = strike.kind.name();
    match strike.kind {
        Kind::KillBroker => world.kafka.kill(),
        Kind::PauseBroker => world.kafka.pause(),
        Kind::KillScheduler => world.fleet.scheduler().kill(),
        Kind::EndDatabase => world.postgres.stop(Shutdown::Fast).await,
        Kind::CrashDatabase => world.postgres.stop(Shutdown::Immediate).await,
        Kind::PauseDatabase => world.postgres.pause(),
        Kind::Poison => {
            let topic = world.fleet.topic().to_owned();
            let planted = poison::plant(&world.kafka, &topic, PARTITIONS, strike.seed).await;
            return (planted > 0).then(|| format!("{kind}: {planted} messages"));
        }
        Kind::PartitionDatabase | Kind::PartitionSidecar | Kind::PartitionApp | Kind::PartitionBroker => {
            let name = world.member(strike.member).name();
            partition(world, strike).await;
            return Some(format!("{kind} {name}: {:?}", strike.network));
        }
        _ => {
            let member = world.member(strike.member);
            let name = member.name();
            let complaint = befall(member, strike.kind).await;
            // Who cannot reach what it needs may end in another way.
            deeds.complaints.extend(complaint.filter(|_| alone));
            return Some(format!("{kind} {name}"));
        }
    }
    Some(kind)
}

/// What happens to a docket or its sidecar; what was wrong with how it ended.
async fn befall(member: &mut Member, kind: Kind) -> Option<String> {
    match kind {
        Kind::KillApp => member.docket.kill(),
        Kind::EndApp => return end(member).await,
        Kind::PauseApp => member.docket.pause(),
        Kind::KillSidecar => member.daprd.kill(),
        Kind::EndMember => {
            member.daprd.signal(Signal::SIGTERM);
            let complaint = end(member).await;
            member.daprd.wait_exit().await;
            return complaint;
        }
        Kind::PauseSidecar => member.daprd.pause(),
        Kind::UnclearCommits => with_failpoints(member, UNCLEAR_COMMITS),
        Kind::UnclearPublishes => with_failpoints(member, UNCLEAR_PUBLISHES),
        Kind::CrashPoints => with_failpoints(member, CRASH_POINTS),
        Kind::FailingHandlers => with_failpoints(member, FAILING_HANDLERS),
        _ => {
            member.docket.kill();
            member.daprd.kill();
        }
    }
    None
}

/// Tells a docket to end; what was wrong with how it did.
async fn end(member: &mut Member) -> Option<String> {
    let status = member.docket.terminate().await;
    (!status.success()).then(|| format!("{} was told to end, and ended with {status}", member.name()))
}

/// Starts a docket again, with failpoints.
fn with_failpoints(member: &mut Member, failpoints: &str) {
    member.docket.kill();
    member.docket.set_env(FAILPOINTS, failpoints);
    member.docket.spawn();
    // For the next start, which ends the fault.
    member.docket.set_env(FAILPOINTS, "");
}

/// Ends those that run with failpoints; who has ended is started again.
fn disarm(world: &mut World, step: &Step) {
    for strike in &step.strikes {
        if strike.kind.needs_failpoints() {
            world.member(strike.member).docket.kill();
        }
    }
}

async fn partition(world: &mut World, strike: &Strike) {
    let (role, index) = strike.member;
    let member = world.fleet.member(role, index);
    let link = match strike.kind {
        Kind::PartitionDatabase => Some(&member.links.database),
        Kind::PartitionSidecar => Some(&member.links.sidecar),
        Kind::PartitionApp => Some(&member.links.app),
        _ => member.broker(&world.kafka),
    };
    if let Some(link) = link {
        fail(link, strike).await;
    }
}

async fn fail(link: &Proxy, strike: &Strike) {
    match strike.network {
        Network::Cut => link.cut().await,
        Network::Reset => link.reset().await,
        Network::Blackhole(way) => link.blackhole(way),
        Network::HalfOpen(end) => link.half_open(end),
        Network::Forget => link.forget(),
        Network::Delay(most) => link.delay(Way::Both, Duration::ZERO, most, strike.seed),
    }
}
