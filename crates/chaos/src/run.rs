//! A run: a safety phase, in which faults strike while clients work; a liveness phase, in which everything must come to be in
//! order; and the judgement.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use docket_testkit::history::{History, Recorder, Sources, check};
use futures::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Account, Client};
use crate::converge::{Convergence, converge};
use crate::nemesis::{Deeds, rage};
use crate::options::Options;
use crate::plan::Plan;
use crate::probe::Probe;
use crate::report::{Found, Report, count, left};
use crate::wish::Wishes;
use crate::world::World;
use crate::{evidence, poison};

/// Apart from the seeds of the faults.
const OF_CLIENTS: u64 = 0x0063_6c69_656e_7473;

/// The shortest run whose faults may last up to a minute.
const OUTAGES_FROM: Duration = Duration::from_secs(180);

/// A run that did not come to its end.
struct Broken(String);

/// Runs; what was wrong is in the report. An error means that there is none, because its files cannot be written.
///
/// # Panics
/// When not even the processes can be started.
pub async fn run(options: Options) -> Result<Report> {
    eprintln!("==> PostgreSQL, Kafka, {} replicas of every target", options.replicas);
    let mut world = World::start(&options).await;
    let recorder = Arc::new(Recorder::default());

    eprintln!("==> safety: faults strike for {} s", options.safety.as_secs());
    let deeds = safety(&mut world, &options, &recorder).await;
    eprintln!("==> liveness: everything is to be in order within {} s", options.liveness.as_secs());
    let (mut deeds, convergence) = match deeds {
        Ok(deeds) => (deeds, liveness(&mut world, &options).await),
        Err(Broken(why)) => {
            let convergence = Convergence { last: why.clone(), ..Convergence::default() };
            (Deeds { complaints: vec![why], ..Deeds::default() }, convergence)
        }
    };

    eprintln!("==> judgement");
    let calls = recorder.calls();
    let mut report = Report {
        calls: count(&calls),
        left: Default::default(),
        struck: std::mem::take(&mut deeds.struck),
        revived: world.revived,
        convergence,
        anomalies: Vec::new(),
        complaints: deeds.complaints,
        logs: None,
        options,
    };
    let mut proof = String::new();
    match history(&world, calls).await {
        Ok(history) => {
            let anomalies = check(&history);
            report.left = left(&history);
            report.anomalies = anomalies.iter().map(Found::from).collect();
            proof = evidence::of(&history, &anomalies);
        }
        Err(Broken(why)) => report.complaints.push(why),
    }
    write(&world, &mut report, &proof)?;
    Ok(report)
}

/// Faults strike while clients work.
async fn safety(world: &mut World, options: &Options, recorder: &Arc<Recorder>) -> Result<Deeds, Broken> {
    let names = (0..options.users).map(|number| format!("user-{number}"));
    let accounts: Arc<[Account]> = names.map(|name| Account::new(&name, world.fleet.user(&name))).collect();
    let probed: Arc<[Account]> = [Account::new("probe", world.fleet.user("probe"))].into();
    let (tell, over) = watch::channel(false);
    let client = |number, accounts: &Arc<[Account]>| {
        Client::new(number, Arc::clone(recorder), Arc::clone(accounts), over.clone())
    };
    let mut clients = JoinSet::new();
    for number in 0..options.clients {
        let wishes = Wishes::new(seed_of(options, number), options.users, options.rest);
        clients.spawn(client(number, &accounts).work(wishes));
    }
    let mut probe = Probe::new(client(options.clients, &probed), seed_of(options, options.clients));
    let plan = Plan::new(options.seed, &options.faults, options.replicas, options.lease);
    let plan = if options.safety >= OUTAGES_FROM { plan.with_outages() } else { plan };
    let deeds = unbroken(rage(world, plan, &mut probe, options.safety)).await;
    // Everything is up again or broken for good: each client ends what it is at.
    tell.send_replace(true);
    let mut ended = Vec::new();
    while let Some(client) = clients.join_next().await {
        ended.push(client);
    }
    match ended.into_iter().find_map(Result::err) {
        Some(error) => Err(Broken(format!("a client broke: {error}"))),
        None => deeds,
    }
}

/// No two clients may want the same things.
fn seed_of(options: &Options, client: usize) -> u64 {
    options.seed ^ OF_CLIENTS.wrapping_mul(1 + client as u64)
}

/// Everything comes to be in order.
async fn liveness(world: &mut World, options: &Options) -> Convergence {
    let converged = unbroken(async {
        world.mend().await;
        converge(world, options.liveness).await
    });
    converged.await.unwrap_or_else(|Broken(last)| Convergence { last, ..Convergence::default() })
}

async fn history(world: &World, calls: Vec<docket_testkit::history::Call>) -> Result<History, Broken> {
    let topic = world.fleet.topic();
    unbroken(async {
        let planted = poison::planted(&world.kafka, topic).await;
        let planted = planted.unwrap_or_else(|error| panic!("Kafka: {error}"));
        let sources = Sources { database: &world.database, kafka: &world.kafka, topic };
        History::gather(sources, calls, &planted.messages).await
    })
    .await
}

/// The kit panics when something does not come to be. The rest of the run, and its logs, are wanted all the same.
async fn unbroken<T>(work: impl Future<Output = T>) -> Result<T, Broken> {
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Broken(text.unwrap_or_else(|| "something panicked".to_owned()))
    };
    AssertUnwindSafe(Box::pin(work)).catch_unwind().await.map_err(panicked)
}

/// Writes the report; and when something was wrong, the logs of all processes and what is known of each anomaly.
fn write(world: &World, report: &mut Report, proof: &str) -> Result<()> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let name = format!("{}-{time}", report.options.seed);
    let folder = &report.options.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let file = folder.join(format!("{name}.json"));
    if !report.is_clean() {
        let logs: PathBuf = folder.join(&name);
        std::fs::create_dir_all(&logs).with_context(|| format!("{} cannot be made", logs.display()))?;
        for (process, text) in world.logs() {
            std::fs::write(logs.join(format!("{process}.log")), text).context("a log cannot be written")?;
        }
        std::fs::write(logs.join("evidence.txt"), proof).context("the evidence cannot be written")?;
        report.logs = Some(logs);
    }
    let json = serde_json::to_string_pretty(&report).context("a report is JSON")?;
    std::fs::write(&file, json).with_context(|| format!("{} cannot be written", file.display()))?;
    eprintln!("    {}", file.display());
    Ok(())
}
