//! A run: a safety phase, in which faults strike while clients work; a liveness phase, in which everything must come to be in
//! order; and the judgement.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use docket_testkit::history::{History, Recorder, Sources, check};
use futures::FutureExt as _;

use crate::client::Account;
use crate::converge::{Convergence, converge};
use crate::crew::Staff;
use crate::manner::Manner;
use crate::nemesis::{Deeds, rage};
use crate::options::Options;
use crate::plan::Plan;
use crate::report::{Found, Report, count, left};
use crate::world::World;
use crate::{evidence, poison};

/// The shortest run whose faults may last up to a minute.
const OUTAGES_FROM: Duration = Duration::from_secs(180);

/// A run that did not come to its end.
pub(crate) struct Broken(pub(crate) String);

/// Runs; what was wrong is in the report. An error means that there is none, because its files cannot be written.
///
/// # Panics
/// When not even the processes can be started.
pub async fn run(options: Options) -> Result<Report> {
    // Without its type, which is deep.
    conduct(options).boxed_local().await
}

async fn conduct(options: Options) -> Result<Report> {
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
        struck: std::mem::take(&mut deeds.struck),
        revived: world.revived,
        convergence,
        complaints: deeds.complaints,
        options: serde_json::to_value(&options).context("options are JSON")?,
        ..Report::default()
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
    report.write(&options.folder, options.seed, &world.logs(), &proof)?;
    Ok(report)
}

/// Faults strike while clients work.
async fn safety(world: &mut World, options: &Options, recorder: &Arc<Recorder>) -> Result<Deeds, Broken> {
    let accounts = |name: String| Account::new(&name, world.fleet.user(&name));
    let staff = Staff {
        seed: options.seed,
        clients: options.clients,
        rest: options.rest,
        manner: Manner::AsWished,
        recorder: Arc::clone(recorder),
        accounts: (0..options.users).map(|number| accounts(format!("user-{number}"))).collect(),
        probed: [accounts("probe".to_owned())].into(),
    };
    let plan = Plan::new(options.seed, &options.faults, options.replicas, options.lease);
    let plan = if options.safety >= OUTAGES_FROM { plan.with_outages() } else { plan };
    unbroken(staff.during(async |probe| rage(world, plan, probe, options.safety).await)).await
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
        let (database, stored) = tokio::join!(world.database.superuser_client(), world.kafka.read(topic));
        let sources = Sources { database: &database, topic, stored: &stored };
        History::gather(sources, calls, &planted.messages).await
    })
    .await
}

/// The kit panics when something does not come to be. The rest of the run, and its logs, are wanted all the same.
pub(crate) async fn unbroken<T>(work: impl Future<Output = T>) -> Result<T, Broken> {
    let panicked = |panic: Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Broken(text.unwrap_or_else(|| "something panicked".to_owned()))
    };
    AssertUnwindSafe(work.boxed_local()).catch_unwind().await.map_err(panicked)
}
