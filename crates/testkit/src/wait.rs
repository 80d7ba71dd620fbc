//! Waits for conditions.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

const INTERVAL: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is `Ok`, and gives that answer.
///
/// # Panics
/// When that takes longer than `limit`, with `what` was waited for and the last `Err`.
#[track_caller]
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, String>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        let mut last = "nothing yet".to_owned();
        loop {
            match timeout_at(deadline, ask()).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(status)) => last = status,
                Err(_elapsed) => last = format!("a question without an answer; before it: {last}"),
            }
            assert!(Instant::now() < deadline, "{caller}: {what}: not within {limit:?}; last: {last}");
            sleep(INTERVAL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use super::*;

    fn failure(ask: impl AsyncFnMut() -> Result<(), String>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let run = || runtime.block_on(wait_for("the kettle", Duration::from_millis(50), ask));
        let panic = std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    }

    #[test]
    fn failure_says_what_was_missing_and_seen() {
        let mut asked = 0;
        let text = failure(async || {
            asked += 1;
            Err(format!("cold, asked {asked} times"))
        });
        assert!(text.contains("the kettle: not within 50ms"), "{text}");
        assert!(text.contains(&format!("last: cold, asked {asked} times")), "{text}");
        assert!(text.contains("wait.rs"), "{text}");
    }

    #[test]
    fn question_that_hangs_ends_too() {
        let text = failure(async || std::future::pending().await);
        assert!(text.contains("a question without an answer"), "{text}");
    }

    #[tokio::test]
    async fn answer_is_given() {
        let mut left = 2;
        let answer = wait_for("two more", Duration::from_secs(10), async || {
            left -= 1;
            if left == 0 { Ok("done") } else { Err(format!("{left} left")) }
        });
        assert_eq!(answer.await, "done");
    }
}
