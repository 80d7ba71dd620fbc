//! When the relay is woken for what was written down about messages.
//!
//! Not at once: when many messages are due in one moment they come one batch after the other, each is waited for, and to
//! tell of one costs as much as to send one.

use std::time::Duration;

use docket_store::Store;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long nothing may be written down before the relay is woken for what was.
const LULL: Duration = Duration::from_millis(250);

/// How long at most, however much is still written down: no longer than an idle relay takes until it looks by itself.
const LONGEST: Duration = Duration::from_secs(4);

/// Says that there are events in the outbox that the relay was not woken for.
#[derive(Debug, Default)]
pub(crate) struct News(Notify);

impl News {
    /// There are events that nobody has told the relay of.
    pub(crate) fn add(&self) {
        self.0.notify_one();
    }

    /// Wakes the relay when there was nothing new for a moment; for good.
    pub(crate) async fn pass_on(&self, store: &Store) {
        loop {
            self.0.notified().await;
            let last = Instant::now() + LONGEST;
            let mut until = Instant::now() + LULL;
            while timeout_at(until.min(last), self.0.notified()).await.is_ok() {
                until = Instant::now() + LULL;
            }
            store.outbox_appended();
        }
    }
}

#[cfg(test)]
mod tests {
    use docket_store::{Config, Schema, Stores};
    use tokio::time::{advance, pause, sleep};

    use super::*;

    /// Whether the relay is woken about so long after now.
    async fn woken_after(store: &Store, time: Duration, mut meanwhile: impl FnMut()) -> bool {
        let begun = Instant::now();
        let step = Duration::from_millis(50);
        loop {
            sleep(step).await;
            if store.outbox_take_appended() {
                return begun.elapsed() >= time && begun.elapsed() < time + 2 * step;
            }
            assert!(begun.elapsed() < 10 * LONGEST, "it was not woken");
            meanwhile();
        }
    }

    #[tokio::test]
    async fn the_relay_is_woken_after_a_lull_and_does_not_wait_for_ever() {
        let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
        let store = Stores::open(&config, &[]).await.unwrap().of(Schema::Notification);
        pause();
        let news = News::default();
        let told = async {
            advance(10 * LONGEST).await;
            assert!(!store.outbox_take_appended(), "there is nothing to tell");
            news.add();
            assert!(woken_after(&store, LULL, || {}).await);
            news.add();
            assert!(woken_after(&store, LONGEST, || news.add()).await, "it goes on and on");
        };
        tokio::select! {
            () = news.pass_on(&store) => panic!("it is for good"),
            () = told => {}
        }
    }
}
