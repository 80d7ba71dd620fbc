//! Docket against a model of it: several users at once do at random whatever the API allows, and more; events are
//! delivered late, again and again, and at the same time; Docket is ended and started again. Each answer, each task and
//! each event must be what the model expects.
//!
//! `DOCKET_MODEL_SEED` and `DOCKET_MODEL_STEPS` choose another run. Calls of one user follow from the seed; how those of
//! different users meet does not.

#![expect(clippy::module_inception, reason = "the model of the model test")]

#[expect(clippy::disallowed_methods, reason = "a sidecar has errors of its own")]
mod broker;
mod call;
mod check;
mod delivery;
mod host;
mod model;
mod race;
mod series;
mod steps;
mod story;
mod words;
mod world;

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use docket_testkit::{PATIENCE, Storage, wait_for};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use host::Host;
use story::Story;
use world::World;

/// How many users there are.
const USERS: u64 = 48;

/// After how many steps everything is checked.
const ROUND: u64 = 5_000;

/// How many steps lie between two restarts, at most.
const RESTART: u64 = 3_000;

/// What happens in every run, however short.
const KINDS: [&str; 21] = [
    "create",
    "update",
    "complete",
    "reopen",
    "delete",
    "get",
    "list",
    "delivery",
    "delivery twice at once",
    "delivery in a race",
    "redelivery",
    "successor",
    "race",
    "call repeated",
    "request id used again",
    "call for a task of somebody else's",
    "call refused",
    "call given up",
    "call cut",
    "restart after a crash",
    "restart in order",
];

/// Runs so many steps (mutations, redeliveries and restarts), or as many as the environment says.
pub(crate) async fn run(storage: Storage, steps: u64) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("DOCKET_MODEL_SEED").unwrap_or_else(|| rand::random_range(0..1_000_000));
    let steps = number("DOCKET_MODEL_STEPS").unwrap_or(steps);
    eprintln!("DOCKET_MODEL_SEED={seed} DOCKET_MODEL_STEPS={steps}");

    let host = Host::start(storage, seed).await;
    let (due, mut restart) = mpsc::unbounded_channel();
    let world = Arc::new(World::new(host, seed, restarts(seed, steps), due));
    let mut stories: Vec<Story> = (0..USERS).map(|number| Story::new(world.clone(), number)).collect();
    let begun = std::time::Instant::now();
    while world.steps.load(Ordering::SeqCst) < steps {
        let end = steps.min(world.steps.load(Ordering::SeqCst) + ROUND);
        let act = move |mut story: Story| async move {
            while story.world.steps.load(Ordering::SeqCst) < end {
                story.step().await;
            }
            story.drain().await;
            story
        };
        let check = |mut story: Story| async move {
            story.check().await;
            story
        };
        let mut acting = pin!(each(stories, act));
        stories = loop {
            tokio::select! {
                stories = &mut acting => break stories,
                crash = restart.recv() => world.restart(crash.unwrap()).await,
            }
        };
        assert_eq!(world.host.broker.faults(), [""; 0], "what was published");
        settled(&world.host).await;
        stories = each(stories, check).await;
        sequences(&world, &stories).await;
    }

    let (steps, elapsed) = (world.steps.load(Ordering::SeqCst), begun.elapsed());
    let (counts, troubles) = (world.counts(), world.host.broker.troubles());
    let events: i64 = stories.iter().map(Story::changes).sum();
    eprintln!("{steps} steps in {elapsed:?}, {events} events: {counts:#?} {troubles:#?}");
    for kind in KINDS {
        assert!(counts.contains_key(kind), "{kind} never happened: {counts:?}");
    }
    if steps >= ROUND {
        assert_eq!(troubles.len(), 6, "each trouble has come: {troubles:?}");
    }
    assert_eq!(world.host.broker.len() as i64, events, "one event of each version, and no other");
}

/// Goes on with each story on a task of its own.
async fn each<F>(stories: Vec<Story>, part: impl Fn(Story) -> F) -> Vec<Story>
where
    F: Future<Output = Story> + Send + 'static,
{
    stories.into_iter().map(part).collect::<JoinSet<Story>>().join_all().await
}

/// When Docket ends, and whether it crashes; the first one last.
fn restarts(seed: u64, steps: u64) -> Vec<(u64, bool)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    let mut at = 0;
    while at < steps {
        at += rng.random_range(1..RESTART.min(steps / 4));
        all.push((at, all.len() % 3 != 1));
    }
    all.reverse();
    all
}

/// Waits until no event is on its way; then no completed task waits for its successor.
async fn settled(host: &Host) {
    let stored = host.store().await;
    wait_for("an empty outbox", PATIENCE, async || match stored.tasks.outbox_depth().await.unwrap() {
        0 => Ok(()),
        depth => Err(depth.to_string()),
    })
    .await;
    let (gaps, _) =
        stored.tasks.series_gap_list("2300-01-01T00:00:00Z".parse().unwrap(), None, 500).await.unwrap();
    assert_eq!(gaps, [], "nothing has followed these");
    stored.close().await;
}

/// The changes of each user are numbered without a gap, and no two tasks have the same number.
async fn sequences(world: &World, stories: &[Story]) {
    let changes: BTreeMap<&str, i64> =
        stories.iter().map(|story| (story.name.as_str(), story.changes())).collect();
    for (user, last, numbers) in world.host.sequences().await {
        assert_eq!(last, changes[user.as_str()], "the last number of {user}");
        assert_eq!(numbers.last(), Some(&last), "{user}: {numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{user}: {numbers:?}");
    }
}
