//! A model of a server under more load than it can bear, around the real gate: what the gate is there for, in numbers.
//!
//! Calls arrive by chance, each does a few steps that queue for the same database, and clients wait for a second. The
//! time is virtual and the chance has a seed: the model comes out the same every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::HeaderMap;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::gate::Gate;
use crate::deadline::Deadline;

const STEPS: u32 = 4;
const STEP: Duration = Duration::from_millis(5);

/// How long clients wait, and tell the server so.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came before tells of an empty server.
const WARM_UP: Duration = Duration::from_secs(2);

const MEASURED: Duration = Duration::from_secs(5);

/// Calls answered in time, as a share of what a server without pause could answer: `workers` steps at once, and `load`
/// times as many calls as that is enough for.
async fn goodput(workers: u32, load: f64, places: Option<usize>) -> f64 {
    let gate = places.map(|places| Arc::new(Gate::new(places, Duration::from_millis(100))));
    let database = Arc::new(Semaphore::new(workers as usize));
    let capacity = f64::from(workers) / (STEP * STEPS).as_secs_f64();
    let mut random = StdRng::seed_from_u64(7);
    let begun = Instant::now();
    let (measure, end) = (begun + WARM_UP, begun + WARM_UP + MEASURED);
    let answered = Arc::new(AtomicU32::new(0));
    let (mut calls, mut next) = (JoinSet::new(), begun);
    loop {
        next += Duration::from_secs_f64(-(1.0 - random.random::<f64>()).ln() / (capacity * load));
        if next > end {
            break;
        }
        sleep_until(next).await;
        let (gate, database, answered) = (gate.clone(), database.clone(), answered.clone());
        let call = async move {
            let deadline = Deadline::of(&HeaderMap::new(), PATIENCE);
            let _place = match &gate {
                Some(gate) => Some(gate.enter(deadline).await?),
                None => None,
            };
            for _ in 0..STEPS {
                let _worker = database.acquire().await.ok()?;
                sleep(STEP).await;
            }
            if (measure..end).contains(&Instant::now()) {
                answered.fetch_add(1, Ordering::Relaxed);
            }
            Some(())
        };
        calls.spawn(timeout(PATIENCE, call));
    }
    while calls.join_next().await.is_some() {}
    f64::from(answered.load(Ordering::Relaxed)) / (capacity * MEASURED.as_secs_f64())
}

/// The table of ADR 010.
#[tokio::test(start_paused = true)]
async fn a_server_with_a_gate_answers_as_many_as_it_can_and_one_without_answers_few() {
    // Workers, load, places, and the bounds of goodput. Four workers answer 200 calls a second.
    let table = [
        (4, 2.0, Some(64), 0.9..1.1),
        (4, 10.0, Some(64), 0.9..1.1),
        (16, 2.0, Some(256), 0.9..1.1),
        (16, 10.0, Some(256), 0.9..1.1),
        (4, 0.8, None, 0.7..0.9),
        (4, 2.0, None, 0.0..0.1),
        (4, 10.0, None, 0.0..0.1),
        // More places than are emptied within the patience of the clients: as good as none.
        (4, 10.0, Some(1024), 0.0..0.1),
    ];
    for (workers, load, places, expect) in table {
        let goodput = goodput(workers, load, places).await;
        assert!(expect.contains(&goodput), "{workers} workers, {load}x, {places:?} places: {goodput:.2}");
    }
}
