//! What the relay can be told.

use std::time::Duration;

use docket_store::Store;
use serde::{Deserialize, Serialize};

/// How often the time between two looks at an empty outbox doubles.
const IDLE_DOUBLINGS: u32 = 2;

/// No longer than that on this account, in milliseconds: events of a process that does not announce them are found by a look.
const LONGEST_IDLE_MS: u64 = 5_000;

/// When an event may leave the outbox.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// When every handler's inbox has it: for a broker that forgets. Every handler must be in this process.
    #[default]
    Receipts,
    /// When the broker has acknowledged it.
    Broker,
}

/// What the relay can be told.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// When an event may leave the outbox: `receipts` or `broker`.
    pub confirm: Confirm,
    /// The most events of one call to the sidecar: 1 to 500.
    pub batch: u64,
    /// How many calls to the sidecar may be under way at the same time, each with other keys: 1 to 16. With receipts there is
    /// always one: the brokers that these are for take one event at a time, and calls would only wait for each other.
    pub calls_in_flight: usize,
    /// How often the outbox is looked at when nobody says that there is something in it, in milliseconds: 10 to 60,000;
    /// three times in a lease at least. One that is found empty again and again is looked at less often, down to a quarter
    /// of that, or every five seconds.
    pub poll_ms: u64,
    /// How long a published event waits for its receipts before it is published again, in milliseconds; longer, up to
    /// four times as long, when it was in vain before. Should exceed what a handler may take with all its attempts.
    pub receipt_timeout_ms: u64,
    /// How long a relay that shares its outbox with others may be silent before they take what it had, in seconds: 2 to
    /// 300. Must exceed `dapr.deadline_ms`, because nothing is published that may outlast it.
    pub lease_seconds: u64,
    /// The first pause after a failure, in milliseconds; it doubles with every further one.
    pub retry_min_ms: u64,
    /// The longest pause after failures, in milliseconds.
    pub retry_max_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            confirm: Confirm::Receipts,
            batch: 100,
            calls_in_flight: 4,
            poll_ms: 1_000,
            receipt_timeout_ms: 30_000,
            lease_seconds: 15,
            retry_min_ms: 200,
            retry_max_ms: 5_000,
        }
    }
}

impl Config {
    /// What is wrong with it, with the key's name.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=500).contains(&self.batch) {
            return Err(format!("batch must be 1 to 500, not {}", self.batch));
        }
        if !(1..=16).contains(&self.calls_in_flight) {
            return Err(format!("calls_in_flight must be 1 to 16, not {}", self.calls_in_flight));
        }
        if !(10..=60_000).contains(&self.poll_ms) {
            return Err(format!("poll_ms must be 10 to 60000, not {}", self.poll_ms));
        }
        if self.receipt_timeout_ms < 100 {
            return Err(format!("receipt_timeout_ms must be at least 100, not {}", self.receipt_timeout_ms));
        }
        if !(2..=300).contains(&self.lease_seconds) {
            return Err(format!("lease_seconds must be 2 to 300, not {}", self.lease_seconds));
        }
        if self.retry_min_ms == 0 || self.retry_min_ms > self.retry_max_ms {
            return Err("retry_min_ms must be at least 1 and at most retry_max_ms".to_owned());
        }
        Ok(())
    }

    /// How long a lease lasts.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// How many calls may be under way at the same time.
    pub(crate) fn calls(&self) -> usize {
        match self.confirm {
            Confirm::Receipts => 1,
            Confirm::Broker => self.calls_in_flight,
        }
    }

    /// How many events are fetched together: as many as may be on their way together.
    pub(crate) fn page(&self) -> u64 {
        self.batch.saturating_mul(self.calls() as u64)
    }

    /// How long to wait for a word of new events, when the outbox was found empty so often in a row.
    pub(crate) fn poll(&self, empty: u32) -> Duration {
        let longer = self.poll_ms.saturating_mul(1 << empty.saturating_sub(1).min(IDLE_DOUBLINGS));
        Duration::from_millis(longer.min(LONGEST_IDLE_MS).max(self.poll_ms))
    }

    /// How long to wait for the receipts of an event that was published so often before.
    pub(crate) fn receipt_timeout(&self, attempts: u32) -> Duration {
        Duration::from_millis(self.receipt_timeout_ms.saturating_mul(1 << attempts.min(2)))
    }

    /// How long to pause after so many failures in a row; `jitter` is 0 to 1 and takes off up to half, so that what
    /// failed together does not come back together.
    pub(crate) fn pause(&self, failures: u32, jitter: f64) -> Duration {
        let doubled = self.retry_min_ms.saturating_mul(1 << failures.clamp(1, 20).saturating_sub(1));
        Duration::from_millis(doubled.min(self.retry_max_ms)).mul_f64(1.0 - jitter / 2.0)
    }
}

/// A topic that the relay publishes to.
#[derive(Clone, Debug)]
pub struct Topic {
    /// The pub/sub component.
    pub pubsub: String,
    /// The topic.
    pub name: String,
    /// The handlers of the topic in this process.
    pub handlers: Vec<Handler>,
}

/// Who must be done with the events of a topic.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Its name in the inbox.
    pub name: &'static str,
    /// Where its inbox is.
    pub store: Store,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread() {
        let config = Config { retry_min_ms: 200, retry_max_ms: 5_000, ..Config::default() };
        let pauses = [1, 2, 3, 5, 6, 60, u32::MAX].map(|failures| config.pause(failures, 0.0).as_millis());
        assert_eq!(pauses, [200, 400, 800, 3_200, 5_000, 5_000, 5_000]);
        assert_eq!(config.pause(1, 1.0).as_millis(), 100);
    }

    #[test]
    fn an_empty_outbox_is_looked_at_less_and_less_often_down_to_a_quarter() {
        let config = Config { poll_ms: 1_000, ..Config::default() };
        assert_eq!([0, 1, 2, 3, 4, u32::MAX].map(|empty| config.poll(empty).as_secs()), [1, 1, 2, 4, 4, 4]);
        for (poll_ms, longest) in [(2_000, 5_000), (60_000, 60_000)] {
            let config = Config { poll_ms, ..Config::default() };
            assert_eq!(u128::from(longest as u64), config.poll(9).as_millis());
        }
    }

    #[test]
    fn receipts_are_waited_for_longer_when_they_did_not_come() {
        let config = Config { receipt_timeout_ms: 1_000, ..Config::default() };
        assert_eq!(
            [0, 1, 2, 3, u32::MAX].map(|attempts| config.receipt_timeout(attempts).as_secs()),
            [1, 2, 4, 4, 4]
        );
    }

    #[test]
    fn as_much_is_fetched_as_may_be_under_way() {
        let page = |confirm| Config { confirm, batch: 50, calls_in_flight: 3, ..Config::default() }.page();
        assert_eq!((page(Confirm::Broker), page(Confirm::Receipts)), (150, 50));
    }

    #[test]
    fn a_wrong_value_is_named_by_its_key() {
        let check = |config: Config, key: &str| {
            assert!(config.check().is_err_and(|what| what.contains(key)), "{key}")
        };
        assert!(Config::default().check().is_ok());
        check(Config { batch: 0, ..Config::default() }, "batch");
        check(Config { batch: 501, ..Config::default() }, "batch");
        check(Config { calls_in_flight: 0, ..Config::default() }, "calls_in_flight");
        check(Config { calls_in_flight: 17, ..Config::default() }, "calls_in_flight");
        check(Config { poll_ms: 9, ..Config::default() }, "poll_ms");
        check(Config { receipt_timeout_ms: 0, ..Config::default() }, "receipt_timeout_ms");
        check(Config { lease_seconds: 1, ..Config::default() }, "lease_seconds");
        check(Config { lease_seconds: 301, ..Config::default() }, "lease_seconds");
        check(Config { retry_min_ms: 0, ..Config::default() }, "retry_min_ms");
        check(Config { retry_min_ms: 9_000, ..Config::default() }, "retry_min_ms");
    }
}
