//! Shows how many letters nobody has dealt with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docket_domain::source::{Clock, seconds};
use docket_store::Store;
use docket_store::dead_letters::Depth;
use docket_telemetry::instruments::Meter;
use tokio_util::sync::CancellationToken;

/// The pause between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// What is known; nothing before the first look.
type Known = Arc<Mutex<Option<Depth>>>;

/// Looks again and again how many letters are open, for the figures. It is all the same in which process.
pub struct Watch {
    store: Store,
    known: Known,
}

impl Watch {
    /// Nobody has looked yet, and nothing is shown.
    pub fn new(store: Store, clock: Arc<dyn Clock>, meter: &Meter) -> Self {
        let known = Known::default();
        observe(&known, clock, meter);
        Self { store, known }
    }

    /// Looks until it is told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut failed = false;
        while let Some(depth) = stop.run_until_cancelled(self.store.letters_depth()).await {
            match depth {
                Ok(depth) => {
                    *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(depth);
                    failed = false;
                }
                // Once, and not at every look. What was known may still be so.
                Err(error) if !failed => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "nobody knows how many dead letters there are");
                    failed = true;
                }
                Err(_) => {}
            }
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                break;
            }
        }
    }
}

/// Shows what is known, as long as somebody looks.
fn observe(known: &Known, clock: Arc<dyn Clock>, meter: &Meter) {
    let told = |known: &Known| {
        let known = Arc::downgrade(known);
        move || *known.upgrade()?.lock().unwrap_or_else(PoisonError::into_inner)
    };
    let count = told(known);
    meter
        .u64_observable_gauge("docket.dead_letters.count")
        .with_unit("{letter}")
        .with_description("Dead letters that nobody has replayed or discarded")
        .with_callback(move |observer| {
            if let Some(depth) = count() {
                observer.observe(depth.letters, &[]);
            }
        })
        .build();
    let oldest = told(known);
    meter
        .f64_observable_gauge("docket.dead_letters.oldest.age")
        .with_unit("s")
        .with_description("How long ago the oldest of them failed first")
        .with_callback(move |observer| {
            if let Some(depth) = oldest() {
                observer.observe(depth.oldest.map_or(0.0, |oldest| seconds(clock.now() - oldest)), &[]);
            }
        })
        .build();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use docket_domain::{DeadLetterId, EventId, Instant, TimeDelta};
    use docket_store::dead_letters::NewLetter;
    use docket_store::{Config, Error, Schema, Stores};
    use docket_telemetry::{Handle, Identity, Meters};
    use docket_testkit::{PATIENCE, wait_for};
    use uuid::Uuid;

    use super::*;

    /// A minute after the letters.
    struct Later;

    impl Clock for Later {
        fn now(&self) -> Instant {
            Instant::default() + TimeDelta::minutes(1)
        }
    }

    fn letter(number: u128) -> NewLetter {
        NewLetter {
            id: DeadLetterId::from_uuid(Uuid::from_u128(number)),
            handler: "audit".to_owned(),
            event_id: EventId::from_uuid(Uuid::from_u128(number)),
            event_type: None,
            pubsub: "pubsub".to_owned(),
            topic: "task-events".to_owned(),
            key: "key".to_owned(),
            partition: None,
            offset: None,
            headers: BTreeMap::new(),
            reason: "reason".to_owned(),
            original: Vec::new(),
            time: Instant::default(),
            replay: None,
        }
    }

    /// How many there are, and how old the oldest is; nothing when that is not shown.
    fn shown(meters: &Meters) -> Vec<String> {
        let text = meters.render().unwrap();
        let lines = text.lines().filter(|line| line.starts_with("docket_dead_letters_"));
        lines.filter_map(|line| line.rsplit_once(' ').map(|(_, value)| value.to_owned())).collect()
    }

    #[tokio::test]
    async fn open_letters_are_shown_as_long_as_somebody_counts_them() {
        let config = Config { url: "sqlite::memory:".to_owned(), ..Config::default() };
        for (letters, expect) in [(vec![], ["0", "0"]), (vec![letter(1), letter(2)], ["2", "60"])] {
            let stores = Stores::open(&config, &[]).await.unwrap();
            stores.migrate_up(None).await.unwrap();
            let store = stores.of(Schema::DeadLetters);
            let kept: Result<(), Error> = store.transaction(|tx| Box::pin(tx.letters_keep(&letters))).await;
            kept.unwrap();

            let identity = Identity { service: "docket".to_owned(), version: "1", instance: Uuid::nil() };
            let meters = Handle::detached(&identity).unwrap().meters;
            let watch = Watch::new(store, Arc::new(Later), &meters.meter("docket-deadletters"));
            assert_eq!(shown(&meters), [""; 0], "nobody has looked");
            let stop = CancellationToken::new();
            let watching = tokio::spawn(watch.run(stop.clone()));
            wait_for("the figures", PATIENCE, async || match shown(&meters) {
                shown if shown == expect => Ok(()),
                shown => Err(format!("{shown:?}")),
            })
            .await;
            stop.cancel();
            watching.await.unwrap();
            assert_eq!(shown(&meters), [""; 0], "nobody knows any more");
        }
    }
}
