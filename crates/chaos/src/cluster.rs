//! Chaos in a Kubernetes that runs Docket: clients work, pods come and go, and the same judge as always has the last word.

mod directory;
mod fault;
mod nemesis;
mod objects;
mod options;
mod scale;
mod site;
mod switch;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use docket_testkit::Role;
use docket_testkit::history::{Call, History, Recorder, Sources, check, keeps_order};
use futures::FutureExt as _;

pub use fault::Fault;
pub use options::Options;

use crate::client::Account;
use crate::converge::{Convergence, converge};
use crate::crew::Staff;
use crate::evidence;
use crate::ground::Ground as _;
use crate::manner::Manner;
use crate::report::{Found, Report, count, left};
use crate::run::{Broken, unbroken};
use crate::tally::Tally;
use nemesis::{Deeds, NOTHING, rage};
use site::{EVENTS, Site};

/// How long everything may take to be up before anything happens.
const PATIENCE: Duration = Duration::from_secs(300);

/// The clocks of this machine and of the database may differ by so much, in microseconds.
const CLOCKS: i64 = 60_000_000;

/// Runs; what was wrong is in the report. An error means that there is none: there is no Docket, or it cannot be reached.
pub async fn run(options: Options) -> Result<Report> {
    // Without its type, which is deep.
    conduct(options).boxed_local().await
}

async fn conduct(options: Options) -> Result<Report> {
    let mut site = Site::find(&options).await?;
    eprintln!("==> release {} in context {}", options.release, site.kubectl().context());
    let before = site.helm.revision().await?;
    if let Some(replicas) = options.replicas {
        eprintln!("==> {replicas} replicas of every target");
        let targets = Role::ALL.map(|role| format!("targets.{}.replicas={replicas}", role.name()));
        site.upgrade(&targets).await?;
    }
    site.up(PATIENCE).await.map_err(|down| anyhow!("it is not up: {down}"))?;
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Nobody has been called so before.
    let names = format!("chaos-{}-{}", options.seed, start.as_secs());
    let (recorder, tally) = (Arc::new(Recorder::default()), Arc::new(Tally::new(NOTHING)));

    eprintln!("==> safety: faults strike");
    let deeds = safety(&mut site, &options, &names, &recorder, &tally).await?;
    eprintln!("==> liveness: everything is to be in order within {} s", options.liveness.as_secs());
    let liveness = unbroken(converge(&mut site, options.liveness)).await;
    let convergence = liveness.unwrap_or_else(|Broken(last)| Convergence { last, ..Convergence::default() });

    eprintln!("==> judgement");
    let calls = recorder.calls();
    let mut report = Report {
        options: serde_json::to_value(&options).context("options are JSON")?,
        calls: count(&calls),
        struck: deeds.struck,
        acts: tally.all(),
        revived: site.restarts().await.unwrap_or_default(),
        convergence,
        complaints: deeds.complaints,
        notes: deeds.notes,
        ..Report::default()
    };
    let since = i64::try_from(start.as_micros()).unwrap_or(i64::MAX) - CLOCKS;
    let proof = judge(&site, calls, &names, since, &mut report).await;
    let logs = if report.is_clean() { Vec::new() } else { site.logs().await };
    if site.has_changed() {
        eprintln!("==> back to revision {before} of the release");
        if let Err(error) = site.helm.roll_back(before).await {
            report.complaints.push(format!("the release is not as it was: {error:#}"));
        }
    }
    report.write(&options.folder, options.seed, &logs, &proof)?;
    Ok(report)
}

/// Faults strike while clients work.
async fn safety(
    site: &mut Site,
    options: &Options,
    names: &str,
    recorder: &Arc<Recorder>,
    tally: &Arc<Tally>,
) -> Result<Deeds> {
    let account =
        |name: String| -> Result<Account> { Ok(Account::new(&name, site.user(&name, options.connections)?)) };
    let accounts: Vec<Account> =
        (0..options.users).map(|number| account(format!("{names}-user-{number}"))).collect::<Result<_>>()?;
    let staff = Staff {
        seed: options.seed,
        clients: options.clients,
        rest: options.rest,
        manner: Manner::AsDocumented(Arc::clone(tally)),
        recorder: Arc::clone(recorder),
        accounts: accounts.into(),
        probed: [account(format!("{names}-probe"))?].into(),
    };
    let raged = unbroken(staff.during(async |probe| rage(site, options, tally, probe).await)).await;
    Ok(raged.unwrap_or_else(|Broken(why)| Deeds { complaints: vec![why], ..Deeds::default() }))
}

/// What is wrong with what this run has left; what is known of it is the proof.
async fn judge(site: &Site, calls: Vec<Call>, names: &str, since: i64, report: &mut Report) -> String {
    match history(site, calls, names, since, &mut report.notes).await {
        Ok(history) => {
            let anomalies = check(&history);
            report.left = left(&history);
            report.anomalies = anomalies.iter().map(Found::from).collect();
            evidence::of(&history, &anomalies)
        }
        Err(error) => {
            report.complaints.push(format!("nothing can be judged: {error:#}"));
            String::new()
        }
    }
}

async fn history(
    site: &Site,
    calls: Vec<Call>,
    names: &str,
    since: i64,
    notes: &mut Vec<String>,
) -> Result<History> {
    let database = site.database().await.map_err(|why| anyhow!("PostgreSQL: {why}"))?;
    if !unbroken(keeps_order(&database)).await.map_err(|Broken(why)| anyhow!(why))? {
        notes.push("the order at the consumers was not judged: track_commit_timestamp is off".to_owned());
    }
    let stored = site.stored(EVENTS).await?;
    let sources = Sources { database: &database, topic: EVENTS, stored: &stored };
    let all = unbroken(History::gather(sources, calls, &[])).await.map_err(|Broken(why)| anyhow!(why))?;
    let prefix = format!("{names}-");
    Ok(all.of_users(|user| user.starts_with(&prefix), since))
}
