//! A user who sees whether everything works: completes repeating tasks, and waits until the audit log tells of it and their
//! next occurrences are there.

use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::client::Client;
use crate::ground::Ground;
use crate::wish::{Want, Wish};

/// How many tasks: enough for every partition of the topic, and for relays of every replica.
const TASKS: usize = 8;

/// How often a call is repeated.
const RETRIES: usize = 8;

/// What is there of completed tasks: their completions in the audit log, and what follows them.
const THERE: &str = "SELECT
    (SELECT count(*) FROM audit.audit_entries
     WHERE task_id = ANY($1::text[]::uuid[]) AND event_type = 'com.todo.task.completed'),
    (SELECT count(*) FROM tasks.occurrences WHERE predecessor_id = ANY($1::text[]::uuid[]))";

/// A user who sees whether everything works.
pub(crate) struct Probe {
    client: Client,
    random: StdRng,
}

impl Probe {
    /// A client of one user, whom nobody else works as.
    pub(crate) fn new(client: Client, seed: u64) -> Self {
        Self { client, random: StdRng::seed_from_u64(seed) }
    }

    /// Waits until everything works, or says what does not.
    pub(crate) async fn works(&mut self, ground: &impl Ground, limit: Duration) -> Result<(), String> {
        let start = Instant::now();
        let wishes: Vec<[Wish; 2]> =
            (0..TASKS).map(|_| [self.wish(Want::Create), self.wish(Want::Complete)]).collect();
        // Never given up in the middle: every call that was made is to be known.
        let completed = wishes.iter().map(|[create, complete]| self.client.complete_one(create, complete));
        let completed: Vec<String> = join_all(completed).await.into_iter().flatten().collect();
        if completed.len() < TASKS {
            return Err(format!("only {} of {TASKS} tasks could be completed", completed.len()));
        }
        let mut last = "nobody answers".to_owned();
        while start.elapsed() < limit {
            match timeout(limit, there(ground, &completed)).await {
                Ok(Ok([told, followed])) if told == TASKS && followed == TASKS => return Ok(()),
                Ok(Ok([told, followed])) => {
                    last = format!(
                        "of {TASKS} completions {told} are in the audit log, {followed} are followed"
                    );
                }
                Ok(Err(error)) => last = error,
                Err(_elapsed) => {}
            }
            sleep(ground.interval()).await;
        }
        Err(last)
    }

    fn wish(&mut self, want: Want) -> Wish {
        Wish {
            want,
            user: 0,
            hot: false,
            task: self.random.random_range(0..TASKS),
            repeats: true,
            id: None,
            etag: false,
            retries: RETRIES,
            again: false,
            request: self.uuid(),
            rest: Duration::ZERO,
        }
    }

    fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }
}

async fn there(ground: &impl Ground, tasks: &[String]) -> Result<[usize; 2], String> {
    let client = ground.database().await?;
    let row = client.query_one(THERE, &[&tasks]).await.map_err(|error| format!("{error:?}"))?;
    let [told, followed]: [i64; 2] = [row.get(0), row.get(1)];
    Ok([told, followed].map(|count| usize::try_from(count).unwrap_or_default()))
}
