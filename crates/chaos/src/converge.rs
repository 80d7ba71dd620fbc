//! Whether everything is in order again after the faults: nothing on its way, nothing owed, no letters but those that were
//! asked for.

use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep, timeout};

use crate::ground::Ground;

/// Completed tasks that wait for their next occurrence.
const OWED: &str = "SELECT count(*) FROM tasks.tasks
    WHERE awaits_successor AND complete_time IS NOT NULL AND delete_time IS NULL";

/// How everything came to be in order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Convergence {
    /// Seconds from the end of the last fault until every process served and every sidecar delivered.
    pub up: Option<f64>,
    /// Seconds from then until everything was in order.
    pub converged: Option<f64>,
    /// What was not in order when it was asked last.
    pub last: String,
}

/// Waits until everything is in order, for as long as `limit` after everything is up.
pub(crate) async fn converge(ground: &mut impl Ground, limit: Duration) -> Convergence {
    let mut convergence = Convergence::default();
    match ground.up(2 * limit).await {
        Ok(took) => convergence.up = Some(took.as_secs_f64()),
        Err(down) => {
            convergence.last = format!("not up: {down}");
            return convergence;
        }
    }
    let start = Instant::now();
    while start.elapsed() < limit {
        ground.revive();
        match timeout(limit, open_ends(ground)).await {
            Ok(Ok(())) => {
                convergence.converged = Some(start.elapsed().as_secs_f64());
                convergence.last.clear();
                return convergence;
            }
            Ok(Err(last)) => convergence.last = last,
            Err(_elapsed) => convergence.last = "nobody answers".to_owned(),
        }
        sleep(4 * ground.interval()).await;
    }
    convergence
}

async fn open_ends(ground: &impl Ground) -> Result<(), String> {
    ground.settled().await?;
    let client = ground.database().await?;
    let owed = client.query_one(OWED, &[]).await.map_err(|error| format!("{error:?}"))?;
    match owed.get::<_, i64>(0) {
        0 => Ok(()),
        owed => Err(format!("{owed} completed tasks wait for their next occurrence")),
    }
}
